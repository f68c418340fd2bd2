"""The profile fold: one event into its leaf. No clock, no I/O, and order does not matter."""

from collections.abc import Callable
from typing import Any, NamedTuple

from events.record import ABOUT_ADDRESSES, STATEMENTS, Event
from profile_state import reach
from profile_state.bounds import let_go
from profile_state.consent import GPC, remember, remember_gpc, statements
from profile_state.leaf import Leaf
from profile_state.person import Differ, View
from profile_state.stated import Stated, by, claimed, stands
from profile_state.surroundings import KINDS, remembered

TRAITS = 1_000  # names that a leaf remembers; those stated last stay
FROM_CONTEXT = ("timezone", "locale")  # context that is remembered like a trait


class Folding(NamedTuple):
    """The functions that are generated for the events of one name."""

    add: Callable[[dict[str, Any], Event, int], None]  # cells, event, now
    differ: Differ


def _nothing(_cells: dict[str, Any], _one: Any, _other: Any) -> None:
    """No cell remembers events of this name."""


UNREMEMBERED = Folding(_nothing, _nothing)


def fold(
    leaf: Leaf, event: Event, folding: Folding, now: int, around: tuple[str, ...] = ()
) -> bool:
    """Fold an event into its leaf, in place.

    Args:
        leaf: the leaf that `event.leaf` names.
        event: in any order.
        folding: for the event's name.
        now: ms, the log's clock; what has left every window is let go.
        around: kinds of surroundings that are remembered.

    Returns:
        Whether traits or addresses were let go, since the leaf had too many.
    """
    time = event.time
    if time > leaf.last:  # as most are; two calls of min and max for each event cost more
        leaf.last = time
    elif time < leaf.first:
        leaf.first = time
    gone = fold_statements(leaf, event, around)
    if event.name in STATEMENTS:
        for purpose, channel, granted in statements(event.name, event.properties):
            remember(leaf, purpose, channel, event.time, event.message_id, granted)
    if GPC in event.context:
        remember_gpc(leaf, event.time, event.message_id)
    folding.add(leaf.cells, event, now)
    many = len(leaf.traits) > TRAITS
    if many:
        let_go(leaf.traits, TRAITS, lambda stated: (not claimed(stated), *stated[:2]))
    return many or gone


def fold_statements(known: Leaf | View, event: Event, around: tuple[str, ...] = ()) -> bool:
    """Fold what an event says about the person: traits, and addresses, of which some may be let go."""
    time, context = event.time, event.context
    if context:
        said_by = by(event)
        for kind in around:
            told = KINDS[kind](context)
            if told is not None:
                _remember(known.traits, remembered(kind), (time, said_by, told))
        for name in FROM_CONTEXT:
            if name in context:
                _remember(known.traits, name, (time, said_by, context[name]))
    if event.traits:
        said_by = by(event)
        for name, value in event.traits.items():
            _remember(known.traits, name, (time, said_by, value))
    if event.addresses or event.name in ABOUT_ADDRESSES:
        return reach.remember(known, event)
    return False


def _remember(known: dict[str, Stated], name: str, new: Stated) -> None:
    stated = known.get(name)
    if stated is None or stands(new, stated):
        known[name] = new
