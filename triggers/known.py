"""Since when all that a definition looks at is known, which may have been asked for only now."""

from collections.abc import Collection
from typing import NamedTuple

from profile_state.history import History
from profile_state.leaf import NEVER
from triggers.slots import Asks, Need


class Known(NamedTuple):
    """Since when what a definition looks at is known."""

    since: int  # ms; NEVER while it is not
    turn: int = NEVER  # ms; when enough time has passed to look again


ALWAYS = Known(0)


def known(asks: Asks, history: History, warming: Collection[str]) -> Known:
    """Say since when all that a definition looks at is known.

    Args:
        asks: of the definition.
        history: what is known of slots.
        warming: segments of which it is not known who is inside.
    """
    found = [ALWAYS if asks.segments.isdisjoint(warming) else Known(NEVER)]
    found += [_of(need, history) for need in asks.needs]
    return Known(max(one.since for one in found), min(one.turn for one in found))


def _of(need: Need, history: History) -> Known:
    gaps = ((gap, had) for gap in history.gaps for key, had in gap.slots if key == need.slot.key)
    gap, had = next(gaps, (None, None))
    if gap is None or (had is not None and had.holds(need.slot)):
        return ALWAYS
    if not need.before:
        return Known(gap.time)
    if need.reach is None:
        return Known(NEVER)
    turn = gap.whole_at(had, need.slot, need.reach)
    return ALWAYS if turn <= history.passed else Known(NEVER, turn)
