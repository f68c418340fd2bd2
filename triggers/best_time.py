"""The best time: the hour of the day at which a person is likeliest to open a message.

See `models.runtime.hours`. The hours of everybody are those of the model `send_time`, or without one
what the ledger counts.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from models.runtime.hours import OF_A_DAY, likings, shares
from profile_state.cells import Slot
from triggers.local_time import hour_at

SEND_TIME = "send_time"  # the model
HOURS = "hours"  # how a record names everybody's
WINDOW = 90 * 86_400_000  # ms, for which opens are remembered
KEPT = 50  # the latest, on each channel
_HOUR = 3_600_000


def slots_of(channels: Iterable[str]) -> list[Slot]:
    """Return what remembers when messages were opened on channels."""
    return [
        Slot(f"times {event}", "times", event, (), "", None, WINDOW, KEPT)
        for event in (f"{channel}_opened" for channel in sorted(channels))
    ]


def counted(hour: int) -> str:
    """Name what the ledger counts of everybody's opens."""
    return f"hour:{hour}"


def everybodys(counts: Mapping[str, int]) -> dict[str, float]:
    """Return which part of everybody's opens falls into each hour of the day; nothing without any.

    >>> everybodys({"hour:9": 3, "hour:20": 1})
    {'9': 0.75, '20': 0.25}
    """
    return shares({hour: counts.get(counted(hour), 0) for hour in range(OF_A_DAY)})


def best_instant(
    opened: Iterable[int],
    everybody: Mapping[str, float],
    now: int,
    until: int,
    where: ZoneInfo,
    awake: Callable[[int], bool],
) -> int:
    """Return the best instant to send from `now` to `until` (ms): `now`, or when a better hour begins.

    Args:
        opened: ms; when the person opened messages.
        everybody: see `everybodys`.
        now: ms.
        until: ms.
        where: the person is.
        awake: says whether something may be sent at an instant (ms).

    >>> from triggers.local_time import zone
    >>> nine, utc = 9 * 3_600_000, zone("UTC")
    >>> best_instant([nine + 5], {}, 0, 24 * 3_600_000, utc, lambda _: True) == nine
    True
    >>> best_instant([], {}, 7, 24 * 3_600_000, utc, lambda _: True)
    7
    """
    scores = likings((hour_at(instant, where) for instant in opened), everybody)
    best, highest = now, scores[hour_at(now, where)] if awake(now) else -1.0
    instant = _next_hour(now, where)
    while instant <= until:
        score = scores[hour_at(instant, where)]
        if score > highest and awake(instant):
            best, highest = instant, score
        instant = _next_hour(instant, where)
    return best


def _next_hour(instant: int, where: ZoneInfo) -> int:
    """Return when the next hour begins on the person's wall; clocks may change by half an hour."""
    local = datetime.fromtimestamp(instant / 1000, where)
    into = (local.minute * 60 + local.second) * 1000 + instant % 1000
    return instant + _HOUR - into


def opened_at(
    cells: Mapping[str, Any], slots: Iterable[str], where: ZoneInfo, now: int
) -> tuple[tuple[int, int], ...]:
    """Return when somebody opened messages, ms, with the hour that their wall showed, as of an instant."""
    found = sorted(instant for instant in opens(cells, slots) if instant <= now)
    return tuple((instant, hour_at(instant, where)) for instant in found)


def opens(cells: Mapping[str, Any], slots: Iterable[str]) -> list[int]:
    """Return when somebody opened messages, ms."""
    return [instant for slot in slots for instant in cells.get(slot) or ()]
