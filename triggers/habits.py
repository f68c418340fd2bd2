"""How long a person usually takes from one event to the next."""

from collections.abc import Mapping
from heapq import merge
from itertools import pairwise
from typing import Any

import msgspec

KEPT = 101  # of the latest events; a hundred intervals lie between them
LEAST = 3  # intervals, below which nothing is usual


class Usual(msgspec.Struct, frozen=True):
    """`{usual: 0.9, min: 7d, max: 120d}`: all but one of ten of the person's own intervals are shorter."""

    share: float
    least: int  # ms
    most: int  # ms
    cells: tuple[str, ...]  # with the instants of the events
    keyed: bool  # these are split by the trigger's key

    def wait(self, cells: Mapping[str, Any], key: str) -> int | None:
        """Return how long to wait, ms; None where nothing is usual yet."""
        found = [cells.get(name) for name in self.cells]
        if self.keyed:
            found = [cell.get(key) if cell is not None else None for cell in found]
        interval = interval_of(list(merge(*(cell for cell in found if cell))), self.share)
        return None if interval is None else min(max(interval, self.least), self.most)


def interval_of(times: list[int], share: float) -> int | None:
    """Return the interval (ms) that so large a share of intervals does not exceed.

    Between two ranks it is interpolated, as in definition 7 of R. J. Hyndman and Y. Fan, "Sample
    Quantiles in Statistical Packages", The American Statistician 50 (1996), 361-365.

    Args:
        times: of the events, oldest first, ms; several at one instant count as one.
        share: from 0 to 1.

    >>> interval_of([0, 10, 30, 60], 0.5), interval_of([0, 10, 30, 60], 0.9), interval_of([0, 10, 30], 1)
    (20, 28, None)
    """
    moments = sorted(set(times))
    intervals = sorted(b - a for a, b in pairwise(moments))
    if len(intervals) < LEAST:
        return None
    place = share * (len(intervals) - 1)
    below = int(place)
    if below + 1 == len(intervals):
        return intervals[below]
    return round(intervals[below] + (place - below) * (intervals[below + 1] - intervals[below]))
