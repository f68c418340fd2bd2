"""A person's day: it turns at the time of the day at which they were first seen.

A score that changes with time changes when this day turns. Were that at midnight for all, all of them
would be due in one instant.
"""

from typing import Any

from profile_state.leaf import NEVER
from profile_state.person import Person

DAY = 86_400_000  # ms


def day_of(person: Person, now: int) -> int:
    """Return the person's day at an instant (ms), as days since 1970.

    >>> from profile_state.leaf import Leaf
    >>> ana = Person("p_1", {"user_id:u1"}, {"user_id:u1": Leaf("user_id:u1", 3_600_000, 3_600_000)})
    >>> day_of(ana, DAY), day_of(ana, DAY + 3_600_000), next_day(ana, DAY, 0)
    (0, 1, 90000000)
    """
    leaves = person.leaves
    if len(leaves) == 1:  # as most have
        for leaf in leaves.values():
            return (now - leaf.first % DAY) // DAY
    return (now - person.first % DAY) // DAY


def next_day(person: Person, now: int, known: Any) -> int:
    """Return when the person's next day begins, ms; NEVER where nothing is known of them."""
    if known is None:
        return NEVER
    turn = person.first % DAY
    return ((now - turn) // DAY + 1) * DAY + turn
