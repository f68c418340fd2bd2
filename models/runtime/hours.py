"""At which hours of the day somebody is likely to open a message.

By the hours at which they opened the latest ones, and, as far as those are few, by the hours at which
everybody does: so many opens as `PRIOR` are spread over the day as everybody's are. An hour counts half
for the hours beside it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

OF_A_DAY = 24  # hours
PRIOR = 5.0  # opens
BESIDE = 0.5  # of an open, for the hour before and the one after


class Opened(NamedTuple):
    """A feature: when somebody opened messages, each with the hour that their wall showed."""


def likings(hours: Iterable[int], everybody: Mapping[str, float]) -> list[float]:
    """Return how much speaks for each hour.

    Args:
        hours: at which somebody opened messages.
        everybody: the part of everybody's opens that falls into an hour, by its name.

    >>> likings([9], {"9": 0.5})[8:11]
    [0.5, 3.5, 0.5]
    """
    found = [PRIOR * everybody.get(str(hour), 0.0) for hour in range(OF_A_DAY)]
    for hour in hours:
        for shift, weight in ((-1, BESIDE), (0, 1.0), (1, BESIDE)):
            found[(hour + shift) % OF_A_DAY] += weight
    return found


def shares(counts: Mapping[int, int]) -> dict[str, float]:
    """Return which part of opens falls into each hour of the day; nothing without any.

    >>> shares({9: 3, 20: 1})
    {'9': 0.75, '20': 0.25}
    """
    total = sum(counts.values())
    return {str(hour): round(n / total, 4) for hour, n in sorted(counts.items()) if n}
