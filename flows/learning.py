"""What is worked out from all people, which no single person's fold can see.

The core counts each of them, the ledger adds up, and from time to time the engine looks at the sums
and puts what follows from them into the log: until then the core decides by what it was told last.
"""

from collections.abc import Callable, Mapping

from events import record
from events.record import Learned
from profile_state.stores.base import Store
from triggers import ranks
from triggers.definitions import Workspace
from triggers.state import State

OFTEN_S, SELDOM_S = 10.0, 3600.0  # between two looks
EACH_S = 1 / 300  # of that, for each person: whoever follows a band is looked at when it moves

Figures = Mapping[str, Mapping[str, float]]


def worked_out(workspace: Workspace, counts: Mapping[str, int]) -> Figures:
    """Return all that follows from the counts, by name."""
    return {ranks.WHAT: ranks.begins(workspace.bands, counts)} if workspace.ranked else {}


class Learning:
    """Looks at the counts of one partition.

    Args:
        store: which has the counts.
        append: puts a record into the log, and returns its entry.
    """

    def __init__(self, store: Store, append: Callable[[bytes], int]) -> None:
        self._store = store
        self._append = append
        self._looked_s = 0.0
        self._told = -1  # entry of the last record

    def look(self, state: State, position: int, now_s: float) -> None:
        """Look, if it is time to, and say what is different.

        Not while people are still swept for what was said before.

        Args:
            state: of the partition.
            position: the entry that was processed last.
            now_s: a monotonic clock.
        """
        workspace = state.workspace
        if workspace is None or now_s - self._looked_s < OFTEN_S:
            return
        if not workspace.ranked or state.sweep is not None or position < self._told:
            return
        pause_s = min(SELDOM_S, self._store.people() * EACH_S)
        if self._told >= 0 and now_s - self._looked_s < pause_s:
            return
        self._looked_s = now_s
        found = worked_out(workspace, self._store.counts())
        news = [
            Learned(what, dict(values))
            for what, values in found.items()
            if values != state.learned.get(what, {})
        ]
        if news:
            self._told = self._append(record.encode(news))
