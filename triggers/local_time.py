"""Times local to a person: quiet hours and ends of days, through every change of the clocks."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from profile_state.leaf import NEVER
from triggers.definitions import Quiet

MINUTE = 60_000  # ms
_MS = 10**11  # numbers from here on are ms: in s it is the year 5138


@cache
def zones() -> Mapping[str, ZoneInfo]:
    """Read every time zone of the pinned `tzdata` package, never the machine's own files.

    So that the same log decides the same on every machine. It takes 0.1 s, once, when a
    workspace is loaded: the core reads no files.
    """
    package = files("tzdata")
    names = package.joinpath("zones").read_text(encoding="utf-8").split()
    rules = {name: package.joinpath("zoneinfo", *name.split("/")).read_bytes() for name in names}
    return {name: ZoneInfo.from_file(BytesIO(read), key=name) for name, read in rules.items()}


def zone(name: str) -> ZoneInfo | None:
    """Return a time zone, None for an unknown name.

    >>> zone("Europe/Berlin").key, zone("localtime"), zone("../../etc/passwd")
    ('Europe/Berlin', None, None)
    """
    return zones().get(name)


def zone_of(stated: Any, otherwise: str) -> ZoneInfo:
    """Return a person's time zone: the one that they state, or the workspace's.

    >>> zone_of("Mars/Olympus", "Europe/Berlin").key
    'Europe/Berlin'
    """
    found = zone(stated) if isinstance(stated, str) else None
    if found is None:
        found = zone(otherwise)
    assert found is not None, "the loader checked the workspace's time zone"
    return found


def zone_at(traits: Mapping[str, tuple[int, str, Any]], otherwise: str) -> ZoneInfo:
    """Return the time zone of whoever has these traits."""
    stated = traits.get("timezone")
    return zone_of(stated[2] if stated is not None else None, otherwise)


def quiet_until(now: int, quiet: Quiet, where: ZoneInfo) -> int | None:
    """Return the end (ms) of the quiet hours that `now` (ms) falls into, None outside them.

    The end is a wall-clock time: on the night in which clocks change, the hours are longer or
    shorter. An end that the change skips becomes the first instant after the gap.

    >>> berlin = zone("Europe/Berlin")
    >>> night = int(datetime(2026, 3, 2, 22, 0, tzinfo=berlin).timestamp() * 1000)  # 23:00 is quiet
    >>> end = quiet_until(night, Quiet(21 * 60, 8 * 60), berlin)
    >>> datetime.fromtimestamp(end / 1000, berlin).isoformat()
    '2026-03-03T08:00:00+01:00'
    """
    local = datetime.fromtimestamp(now / 1000, where)
    minute = local.hour * 60 + local.minute
    overnight = quiet.start > quiet.end
    inside = (
        minute >= quiet.start or minute < quiet.end
        if overnight
        else quiet.start <= minute < quiet.end
    )
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if overnight and minute >= quiet.start else 0)
    wall = datetime.combine(day, time(quiet.end // 60, quiet.end % 60))
    end = _instant(wall, where)
    # The repeated hour in autumn can put the wall clock's first 02:30 behind us: take the second.
    return end if end > now else _instant(wall.replace(fold=1), where)


def streak_of(quarters: list[int] | None, now: int, where: ZoneInfo) -> int:
    """Count local days in a row, back from today or yesterday, of which each has an instant.

    >>> day = 86_400_000
    >>> streak_of([0, day, 3 * day], 4 * day + 5, zone("UTC"))
    1
    >>> streak_of([0, day, 3 * day], 2 * day + 5, zone("UTC"))
    2
    """
    days = _days(quarters, where)
    day, length = date_at(now, where), 0
    if day not in days:
        day -= timedelta(days=1)
    while day in days:
        length += 1
        day -= timedelta(days=1)
    return length


def streak_breaks(quarters: list[int] | None, now: int, where: ZoneInfo) -> int:
    """Say when a streak ends unless something happens: as the second day without it begins."""
    today = date_at(now, where)
    days = _days(quarters, where)
    last = next((d for d in (today, today - timedelta(days=1)) if d in days), None)
    if last is None:
        return NEVER
    return _instant(datetime.combine(last + timedelta(days=2), time()), where)


def _days(quarters: list[int] | None, where: ZoneInfo) -> set[date]:
    return {date_at(quarter, where) for quarter in quarters or ()}


def date_at(instant: int, where: ZoneInfo) -> date:
    """Return the local day of an instant (ms)."""
    return datetime.fromtimestamp(instant / 1000, where).date()


def hour_at(instant: int, where: ZoneInfo) -> int:
    """Return the hour that the wall shows at an instant (ms)."""
    return datetime.fromtimestamp(instant / 1000, where).hour


def end_of_day(now: int, where: ZoneInfo) -> int:
    """Return the last instant (ms) of the local day.

    >>> end_of_day(0, zone("UTC"))
    86399999
    """
    return day_begins(now, 1, where) - 1


def day_begins(instant: int, days: int, where: ZoneInfo) -> int:
    """Return the first instant (ms) of the local day so many days after that of an instant (ms).

    >>> havana = zone("America/Havana")  # where clocks skip midnight
    >>> saturday = int(datetime(2026, 3, 7, 12, 0, tzinfo=havana).timestamp() * 1000)
    >>> datetime.fromtimestamp(day_begins(saturday, 1, havana) / 1000, havana).isoformat()
    '2026-03-08T01:00:00-04:00'
    """
    return instant_at(date_at(instant, where) + timedelta(days=days), 0, where)


def instant_at(day: date, minute: int, where: ZoneInfo) -> int:
    """Return the instant (ms) at which it is so many minutes after midnight on a local day."""
    return _instant(datetime.combine(day, time(minute // 60, minute % 60)), where)


def date_of(value: Any, where: ZoneInfo) -> date | None:
    """Return the day that a trait names, as `instant_of` reads it; without a year it is in 1904.

    >>> date_of("1990-03-05", zone("UTC")), date_of("02-29", zone("UTC")), date_of("soon", zone("UTC"))
    (datetime.date(1990, 3, 5), datetime.date(1904, 2, 29), None)
    """
    if isinstance(value, str) and len(value) == len("MM-DD"):
        value = f"1904-{value}"  # a leap year, so that it may be 29 February
    instant = instant_of(value, where)
    return None if instant is None else date_at(instant, where)


def next_time(after: int, minute: int, weekdays: frozenset[int], where: ZoneInfo) -> int:
    """Return the first instant (ms) at or after another at which a clock on the wall says so.

    Args:
        after: ms.
        minute: after midnight, local.
        weekdays: 0 for Monday to 6 for Sunday; one at least.
        where: the time zone.

    >>> monday = 1_772_409_600_000  # 2 March 2026 in UTC
    >>> (next_time(monday, 9 * 60, frozenset({0, 4}), zone("UTC")) - monday) / 3_600_000
    9.0
    >>> (next_time(monday + 9 * 3_600_000 + 1, 9 * 60, frozenset({0, 4}), zone("UTC")) - monday) / 86_400_000
    4.375
    """
    day = datetime.fromtimestamp(after / 1000, where).date()
    for ahead in range(8):
        on = day + timedelta(days=ahead)
        if on.weekday() in weekdays:
            instant = instant_at(on, minute, where)
            if instant >= after:
                return instant
    raise AssertionError("a week has every weekday")


def instant_of(value: Any, where: ZoneInfo, minute: int | None = None, days: int = 0) -> int | None:
    """Return the instant (ms) that a property names; None where it is no date.

    Args:
        value: `2026-03-05`, which is local; `2026-03-05T10:00:00Z`; or a number, s since 1970, ms
            from 10^11 on.
        where: the time zone.
        minute: after midnight of that local day; None takes the instant as it is.
        days: local ones that are added.

    >>> instant_of("1970-01-02", zone("UTC")), instant_of("1970-01-01T01:00:00Z", zone("UTC"))
    (86400000, 3600000)
    >>> instant_of("1970-01-01T01:00:00Z", zone("UTC"), minute=1), instant_of("soon", zone("UTC"))
    (60000, None)
    >>> instant_of("1970-01-03", zone("UTC"), days=-1)
    86400000
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                moment = moment.astimezone(where)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000 if value >= _MS else value, where)
        else:
            return None
        if minute is None and not days and moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
        wall = moment.replace(tzinfo=None) + timedelta(days=days)
    except (ValueError, OverflowError, OSError):
        return None
    if minute is not None:
        wall = datetime.combine(wall.date(), time(minute // 60, minute % 60))
    return _instant(wall, where)


def _instant(wall: datetime, where: ZoneInfo) -> int:
    """Turn a wall-clock time into ms; one in a gap becomes the first instant after it."""
    moment = wall.replace(tzinfo=where)
    there_and_back = moment.astimezone(UTC).astimezone(where)
    if there_and_back.replace(tzinfo=None) != wall:
        # fold=0 reads a skipped time with the offset before the gap, fold=1 with the one after:
        # the gap ends where those two instants' offsets change.
        before, after = wall.replace(tzinfo=where, fold=1), moment
        low, high = int(before.timestamp()), int(after.timestamp())
        offset = before.utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, where).utcoffset() == offset:
                high = middle
            else:
                low = middle
        return high * 1000
    return int(moment.timestamp() * 1000)
