"""YAML as marketers need it: every scalar is text, every value knows its place.

`21:00`, `NO` and `on` stay what was written; types come from the schema. Tags, anchors,
aliases and duplicate keys are errors.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from triggers.problems import Problem, WorkspaceError

DEEPEST = 20  # levels; no workspace file needs more
LARGEST = 256 * 1024  # characters
FILES = 1_000  # that are remembered as they were read, about 25 KB each
MAPPING_WITHIN = "mapping values are not allowed here"  # as the parser says it

Path = tuple[str | int, ...]


class Place(NamedTuple):
    """A line and a column, from 1."""

    line: int
    column: int


class Document(NamedTuple):
    """A file's content as dicts, lists and texts, with the place of each value and key."""

    file: str
    content: Any
    places: dict[Path, Place]

    def problem(self, path: Path, message: str, shift: int = 0) -> Problem:
        """Build a problem at a path, or at the nearest place above it that has one.

        Args:
            path: keys and list positions from the top.
            message: what is wrong and what to do.
            shift: columns to the right of the value's start.
        """
        while path and path not in self.places:
            path, shift = path[:-1], 0
        line, column = self.places.get(path, Place(1, 1))
        return Problem(self.file, line, column + shift, message)


class Yaml(YAML):
    """The parser without a look around its own folder: the core, which loads versions, reads no files."""

    def official_plug_ins(self) -> Any:
        """None are used."""
        return []


def unprintable(error: ReaderError) -> str:
    """Say which character no YAML file may hold."""
    return f"this is no YAML: the character U+{error.character:04X} is not allowed; delete it"


@lru_cache(
    maxsize=FILES
)  # an edit changes a file or two, and reading is most of what loading costs
def read(file: str, text: str) -> Document:
    """Read one YAML document, which nobody changes.

    Raises:
        WorkspaceError: the text is no YAML, or uses what workspaces do without.

    >>> read("a.yaml", "quiet_hours: 21:00-08:00").content
    {'quiet_hours': '21:00-08:00'}
    """
    if len(text) > LARGEST:
        raise WorkspaceError(
            [Problem(file, 1, 1, f"at most {LARGEST} characters fit a file, found {len(text)}")]
        )
    yaml = Yaml(typ="safe", pure=True)
    depth = 0
    try:
        for event in yaml.parse(text):
            _refuse_references(file, event)
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:  # at once: a file of nothing but brackets takes minutes to read
                mark = event.start_mark
                deep = f"deeper than {DEEPEST} levels"
                raise WorkspaceError([Problem(file, mark.line + 1, mark.column + 1, deep)])
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        message = f"this is no YAML: {error.problem or error.context}"
        if error.problem == MAPPING_WITHIN:
            message += "; a text in which `: ` stands needs quotes around it"
        raise WorkspaceError([Problem(file, *place, message)]) from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise WorkspaceError([Problem(file, *place, unprintable(error))]) from None
    if root is None:
        raise WorkspaceError([Problem(file, 1, 1, "the file is empty")])
    places: dict[Path, Place] = {}
    return Document(file, _plain(file, root, (), places), places)


def _refuse_references(file: str, event: Any) -> None:
    mark = event.start_mark
    if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
        raise WorkspaceError(
            [
                Problem(
                    file,
                    mark.line + 1,
                    mark.column + 1,
                    "anchors and aliases are not allowed; write the value out",
                )
            ]
        )
    if getattr(event, "tag", None) is not None:
        raise WorkspaceError(
            [
                Problem(
                    file,
                    mark.line + 1,
                    mark.column + 1,
                    f"tags such as {event.tag} are not allowed",
                )
            ]
        )


def _place(node: Node) -> Place:
    quote = isinstance(node, ScalarNode) and node.style in ("'", '"')  # its text begins behind it
    return Place(node.start_mark.line + 1, node.start_mark.column + 1 + quote)


def _plain(file: str, node: Node, path: Path, places: dict[Path, Place]) -> Any:
    places.setdefault(path, _place(node))
    if isinstance(node, ScalarNode):
        return str(node.value)
    if isinstance(node, SequenceNode):
        return [_plain(file, item, (*path, nth), places) for nth, item in enumerate(node.value)]
    assert isinstance(node, MappingNode)
    content: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            raise WorkspaceError([Problem(file, *_place(key_node), "a key must be a word")])
        key = str(key_node.value)
        if key in content:
            raise WorkspaceError(
                [
                    Problem(
                        file,
                        *_place(key_node),
                        f"{key!r} stands here a second time; keep one of them",
                    )
                ]
            )
        content[key] = _plain(file, value_node, (*path, key), places)
        places[(*path, key, "")] = _place(key_node)
    return content
