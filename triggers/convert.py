"""A document into its schema, with errors at the place that the marketer must look at."""

import re
from typing import Any, TypeVar

import msgspec

from triggers.problems import Problem
from triggers.words import nearest
from triggers.yaml import Document, Path

T = TypeVar("T", bound=msgspec.Struct)

_PATH = re.compile(r" - at `\$(.*)`$")
_PART = re.compile(r"\.([^.\[\]`]+)|\[(\d+)\]|\[\.\.\.\]")
_TYPES = {
    "array": "a list",
    "object": "a mapping (key: value)",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def convert(document: Document, shape: type[T], part: Any = None, at: Path = ()) -> T | Problem:
    """Convert a document, or a part of it that stands at a path; or say what does not fit and where."""
    try:
        return msgspec.convert(document.content if part is None else part, shape, strict=False)
    except msgspec.ValidationError as error:
        return _problem(document, shape, str(error), at)


def _problem(document: Document, shape: type[msgspec.Struct], text: str, at: Path) -> Problem:
    found_path = _PATH.search(text)
    path: Path = ()
    if found_path:
        text = text[: found_path.start()]
        path = tuple(name or int(nth or 0) for name, nth in _PART.findall(found_path[1]))
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text)
    if unknown:
        word = unknown[1]
        known = _fields(shape, path)
        message = f"unknown key {word!r}.{nearest(word, known)} Known: {', '.join(sorted(known))}"
        return document.problem((*at, *path, word, ""), message)
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        return document.problem((*at, *path), f"the key {missing[1]!r} is missing")
    choice = re.fullmatch(r"Invalid enum value '(.*)'", text)
    if choice:
        word, known = choice[1], _choices(shape, path)
        message = f"unknown word {word!r}.{nearest(word, known)} Known: {', '.join(known)}"
        return document.problem((*at, *path), message)
    kinds = re.fullmatch(r"Expected `(.*)`, got `(.*)`", text)
    if kinds:
        text = f"{_in_words(kinds[1])} was expected, found {_in_words(kinds[2])}"
        if kinds.groups() == ("str", "object"):
            text += "; a text in which `: ` stands needs quotes around it"
    return document.problem((*at, *path), text)


def _in_words(kinds: str) -> str:
    return " or ".join(
        _TYPES.get(kind.strip(), kind.strip())
        for kind in kinds.split("|")
        if kind.strip() != "null"
    )


def _at(shape: type[msgspec.Struct], path: Path) -> object:
    """Follow a path through the types, taking the first struct of each union."""
    found: object = msgspec.inspect.type_info(shape)
    for part in path:
        found = _inner(found, part)
    return _struct_of(found) or found


def _struct_of(info: object) -> msgspec.inspect.StructType | None:
    match info:
        case msgspec.inspect.StructType():
            return info
        case msgspec.inspect.UnionType(types=types):
            return next((s for t in types if (s := _struct_of(t)) is not None), None)
    return None


def _inner(info: object, part: str | int) -> object:
    match info:
        case msgspec.inspect.UnionType(types=types):
            return next((i for t in types if (i := _inner(t, part)) is not None), None)
        case msgspec.inspect.StructType(fields=fields):
            return next((f.type for f in fields if f.encode_name == part), None)
        case msgspec.inspect.ListType(item_type=item) if isinstance(part, int):
            return item
        case msgspec.inspect.DictType(value_type=value):
            return value
    return None


def _fields(shape: type[msgspec.Struct], path: Path) -> list[str]:
    struct = _at(shape, path)
    if isinstance(struct, msgspec.inspect.StructType):
        return [f.encode_name for f in struct.fields]
    return []


def _choices(shape: type[msgspec.Struct], path: Path) -> list[str]:
    match _at(shape, path):
        case msgspec.inspect.LiteralType(values=values):
            return [str(v) for v in values]
        case msgspec.inspect.UnionType(types=types):
            return [
                str(v)
                for t in types
                if isinstance(t, msgspec.inspect.LiteralType)
                for v in t.values
            ]
    return []
