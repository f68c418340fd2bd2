"""What is worked out from all people, which no single person's fold can see.

The core counts each of them, the ledger adds up, and from time to time the engine looks at the sums
and puts what follows from them into the log: until then the core decides by what it was told last.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from events.record import Learned, Record
from profile_state.stores.base import Store
from triggers import best_time, lift, ranks
from triggers.definitions import Workspace
from triggers.state import RANKS, State

OFTEN_S, SELDOM_S = 10.0, 3600.0  # between two looks
EACH_S = 1 / 300  # of that, for each person: whoever follows a band is looked at when it moves
MOVES = 0.02  # of all people; what moves less is not worth a record

Figures = Mapping[str, float]


def news(
    workspace: Workspace, counts: Mapping[str, int], known: Mapping[str, Figures], now: int
) -> Iterator[Learned]:
    """Yield what follows from the counts at an instant (ms), where it is something else than is known."""
    if workspace.ranked:
        begins = ranks.begins(workspace.bands, counts)
        if begins != known.get(RANKS, {}):
            yield Learned(RANKS, begins)
    if workspace.opening:
        hours = best_time.everybodys(counts)
        if _moved(hours, known.get(best_time.HOURS, {})):
            yield Learned(best_time.HOURS, hours)
    for bandit in workspace.bandits:
        weights = bandit.weighed(counts)
        if weights is not None and _moved(weights, known.get(bandit.name, {})):
            yield Learned(bandit.name, weights)
    for trigger in workspace.lifted:
        said = {**lift.figures(trigger, counts), lift.AT: float(now)}
        if lift.worth_saying(said, known.get(lift.LIFT + trigger, {})):
            yield Learned(lift.LIFT + trigger, said)


def _moved(weights: Figures, known: Figures) -> bool:
    return any(
        abs(weights.get(name, 0.0) - known.get(name, 0.0)) >= MOVES
        for name in weights.keys() | known.keys()
    )


class Learning:
    """Looks at the counts of one partition.

    Args:
        store: which has the counts.
        say: puts records into the log, and returns its entry.
    """

    def __init__(self, store: Store, say: Callable[[Sequence[Record]], int]) -> None:
        self._store = store
        self._say = say
        self._looked_s: float | None = None
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
        if workspace is None or not (
            workspace.ranked or workspace.bandits or workspace.opening or workspace.lifted
        ):
            return
        passed_s = OFTEN_S if self._looked_s is None else now_s - self._looked_s
        if passed_s < OFTEN_S or state.sweep is not None or position < self._told:
            return
        if passed_s < min(SELDOM_S, self._store.people() * EACH_S):
            return
        self._looked_s = now_s
        found = list(news(workspace, self._store.counts(), state.learned, state.now))
        if found:
            self._told = self._say(found)
