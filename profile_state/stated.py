"""What is said of a person: which of two statements stands.

A server's word stands before a browser's, since anybody can write what a browser sends; of equal
ones the later, by (time, message id). So it does not matter in which order they come.
"""

from typing import Any

from events.record import CLAIMED, Event
from profile_state.ties import outranks

Stated = tuple[int, str, Any]  # ms, by what, value

VOUCHED = "\x01"  # before the message id of what is more than a browser's word; no id begins so


def by(event: Event) -> str:
    r"""Return by what an event states something: its message id, and whether that was vouched for.

    >>> from events.record import own_event
    >>> by(own_event("kairos:journey", "user_id:u1", "m1", "set", 5))
    '\x01m1'
    """
    return event.message_id if event.trust == CLAIMED else VOUCHED + event.message_id


def claimed(stated: Stated) -> bool:
    """Say whether a statement is a browser's word alone.

    >>> claimed((5, "m1", "pro")), claimed((5, VOUCHED + "m1", "pro"))
    (True, False)
    """
    return stated[1][:1] != VOUCHED


def stands(new: Stated, old: Stated) -> bool:
    r"""Say whether a statement stands against another of the same thing; of a tie always one does.

    >>> stands((9, "m2", "free"), (5, VOUCHED + "m1", "pro"))
    False
    >>> stands((9, "m2", "free"), (5, "m1", "pro"))
    True
    """
    if (vouched := new[1][:1] == VOUCHED) != (old[1][:1] == VOUCHED):
        return vouched
    if new[0] != old[0]:
        return new[0] > old[0]
    return new[1] > old[1] or (new[1] == old[1] and outranks(new[2], old[2]))
