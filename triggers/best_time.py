"""The best time: the hour of the day at which a person is likeliest to open a message.

It goes by the hours at which they opened the latest ones, and, as far as those are few, by the hours
at which everybody does: so many opens as `PRIOR` are spread over the day as everybody's are. An hour
counts half for the hours beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from profile_state.cells import Slot
from triggers.local_time import hour_at

HOURS = "hours"  # how a record names everybody's
PRIOR = 5.0  # opens
BESIDE = 0.5  # of an open, for the hour before and the one after
WINDOW = 90 * 86_400_000  # ms, for which opens are remembered
KEPT = 50  # the latest, on each channel
_HOUR = 3_600_000
_DAY = 24


def slots_of(channels: Iterable[str]) -> list[Slot]:
    """Return what remembers when messages were opened on channels."""
    return [
        Slot(f"times {event}", "times", event, (), "", None, WINDOW, KEPT)
        for event in (f"{channel}_opened" for channel in sorted(channels))
    ]


def counted(hour: int) -> str:
    """Name what the ledger counts of everybody's opens."""
    return f"hour:{hour}"


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """Return which part of everybody's opens falls into each hour of the day; nothing without any.

    >>> shares({"hour:9": 3, "hour:20": 1})
    {'9': 0.75, '20': 0.25}
    """
    found = {hour: counts.get(counted(hour), 0) for hour in range(_DAY)}
    total = sum(found.values())
    return {str(hour): round(n / total, 4) for hour, n in found.items() if n} if total else {}


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
        everybody: see `shares`.
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
    scores = [PRIOR * everybody.get(str(hour), 0.0) for hour in range(_DAY)]
    for instant in opened:
        hour = hour_at(instant, where)
        for shift, weight in ((-1, BESIDE), (0, 1.0), (1, BESIDE)):
            scores[(hour + shift) % _DAY] += weight
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


def opens(cells: Mapping[str, Any], slots: Iterable[str]) -> list[int]:
    """Return when somebody opened messages, ms."""
    return [instant for slot in slots for instant in cells.get(slot) or ()]
