"""What a run waits for, or ends by: events, and receipts of its own messages.

Asked of what is remembered and not of what arrives, so that an event that came early, or on a
device that was joined later, counts as well.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from profile_state.leaf import Run, Trial

RECEIPTS = ("delivered", "opened", "clicked", "replied", "bounced")  # behind a channel's name
KEPT = 1_000  # messages of a kind of receipt that are remembered


class Awaited(NamedTuple):
    """Events of which any will do."""

    events: tuple[str, ...]  # slugs
    newest: tuple[str, ...]  # cells with their newest instants
    keyed: bool  # these are split by the trigger's key
    receipts: tuple[str, ...]  # cells with the newest instants of receipts, by message
    strict: bool = False  # an event without the key concerns no run; else it concerns every one


NOTHING = Awaited((), (), keyed=False, receipts=())


def when(awaited: Awaited, cells: Mapping[str, Any], run: Run | Trial) -> int:
    """Return when one of the events last happened that concern a run, ms; -1 where none did.

    An event without the key concerns every run of the person, or none where the trigger is strict.

    >>> run = Run("t", "c1", "e", 5, 5, "m1", 9, "0", {}, messages=["a1"])
    >>> ordered = Awaited(("ordered",), ("newest ordered by cart_id",), keyed=True, receipts=())
    >>> when(ordered, {"newest ordered by cart_id": {"c1": 7, "c2": 9}}, run)
    7
    >>> when(ordered, {"newest ordered by cart_id": {"": 9}}, run)
    9
    >>> when(ordered._replace(strict=True), {"newest ordered by cart_id": {"": 9}}, run)
    -1
    >>> opened = Awaited(("email_opened",), (), keyed=False, receipts=("opened",))
    >>> when(opened, {"opened": {"a1": 8, "a2": 9}}, run)
    8
    """
    found = -1
    for key in awaited.newest:
        cell = cells.get(key)
        if cell is None:
            continue
        if not awaited.keyed:
            found = max(found, cell)
            continue
        found = max(found, cell.get(run.key, -1))
        if not awaited.strict:
            found = max(found, cell.get("", -1))
    for key in awaited.receipts:
        cell = cells.get(key)
        if cell is not None:
            found = max(found, *(cell.get(message, -1) for message in run.messages), -1)
    return found
