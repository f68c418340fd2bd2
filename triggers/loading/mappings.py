"""Conditions as mappings, `{count: product_viewed, last: 7d, at_least: 3}`: into the tree of expressions.

So both ways of writing say the same and are compiled by the same code. Which functions there are,
and what each takes, follows from their signatures.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kairos.durations import duration
from triggers import ast
from triggers.code import functions
from triggers.expressions import ExpressionError, parse
from triggers.signatures import Signature, signature_of
from triggers.words import nearest
from triggers.yaml import Path

COMPARISONS = {
    "is": "=",
    "is_not": "!=",
    "more_than": ">",
    "at_least": ">=",
    "less_than": "<",
    "at_most": "<=",
    "in": "in",
    "contains": "contains",
    "starts_with": "starts_with",
    "exists": "exists",
}
WINDOWS = ("last", "between", "since")
VALUES = {
    word: f"{word}." for word in ("trait", "score", "event", "item")
}  # before a name in an expression
PROPERTY, BAND, SEGMENT = "property", "band", "segment"
NESTED = {"any_of": "any_of", "none_of": "none_of", "of": "at_least"}  # a list's word -> the form's
_ORDERED = {word for word, op in COMPARISONS.items() if op[0] in "<>"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_SHARE = re.compile(r"\d+(\.\d+)?%")
_NAME = re.compile(r"(event|trait)(\.[A-Za-z_]\w*(\[\])?)+")
_WIDTH = 1 << 20  # columns that a place has; no file is as wide


class Places:
    """Places in a file as columns of one line, so that whoever meets a node can say where it stands.

    Args:
        path: of the whole condition, which nodes without a place fall back to.

    >>> places = Places(("if", 0))
    >>> places.find(places.column(("if", 0, "channel")) + 4), places.find(0)
    ((('if', 0, 'channel'), 4), (('if', 0), 0))
    """

    def __init__(self, path: Path) -> None:
        self._paths = [path]

    def column(self, path: Path) -> int:
        """Return the first column of a place."""
        self._paths.append(path)
        return (len(self._paths) - 1) * _WIDTH

    def find(self, column: int) -> tuple[Path, int]:
        """Return the place of a column, and how far behind its start it is."""
        nth, shift = divmod(column, _WIDTH)
        return self._paths[nth], shift


class Nested(NamedTuple):
    """`any_of`, `none_of` or `at_least` with `of`."""

    word: str  # of the list
    conditions: list[Any]
    least: int
    negated: bool


def read(written: Any, path: Path, places: Places, *, counted: bool = False) -> ast.Node:
    """Read a condition, as an expression or as a mapping.

    Args:
        written: text, or a mapping.
        path: where it stands.
        places: takes the places of its parts.
        counted: it is part of a filter, so it looks at the counted event.

    Raises:
        ExpressionError: with a column of `places`.
    """
    if isinstance(written, str):
        return parse(written, places.column(path))
    if not isinstance(written, dict):
        message = f"a condition was expected, found {_found(written)}"
        raise ExpressionError(message, places.column(path))
    several = nested(written, path, places)
    if several is None:
        return _Mapping(written, path, places, counted=counted).read()
    of = tuple(
        read(one, (*path, several.word, nth), places, counted=counted)
        for nth, one in enumerate(several.conditions)
    )
    node = ast.Some(of, several.least)
    return ast.Not(node) if several.negated else node


def nested(written: dict[str, Any], path: Path, places: Places) -> Nested | None:
    """Read a list of conditions of which some must hold; None where a mapping is another condition.

    Raises:
        ExpressionError: the list, or its number, is none.
    """
    word = next((one for one in NESTED if one in written), None)
    if word is None:
        return None
    form = NESTED[word]
    for other in written:
        if other not in (word, form):
            message = f"nothing stands beside `{word}`; {other!r} is a condition of its own"
            raise ExpressionError(message, places.column((*path, other, "")))
    conditions, least = written[word], written.get("at_least", "1" if form == word else None)
    if not isinstance(conditions, list) or not conditions:
        raise ExpressionError("a list of conditions was expected", places.column((*path, word)))
    if not (isinstance(least, str) and least.isdigit() and 1 <= int(least) <= len(conditions)):
        message = (
            f"a whole number from 1 to {len(conditions)} was expected, such as `at_least: 1`, "
            f"found {least!r}"
        )
        raise ExpressionError(message, places.column((*path, "at_least")))
    return Nested(word, conditions, int(least), word == "none_of")


def subjects() -> dict[str, str]:
    """Return how a mapping may begin: the word, and the whole of it that is no comparison.

    >>> subjects()["never"], subjects()["trait"]
    ('never: EVENT [, where: ...] [, WINDOW]', 'trait: NAME')
    """
    return (
        {word: f"{word}: NAME" for word in (*VALUES, PROPERTY)}
        | {BAND: f"{BAND}: NAME", SEGMENT: f"{SEGMENT}: NAME"}
        | {name: signature_of(module).mapping for name, module in functions().items()}
    )


class _Mapping:
    """One mapping while it is read."""

    def __init__(
        self, written: dict[str, Any], path: Path, places: Places, *, counted: bool
    ) -> None:
        self.written = written
        self.path = path
        self.places = places
        self.counted = counted

    def read(self) -> ast.Node:
        """Read what is compared, and compare it."""
        subject = self._subject()
        if subject == BAND:
            return self._band()
        plain = subject in (*VALUES, PROPERTY)
        left = self._value(subject) if plain else self._call(subject)
        compared = [
            self._compare(word, left, given)
            for word, given in self.written.items()
            if word in COMPARISONS
        ]
        if plain and not compared:
            message = (
                f"`{subject}` is compared, such as by `is: ..`, `at_least: ..` or `exists: true`"
            )
            raise self._error(message, subject, "")
        return _joined(compared) if compared else left

    def _subject(self) -> str:
        """Find the word that says what is asked; `last` and `since` may also be windows beside it."""
        known = [PROPERTY] if self.counted else [w for w in subjects() if w != PROPERTY]
        words = [word for word in self.written if word in known and not self._is_window(word)]
        if len(words) > 1:
            words = [word for word in words if word not in WINDOWS] or words
        if len(words) == 1:
            return words[0]
        if words:
            message = f"one condition was expected, found {' and '.join(words)}; give each its own `- ` line"
            raise self._error(message, words[1], "")
        beside = {*COMPARISONS, *WINDOWS, "where"}
        word = next((word for word in self.written if word not in beside), "")
        known += NESTED
        hint = nearest(word, known)
        colon = " A colon inside a condition needs quotes around it." if " " in word else ""
        found = f", found {word!r}.{hint}{colon}" if word else "."
        message = f"a condition was expected{found} Known: {', '.join(sorted(known))}"
        raise self._error(message, *((word, "") if word else ()))

    def _is_window(self, word: str) -> bool:
        given = self.written[word]
        return (word == "last" and _is_duration(given)) or (word == "since" and given == "entry")

    def _band(self) -> ast.Node:
        self._only(BAND, {"is"})
        if "is" not in self.written:
            raise self._error(f"`{BAND}` goes with `is: WORD`", BAND, "")
        score = ast.Name(self._text(BAND, "a score"), self._column(BAND))
        return ast.Band(score, self._text("is", "a word"), self._column("is"))

    def _value(self, subject: str) -> ast.Node:
        self._only(subject, COMPARISONS)
        name = self._text(subject, "a name")
        if _NAME.fullmatch(name):
            head, _, rest = name.partition(".")
            raise self._error(f"a name alone was expected, such as `{head}: {rest}`", subject)
        return ast.Name(VALUES.get(subject, "") + name, self._column(subject))

    def _call(self, subject: str) -> ast.Call:
        function = "in_segment" if subject == SEGMENT else subject
        takes = signature_of(functions()[function])
        windows = WINDOWS if takes.windowed else ()
        self._only(
            subject, {*COMPARISONS, *takes.named, *windows, *(("where",) if takes.filtered else ())}
        )
        found: dict[str, Any] = {}
        sources: list[ast.Source] = []
        for key, kind in ((subject, takes.first), *self._named(subject, takes)):
            if kind in ("NUMBER", "SHARE"):
                found["number"] = self._number(key, kind)
            elif kind == "DURATION":
                found["within"] = self._duration(self.written[key], key)
            elif key == subject and takes.many:
                sources += self._many(key, kind)
            else:
                sources.append(ast.Source(self._text(key, kind), self._column(key)))
        sources += [ast.Source(word) for word in takes.words]
        if "where" in self.written:
            found["where"] = self._where()
        return ast.Call(
            function,
            tuple(sources),
            window=self._window(subject, windows),
            column=self._column(subject, ""),
            **found,
        )

    def _named(self, subject: str, takes: Signature) -> list[tuple[str, str]]:
        for key, one in takes.named.items():
            if key not in self.written and not one.optional:
                raise self._error(f"`{key}: {one.kind}` is missing beside it", subject, "")
        return [(key, one.kind) for key, one in takes.named.items() if key in self.written]

    def _where(self) -> ast.Node | None:
        given, path = self.written["where"], (*self.path, "where")
        parts: list[ast.Node] = []
        for nth, one in enumerate(given if isinstance(given, list) else [given]):
            at = (*path, nth) if isinstance(given, list) else path
            node = read(one, at, self.places, counted=True)
            parts += node.of if isinstance(node, ast.All) else (node,)
        return _joined(parts) if parts else None

    def _window(self, subject: str, windows: tuple[str, ...]) -> ast.Window | None:
        words = [word for word in windows if word in self.written and word != subject]
        if len(words) > 1:
            raise self._error(f"one window was expected, found {' and '.join(words)}", words[1], "")
        if not words:
            return None
        word, given = words[0], self.written[words[0]]
        if word == "last":
            return ast.Window(self._duration(given, word))
        if word == "since":
            if given != "entry":
                raise self._error(f"`since: entry` was expected, found {given!r}", word)
            return ast.Window(None)
        if not isinstance(given, list) or len(given) != len(("from", "to")):
            raise self._error("two durations such as [30d, 7d] were expected", word)
        start = self._duration(given[0], word, 0)
        end = 0 if given[1] == "now" else self._duration(given[1], word, 1)
        if start <= end:
            raise self._error(f"the longer one comes first, found {given[0]}", word, 0)
        return ast.Window(start, end)

    def _compare(self, word: str, left: ast.Node, given: Any) -> ast.Node:
        op, column = COMPARISONS[word], self._column(word)
        if op == "exists":
            if given not in ("true", "false"):
                raise self._error(f"true or false was expected, found {_found(given)}", word)
            return ast.Exists(left) if given == "true" else ast.Not(ast.Exists(left))
        if op == "in":
            if not isinstance(given, list) or not given:
                raise self._error("a list was expected, such as `in: [DE, AT]`", word)
            values = [self._text(word, "a value", nth) for nth in range(len(given))]
            return ast.Compare(op, left, ast.Many(tuple(map(_plain, values))), column)
        if isinstance(given, list):
            raise self._error(f"one value was expected; several go with `in: [{_of(given)}]`", word)
        right = _right(self._text(word, "a value"), column, ordered=word in _ORDERED)
        return ast.Compare(op, left, right, column)

    def _only(self, subject: str, keys: Mapping[str, Any] | set[str]) -> None:
        """Refuse what does not belong beside a subject."""
        for word in self.written:
            if word != subject and word not in keys:
                known = ", ".join(sorted(keys))
                message = (
                    f"unknown key {word!r} beside `{subject}`.{nearest(word, keys)} Known: {known}"
                )
                raise self._error(message, word, "")

    def _many(self, key: str, kind: str) -> list[ast.Source]:
        given = self.written[key]
        if not isinstance(given, list) or len(given) < len(("first", "then")):
            raise self._error(f"a list was expected, such as [{kind}, {kind}]", key)
        return [
            ast.Source(self._text(key, kind, nth), self._column(key, nth))
            for nth in range(len(given))
        ]

    def _number(self, key: str, kind: str) -> float:
        text = self._text(key, kind)
        if kind == "SHARE" and _SHARE.fullmatch(text):
            return float(text[:-1]) / 100
        if kind == "NUMBER" and _NUMBER.fullmatch(text):
            return _plain_number(text)
        example = "a share such as 10%" if kind == "SHARE" else "a number"
        raise self._error(f"{example} was expected, found {text!r}", key)

    def _duration(self, given: Any, *at: str | int) -> int:
        try:
            return duration(given if isinstance(given, str) else _found(given))
        except ValueError as error:
            raise self._error(str(error), *at) from None

    def _text(self, key: str, what: str, nth: int | None = None) -> str:
        at = (key,) if nth is None else (key, nth)
        given = self.written[key] if nth is None else self.written[key][nth]
        if not isinstance(given, str) or not given.strip():
            raise self._error(f"{what} was expected, found {_found(given)}", *at)
        return given.strip()

    def _column(self, *at: str | int) -> int:
        return self.places.column((*self.path, *at))

    def _error(self, message: str, *at: str | int) -> ExpressionError:
        return ExpressionError(message, self._column(*at))


def _joined(parts: list[ast.Node]) -> ast.Node:
    return ast.All(tuple(parts)) if len(parts) > 1 else parts[0]


def _right(text: str, column: int, *, ordered: bool) -> ast.Node:
    """Read what something is compared with: a number, a truth value, another value, or else text.

    Durations have an order and nothing else: `is: 5m` asks for that very text.

    >>> _right("20", 0, ordered=False).value, _right("5m", 0, ordered=False).value
    (20, '5m')
    >>> _right("5m", 0, ordered=True).ms, _right("event.size", 0, ordered=False).path
    (300000, 'event.size')
    """
    if _NUMBER.fullmatch(text):
        return ast.Literal(_plain_number(text), column)
    if ordered and _is_duration(text):
        return ast.Duration(duration(text), column)
    if text in ("true", "false"):
        return ast.Literal(text == "true", column)
    if _NAME.fullmatch(text):
        return ast.Name(text, column)
    return ast.Literal(text, column)


def _plain(text: str) -> int | float | str:
    return _plain_number(text) if _NUMBER.fullmatch(text) else text


def _plain_number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _is_duration(given: Any) -> bool:
    try:
        duration(given if isinstance(given, str) else "")
    except ValueError:
        return False
    return True


def _found(given: Any) -> str:
    if isinstance(given, list):
        return "a list"
    return "a mapping" if isinstance(given, dict) else repr(given)


def _of(given: list[Any]) -> str:
    return ", ".join(map(str, given))
