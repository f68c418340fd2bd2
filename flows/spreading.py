"""Who hears of an item's change: at a bounded rate, in records of the log.

The ledger knows who has seen which item, and people are many. So the core is not asked for all of
them at once, but for a few hundred in one record, again and again until all were.
"""

from collections.abc import Callable, Sequence

import msgspec

from events.record import Record, Spread
from profile_state.stores.base import Store
from triggers.catalog import Change
from triggers.state import State

FEW = 200  # leaves in one record: about 10 ms of the engine's time
EVERY_S = 0.05  # between two, while events wait


class Spreading:
    """Lets the people of one partition hear of changes, one after the other.

    Args:
        store: which knows who has seen what.
        say: puts records into the log, and returns its entry.
    """

    def __init__(self, store: Store, say: Callable[[Sequence[Record]], int]) -> None:
        self._store = store
        self._say = say
        self._told = -1  # entry of the last record
        self._spread_s = 0.0
        self._leaves: list[str] = []  # who is still to hear of the change at hand
        self._at: tuple[str, Change] | None = None

    def restart(self) -> None:
        """Begin anew with what the ledger knows."""
        self._told, self._at, self._leaves = -1, None, []

    def step(self, state: State, position: int, stored: int, now_s: float, *, busy: bool) -> None:
        """Ask the next few, if the last were.

        Args:
            state: of the partition.
            position: the entry that was processed last.
            stored: the entry up to which the ledger has everything.
            now_s: a monotonic clock.
            busy: events wait meanwhile.
        """
        if position < self._told or (busy and now_s - self._spread_s < EVERY_S):
            return
        first = next(state.catalog.untold(), None)
        if first is None or stored < first[1].at[0]:
            return  # whom the ledger does not know yet would be left out
        (item, change), workspace = first, state.workspace
        trigger = None if workspace is None else workspace.named.get(change.trigger)
        leaves: list[str] = []
        if trigger is not None and trigger.item is not None:
            leaves = self._rest(item, change, trigger.item.how, change.time - trigger.item.window)
        few, self._leaves = leaves[:FEW], leaves[FEW:]
        said = Spread(item, change.at, change.trigger, few, last=not self._leaves)
        self._spread_s, self._told = now_s, self._say([said])

    def _rest(self, item: str, change: Change, how: str, since: int) -> list[str]:
        """Return who is still to hear of it; read once for each change, and after a restart again."""
        this = (item, msgspec.structs.replace(change, told=""))
        if self._at != this:
            self._at = this
            found = self._store.who_saw(how, item, since)
            self._leaves = [leaf for leaf in found if leaf > change.told]
        return self._leaves
