"""The lines of a test: `-3d email_sent e1`, `14:05 cart_updated {cart_id: c1, value: 30}`."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from events import catalog, scores
from events.limits import Limits
from events.names import slug
from events.record import OPT_IN_CONFIRMED
from events.rejected import RefusedError
from events.values import Check, typed_whole
from triggers import cases, rules, yaml
from triggers.awaited import RECEIPTS
from triggers.cases import Line, Moment
from triggers.loading.context import Context
from triggers.problems import WorkspaceError
from triggers.words import nearest
from triggers.yaml import Document, Path

NOON = 12 * 60  # minutes; where a line names a day alone
FARTHEST = 400  # days before and after Monday
SENT = "sent"  # behind a channel's name: from here on a message has a name
_MOMENT = re.compile(r"(?:([+-]\d+)d(?:\s+|$))?(\d+:\d+)?")
_LINE = re.compile(
    r"(?P<moment>[+-]\S+(?:\s+\d+:\S*)?|\d+:\S*)\s+(?P<event>[^\s{]+)"
    r"(?:\s+(?P<word>[^\s{]+))?\s*(?P<properties>\{.*\})?\s*",
    re.DOTALL,
)


def moment(text: str) -> Moment:
    """Read when something happens.

    Raises:
        ValueError: it is no time, or too far from Monday.

    >>> moment("14:05"), moment("-3d"), moment("+2d 09:00")
    (Moment(days=0, minute=845), Moment(days=-3, minute=720), Moment(days=2, minute=540))
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None or not text.strip():
        raise ValueError(
            f"a time such as `14:05`, `-3d` or `+2d 09:00` was expected, found {text!r}"
        )
    days, clock = int(found[1] or 0), found[2]
    if abs(days) > FARTHEST:
        raise ValueError(f"at most {FARTHEST} days from Monday were expected, found {text!r}")
    return Moment(days, NOON if clock is None else rules.clock(clock))


def fields(written: Mapping[str, Any]) -> dict[str, Any]:
    """Read properties or traits as the door does: names, types and limits.

    Raises:
        RefusedError: they are beyond a limit.

    >>> fields({"cartId": "c1", "value": "30", "zip": "01067"})
    {'cart_id': 'c1', 'value': 30, 'zip': '01067'}
    """
    return Check(Limits()).fields("", typed_whole(dict(written)))


class _Written(NamedTuple):
    """A line, taken apart."""

    moment: Moment
    event: str
    word: str
    shift: int  # columns from the line's start to the word
    properties: dict[str, Any]
    path: Path
    past: bool  # it counts, and starts nothing


class Lines:
    """Reads the lines of one test.

    Args:
        context: of the workspace, which collects the problems.
        document: the trigger's file.
        templates: that the trigger sends.
    """

    def __init__(self, context: Context, document: Document, templates: Collection[str]) -> None:
        self._context = context
        self._document = document
        self._templates = templates
        self._lines: list[_Written] = []
        self._messages: set[tuple[str, str]] = set()  # channel and name, of those sent so far

    def add(self, texts: Iterable[str], path: Path, *, past: bool) -> None:
        """Read lines that stand below a path."""
        for nth, text in enumerate(texts):
            line = self._read(text, (*path, nth), past=past)
            if line is not None:
                self._lines.append(line)

    def in_order(self) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
        """Return what is past and what happens, each in the order of time."""
        found: tuple[list[Line], list[Line]] = ([], [])
        for line in sorted(self._lines, key=lambda one: one.moment):
            found[not line.past].append(self._of_message(line))
        return tuple(found[0]), tuple(found[1])

    def _say(self, path: Path, message: str, shift: int = 0) -> None:
        self._context.say(self._document, path, message, shift)

    def _read(self, text: str, path: Path, *, past: bool) -> _Written | None:
        found = _LINE.fullmatch(text)
        if found is None:
            message = (
                "a line such as `14:05 product_viewed`, `-3d email_sent e1` or "
                f"`+2d 09:00 cart_updated {{cart_id: c1}}` was expected, found {text!r}"
            )
            self._say(path, message)
            return None
        event = slug(found["event"])
        if not event:
            message = f"an event was expected, found {found['event']!r}"
            self._say(path, message, found.start("event"))
        instant = self._context.rule(moment, found["moment"], self._document, path)
        properties = self._properties(found, event, path)
        if instant is None or properties is None:
            return None
        shift = max(found.start("word"), 0)
        return _Written(instant, event, found["word"] or "", shift, properties, path, past)

    def _properties(self, found: re.Match[str], event: str, path: Path) -> dict[str, Any] | None:
        """Read `{cart_id: c1, value: 30}`, None after a problem."""
        text, shift = found["properties"] or "{}", max(found.start("properties"), 0)
        try:
            properties = fields(yaml.read("", text).content)
            match event:
                case scores.EVENT:
                    scores.stated(properties, Check(Limits()))
                case cases.CATALOG:
                    catalog.posted(msgspec.json.encode({"items": [properties]}), 0)
        except (WorkspaceError, RefusedError) as error:
            why = error.reason if isinstance(error, RefusedError) else error.problems[0].message
            message = f"properties such as {{cart_id: c1, value: 30}} were expected: {why}"
            self._say(path, message, shift)
            return None
        return properties

    def _of_message(self, line: _Written) -> Line:
        """Say of which message a receipt is: one that a line before names, or one of the trigger's."""
        plain = Line(line.moment, line.event, line.properties)
        channel, _, kind = line.event.rpartition("_")
        receipt = channel in self._context.addresses and kind in (SENT, *RECEIPTS)
        if not receipt and line.event != OPT_IN_CONFIRMED:
            if line.word:
                self._behind(line)
            return plain
        if not line.word:
            if "message" not in line.properties:
                message = (
                    f"of which message? `{line.event} NAME` says so, NAME being that of a line "
                    "before, or a template of this trigger's"
                )
                self._say(line.path, message)
            return plain
        if kind == SENT:
            self._messages.add((channel, line.word))
        if (channel, line.word) in self._messages:
            properties = {**line.properties, "message": line.word}
            return Line(line.moment, line.event, properties)
        if line.past or line.word not in self._templates:
            self._unknown(line, channel)
        return Line(line.moment, line.event, line.properties, template=line.word)

    def _behind(self, line: _Written) -> None:
        """Say that a word stands where none belongs."""
        joined = slug(f"{line.event} {line.word}")
        self._say(
            line.path,
            f"{line.word!r} stands behind an event that is no receipt; properties are written "
            f"{{cart_id: c1}}, and an event of several words with _: {joined}",
            line.shift,
        )

    def _unknown(self, line: _Written, channel: str) -> None:
        known = {name for on, name in self._messages if on == channel}
        own = "what is past is none of this trigger's"
        if not line.past:
            known |= set(self._templates)
            own = "this trigger sends no template of that name"
        named = (
            ""
            if line.event == OPT_IN_CONFIRMED
            else f"no line before says `{channel}_sent {line.word}`, and "
        )
        hint = nearest(line.word, known)
        message = f"unknown message {line.word!r}: {named}{own}.{hint}"
        self._say(line.path, message, line.shift)
