"""Loading what a stretch of the log needs in memory, before the core takes its step."""

from collections.abc import Mapping

from events.record import Sweep
from profile_state.cells import Slot
from profile_state.copies.disk import Disk
from profile_state.stored import unpack
from profile_state.stores.base import Store
from triggers import core
from triggers.state import State

AHEAD = 60 * 60_000  # ms; how far beyond what is needed it is known who is due


def bring_in(
    state: State, store: Store, stretch: list[core.Batch], older: Disk | None = None
) -> None:
    """Load into a state what a stretch needs, as `core.needs` asks for it.

    Args:
        state: changed in place.
        store: the ledger.
        stretch: of the log.
        older: the first copies that memory has no room for.

    Raises:
        LookupError: the ledger's index and its people do not agree.
        LedgerLostError: the ledger does not answer.
        CopiesUnusableError: the disk is broken.
    """
    while wanted := core.needs(state, stretch):
        loaded = store.load(wanted.identifiers, wanted.people)
        state.index.update(loaded.leads)
        state.absent += [way for way, lead in loaded.leads.items() if lead is None]
        slots = state.workspace.slots if state.workspace is not None else {}
        for value in loaded.people.values():
            state.admit(unpack(value, slots))
        for sweep in wanted.sweeps:
            _bring_in_swept(state, store, sweep, slots)
        if wanted.copies:
            state.asked.update(dict.fromkeys(wanted.copies))
            state.asked.update(older.find(wanted.copies) if older is not None else {})
        if wanted.horizon:
            foresee(state, store, wanted.horizon)
        lost = wanted.people - loaded.people.keys()
        if lost:
            raise LookupError(
                f"{len(lost)} people are in the ledger's index, but not in the ledger: {sorted(lost)[:3]}"
            )


def foresee(state: State, store: Store, until: int) -> None:
    """Have a state know who is due before an instant (ms), and a while beyond it.

    Raises:
        LedgerLostError: the ledger does not answer.
    """
    if until > state.dues.horizon:
        horizon = until + AHEAD
        state.foresee(store.due(state.dues.horizon, horizon), horizon)


def _bring_in_swept(state: State, store: Store, sweep: Sweep, slots: Mapping[str, Slot]) -> None:
    """Load the people of a sweep, except those who are no more and only wait to be removed."""
    cold = [p for p in store.within(sweep.first, sweep.last) if p not in state.people]
    for value in store.load((), cold).people.values():
        person = unpack(value, slots)
        if all(state.index.get(i, person.id) == person.id for i in person.ids):
            state.index.update(dict.fromkeys(person.ids, person.id))
            state.admit(person)
    state.loaded.add(sweep)
