"""What loading carries along: the files, what is known so far, and every problem found."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from events.scores import is_score
from triggers import yaml
from triggers.best_time import slots_of
from triggers.code import Known, Scope
from triggers.convert import convert
from triggers.definitions import Band, PurposeRule
from triggers.modelled import Modelled
from triggers.problems import Problem, WorkspaceError
from triggers.recommended import RECOMMENDED
from triggers.slots import Slots
from triggers.words import nearest
from triggers.yaml import Document, Path

F = TypeVar("F", bound=msgspec.Struct)
R = TypeVar("R")


class Context:
    """Collects problems over all files, so that a marketer mends them in one go.

    Args:
        files: path below the workspace folder -> text.
        addresses: channel -> kind of address.
        new: whether they are still to come into force, see `triggers.load.load`.
    """

    def __init__(
        self,
        files: Mapping[str, str],
        addresses: Mapping[str, str | None],
        *,
        new: bool = True,
    ) -> None:
        self.files = files
        self.new = new
        self.addresses = addresses
        self.problems: list[Problem] = []
        self.slots = Slots()
        self.purposes: dict[str, PurposeRule] = {}
        self.segments: set[str] = set()
        self.around: set[str] = set()  # kinds of surroundings that conditions ask for
        self.opens: tuple[str, ...] = ()  # cells, where something goes by the best time
        self.offers: set[str] = set()
        self.templates: set[str] = set()  # names of those that are sent
        self.vouchers: dict[str, int] = {}  # pool -> with how many codes left it is low
        self.timezone = "UTC"
        self.bands: dict[str, dict[str, Band]] = {}
        self.models: dict[str, Modelled] = {}
        self.scored: dict[str, Modelled] = {}  # score -> the model that gives it

    def scope(self, *, has_event: bool, has_item: bool = False) -> Scope:
        """Say what a condition may name, in a trigger or in a segment, which has no event."""
        known = Known(
            self.slots,
            self.segments,
            self.addresses,
            self.purposes,
            self.timezone,
            self.bands,
            self.around,
            self.scored,
            self.opens,
        )
        return Scope(known, has_event=has_event, has_item=has_item)

    def is_score(self, path: str) -> bool:
        """Say whether a name in a condition or a template is a score."""
        return path in self.scored or is_score(path, self.bands)

    def scores_in(self, read: Iterable[str]) -> tuple[set[str], set[str]]:
        """Tell the scores that a template reads from the other paths.

        >>> context = Context({}, {})
        >>> scores, others = context.scores_in(["ltv", "recommended.first.id", "plan"])
        >>> sorted(scores), others
        (['ltv', 'recommended'], {'plan'})
        """
        scores, others = set[str](), set[str]()
        for path in read:
            head = path.split(".")[0]
            if self.is_score(path):
                scores.add(path)
            elif head == RECOMMENDED:  # an item of it, or how many there are
                scores.add(head)
            else:
                others.add(path)
        return scores, others

    def remember_opens(self) -> None:
        """Have it remembered when people open messages, on every channel that has addresses."""
        channels = [channel for channel, kind in self.addresses.items() if kind is not None]
        # Who opened nothing yet goes by the hours of everybody, so nobody waits for these.
        self.opens = tuple(
            self.slots.ask(slot, reach=None, before=False) for slot in slots_of(channels)
        )

    def say(self, document: Document, path: Path, message: str, shift: int = 0) -> None:
        """Note a problem at a place in a document."""
        self.problems.append(document.problem(path, message, shift))

    def read(self, path: str, shape: type[F]) -> tuple[Document, F] | None:
        """Read a file into its shape; None after a problem."""
        try:
            document = yaml.read(path, self.files[path])
        except WorkspaceError as error:
            self.problems += error.problems
            return None
        found = convert(document, shape)
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        return document, found

    def read_folder(self, folder: str, shape: type[F], what: str) -> list[tuple[Document, F]]:
        """Read every file of a folder; each names itself under the key `what`, no two alike."""
        paths = sorted(
            p for p in self.files if p.startswith(folder) and p.endswith((".yaml", ".yml"))
        )
        found = [f for f in (self.read(path, shape) for path in paths) if f is not None]
        defined: dict[str, str] = {}
        for document, file in found:
            name = getattr(file, what)
            other = defined.setdefault(name, document.file)
            if other != document.file:
                self.say(document, (what,), f"the {what} {name!r} is already defined in {other}")
        return found

    def rule(
        self, read: Callable[[str], R], text: str | None, document: Document, path: Path
    ) -> R | None:
        """Read a short form such as `3 per 7d`; None where there is none, or after a problem."""
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.say(document, path, str(error))
            return None

    def known_channel(self, document: Document, path: Path, channel: str) -> bool:
        """Check that a channel exists."""
        return self.known(document, path, "channel", channel, self.addresses)

    def known_purpose(self, document: Document, path: Path, purpose: str) -> bool:
        """Check that a consent purpose exists."""
        return self.known(document, path, "purpose", purpose, self.purposes)

    def known_segment(self, document: Document, path: Path, segment: str) -> bool:
        """Check that a segment exists."""
        return self.known(document, path, "segment", segment, dict.fromkeys(self.segments))

    def known(
        self, document: Document, path: Path, what: str, word: str, known: Collection[str]
    ) -> bool:
        """Check that a word is one of those that are known."""
        if word in known:
            return True
        options = ", ".join(sorted(known)) or "none yet"
        self.say(document, path, f"unknown {what} {word!r}.{nearest(word, known)} Known: {options}")
        return False
