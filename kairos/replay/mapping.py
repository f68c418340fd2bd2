"""What the columns of a file mean: rows in, SDK calls out.

A mapping is a YAML file:

    event: event_type                 # the column that names what happened
    names: {view: product_viewed}     # its values, in the words of the workspace; others stay
    time: event_time
    timezone: Europe/Berlin           # of times without an offset; UTC where nothing is said
    user_id: customer
    anonymous_id: session
    numbers: [price]                  # text that is a number
    properties: [product_id, price]   # without this line: every column that has no other meaning

Every key has a default, so a file whose columns are called as ours needs no mapping.
"""

from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import orjson

from events.clock import parse_instant
from kairos.replay.reading import Row, Rows
from triggers.convert import convert
from triggers.problems import Problem, WorkspaceError
from triggers.words import nearest
from triggers.yaml import read

SDK = ("userId", "anonymousId")  # a line with one of them is an SDK's call already


class MappingError(ValueError):
    """The mapping does not fit the file; the message says where and what to do."""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which column means what. A column that a default names need not be there."""

    call: Literal["track", "identify"] = "track"
    event: str = "event"
    event_name: str | None = None  # the same name for every row, instead of a column
    names: dict[str, str] = {}
    time: str = "timestamp"
    timezone: str = "UTC"
    user_id: str = "user_id"
    anonymous_id: str = "anonymous_id"
    message_id: str = "message_id"
    numbers: list[str] = []
    properties: list[str] | None = None  # of an identify call: its traits

    def own(self) -> set[str]:
        """Return the columns that have a meaning of their own."""
        return {self.event, self.time, self.user_id, self.anonymous_id, self.message_id}


def load(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        MappingError: with file, line and column.
        OSError: it cannot be read.
    """
    try:
        document = read(path.name, path.read_text(encoding="utf-8"))
    except WorkspaceError as error:
        raise MappingError(str(error)) from None
    found = convert(document, Mapping)
    if isinstance(found, Problem):
        raise MappingError(str(found))
    try:
        ZoneInfo(found.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        wrong = f"no such time zone: {found.timezone!r}; a name such as Europe/Berlin was expected"
        raise MappingError(str(document.problem(("timezone",), wrong))) from None
    return found


def check(mapping: Mapping, rows: Rows, name: str) -> None:
    """See that the columns which a mapping names are there.

    Raises:
        MappingError: naming the nearest column.
    """
    if rows.columns is None:
        return
    default = Mapping()
    named = [
        (key, column)
        for key in ("event", "time", "user_id", "anonymous_id", "message_id")
        if (column := getattr(mapping, key)) != getattr(default, key)
    ]
    named += [("numbers", c) for c in mapping.numbers]
    named += [("properties", c) for c in mapping.properties or []]
    for key, column in named:
        if column not in rows.columns:
            _missing(name, f"{key}: the file has no column {column!r}", column, rows.columns)
    if mapping.event_name is None and mapping.call == "track" and mapping.event not in rows.columns:
        _missing(name, "no column says what happened; name one as `event`", "event", rows.columns)
    if not {mapping.user_id, mapping.anonymous_id} & set(rows.columns):
        what = "no column says who it was; name one as `user_id` or `anonymous_id`"
        _missing(name, what, "user_id", rows.columns)


def _missing(name: str, what: str, word: str, columns: list[str]) -> None:
    raise MappingError(f"{name}: {what}.{nearest(word, columns)} Columns: {', '.join(columns)}")


class Calls:
    """Turns rows into calls.

    Args:
        mapping: of the columns; None takes calls of SDKs as they are, and columns by our names.
        shift: ms; added to every time.

    A call without a message id gets one from its content, and equal rows are told apart by
    their number: so the same file, or a longer one that begins with it, counts once.

    >>> calls = Calls(None)
    >>> call = calls.of(Row(2, {"event": "seen", "user_id": "u1", "timestamp": "2026-03-02 10:00"}))
    >>> call["timestamp"], call["userId"], calls.time_of(call)
    ('2026-03-02T10:00:00.000Z', 'u1', 1772445600000)
    """

    def __init__(self, mapping: Mapping | None, shift: int = 0) -> None:
        self._as_they_are = mapping is None
        self._mapping = mapping or Mapping()
        self._zone = ZoneInfo(self._mapping.timezone)
        self._shift = shift
        self._seen: dict[bytes, int] = {}  # content -> how many rows had it

    def of(self, row: Row) -> dict[str, Any]:
        """Turn a row into a call, with its time and its message id.

        Raises:
            ValueError: it says no time that can be read.
        """
        cells = row.cells
        if self._as_they_are and any(key in cells for key in SDK):
            call = {"type": "track", **cells}
        else:
            call = self._mapped(cells)
        stated = call.get("timestamp", call.get("originalTimestamp"))
        if stated is not None:
            call["timestamp"] = _iso(self._instant(stated) + self._shift)
        if not call.get("messageId"):
            call["messageId"] = self._message_id(call)
        elif self._shift:
            call["messageId"] = f"{call['messageId']}~{self._shift}"
        return call

    @staticmethod
    def time_of(call: dict[str, Any]) -> int | None:
        """Return a call's time, ms; None where it has none."""
        return parse_instant(call.get("timestamp"))

    def _mapped(self, cells: dict[str, Any]) -> dict[str, Any]:
        mapping = self._mapping
        call: dict[str, Any] = {"type": mapping.call}
        if mapping.call == "track":
            named = mapping.event_name or cells.get(mapping.event)
            call["event"] = mapping.names.get(str(named), named)
        for ours, column in (
            ("userId", mapping.user_id),
            ("anonymousId", mapping.anonymous_id),
            ("messageId", mapping.message_id),
            ("timestamp", mapping.time),
        ):
            if column in cells:
                call[ours] = cells[column]
        own = mapping.own()
        wanted = mapping.properties
        kept = wanted if wanted is not None else [column for column in cells if column not in own]
        values = {c: self._value(c, cells[c]) for c in kept if c in cells}
        call["properties" if mapping.call == "track" else "traits"] = values
        return call

    def _value(self, column: str, value: Any) -> Any:
        if column not in self._mapping.numbers or not isinstance(value, str):
            return value
        try:
            return float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            raise ValueError(f"{column}: a number was expected, found {value!r}") from None

    def _instant(self, stated: Any) -> int:
        if isinstance(stated, str):
            text = stated.removesuffix(" UTC").strip()
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                moment = None
            if moment is not None and moment.tzinfo is None:
                zone = UTC if text != stated.strip() else self._zone
                stated = moment.replace(tzinfo=zone).isoformat()
            else:
                stated = text
        found = parse_instant(stated)
        if found is None:
            raise ValueError(
                f"a time such as 2026-03-02T10:00:00Z was expected, found {str(stated)[:40]!r}"
            )
        return found

    def _message_id(self, call: dict[str, Any]) -> str:
        content = blake2b(orjson.dumps(call, option=orjson.OPT_SORT_KEYS), digest_size=12).digest()
        nth = self._seen[content] = self._seen.get(content, 0) + 1
        return content.hex() if nth == 1 else f"{content.hex()}-{nth}"


def _iso(instant: int) -> str:
    moment = datetime.fromtimestamp(instant / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{instant % 1000:03}Z"
