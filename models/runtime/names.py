"""Which items somebody had to do with, and when last: what recommendations go by."""

from collections.abc import Mapping
from heapq import nlargest
from typing import NamedTuple

KEPT = 1_000  # of a person; those of the latest


class Names(NamedTuple):
    """A feature: the different values that a property had, each with its newest instant (ms)."""

    path: str  # such as `order_completed.products[].product_id`
    within: str = ""  # of what came before they are let go of; "" for ever


class Catalogue(NamedTuple):
    """A feature: the items that there are, and what goes with each."""


class Offers(NamedTuple):
    """A feature: the names of the offers that there are."""


def names_between(cell: Mapping[str, int] | None, floor: int, now: int) -> Mapping[str, int]:
    """Return the names of a cell as of an instant (ms), those from before `floor` left out.

    No item is called "".

    >>> names_between({"tee": 5, "hat": 9, "": 6}, 0, 7), names_between(None, 0, 7)
    ({'tee': 5}, {})
    """
    if not cell:
        return {}
    found = {name: time for name, time in cell.items() if floor <= time <= now and name}
    if len(found) <= KEPT:
        return found
    return dict(nlargest(KEPT, found.items(), key=lambda row: (row[1], row[0])))
