"""What somebody bought, on how many days, and for how much: what models of buyers go by.

Buys of one day are one, as in the papers that these models come from: who pays twice in an hour did
not come back.
"""

from bisect import bisect_right
from math import inf
from typing import NamedTuple

from models.runtime.days import DAY
from profile_state.cells import MICRO, Amounts
from profile_state.leaf import NEVER

BEYOND = inf  # every amount
new = tuple.__new__  # makes a named tuple without the call in Python that its constructor is


class Orders(NamedTuple):
    """A feature: everything that somebody ever bought."""

    event: str  # slug
    value: str  # the property that says for how much; what says no number is no order


class Bought(NamedTuple):
    """What somebody bought. Days are those of UTC, since 1970."""

    orders: int
    days: int  # on which they bought something
    first: int  # day
    last: int  # day
    latest: int  # ms
    spent: float
    again: float  # of this, on other days than the first


def next_order(cell: Amounts | None, now: int) -> int:
    """Return when the next order is, of which somebody said that it is still to come; NEVER for none.

    >>> next_order(Amounts([(5, 1), (9, 1)]), 5), next_order(None, 5) == NEVER
    (9, True)
    """
    if cell is None or cell.entries[-1][0] <= now:
        return NEVER
    return cell.entries[bisect_right(cell.entries, (now, BEYOND))][0]


def bought(cell: Amounts | None, now: int) -> Bought | None:
    """Read what somebody had bought by an instant (ms); None for who had not.

    >>> bought(Amounts([(5, 10_000_000), (7, 5_000_000), (DAY, 30_000_000)]), 2 * DAY)
    Bought(orders=3, days=2, first=0, last=1, latest=86400000, spent=45.0, again=30.0)
    """
    if cell is None or cell.entries[0][0] > now:
        return None
    orders = days = spent = at_first = latest = 0
    first = day = -1
    for instant, amount in cell.entries:
        if instant > now:
            break
        if instant // DAY != day:
            day, days = instant // DAY, days + 1
            if days == 1:
                first = day
        spent += amount
        if days == 1:
            at_first += amount
        orders, latest = orders + 1, instant
    return new(
        Bought, (orders, days, first, day, latest, spent / MICRO, (spent - at_first) / MICRO)
    )
