"""Warming: a definition looks back at what was not remembered before it was asked for.

Until that is known, nobody can say who is inside a segment, and no run of a trigger begins. How it
becomes known is told in `profile_state.history`; who is concerned by that, in `triggers.known`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from events.record import Offset
from profile_state.cells import Slot, copied, merge_cells, restored
from profile_state.history import WHOLE, Gap, History
from profile_state.leaf import Leaf
from triggers.definitions import Workspace
from triggers.state import State
from triggers.work import Work


def asked(state: State, slots: Mapping[str, Slot], at: Offset) -> History:
    """Return what is known of the past when a version comes into force.

    Args:
        state: before it.
        slots: that it asks for.
        at: of its record.
    """
    if not state.begun:
        return WHOLE
    before = {} if state.workspace is None else own_slots(state.workspace)
    return state.history.asked(before, slots, at, state.now)


def own_slots(workspace: Workspace) -> Mapping[str, Slot]:
    """Return the slots that definitions look at."""
    return {key: slot for key, slot in workspace.slots.items() if key not in workspace.apart}


def fill(
    work: Work,
    leaf: Leaf,
    past: Iterable[tuple[int, dict[str, Any]]],
    gap: Gap,
    workspace: Workspace,
) -> None:
    """Join what happened to a leaf before a version to what came after it.

    Args:
        work: of the record.
        leaf: changed in place.
        past: of the leaf, see `events.record.Filled`; what was before it was let go of stays so.
        gap: that the version made.
        workspace: in force.
    """
    for key, _ in gap.slots:
        slot, name = workspace.slots[key], gap.apart(key)
        before = [cells[key] for first, cells in past if first >= leaf.first and key in cells]
        if not before:
            continue
        joined = leaf.cells.pop(name, None)
        for one in before:
            cell = copied(restored(key, one))
            joined = cell if joined is None else merge_cells(slot, joined, cell)
        leaf.cells[key] = joined
        for how, _, cell in workspace.seeing.get(slot.event, ()):
            if cell == key:
                work.seen_items += [(how, item, leaf.key, at) for item, at in joined.items()]
