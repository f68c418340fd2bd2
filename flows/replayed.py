"""The engine of a replay, whose clock is that of the file.

In the log of the present the engine appends a tick when its clock says that somebody is due. In
a log of the past time jumps from event to event, so the ticks in between follow from it: before
an entry, everything that was due before its time fires, each at its own instant, and at midnight a
sweep comes by for who stayed away. They take their places behind the entry that they follow. That
is a function of the log, so they are not stored, and a replay that is cut short begins again.
"""

from collections.abc import Iterator

from events.record import EVERYBODY, Record, Sweep, Tick
from flows.engine import DAY, EAGER_S, LATER_S, Engine
from flows.loading import foresee
from profile_state.identity import PLACES
from profile_state.write_behind import PERIOD_S
from triggers import failing
from triggers.core import Batch


class ReplayedEngine(Engine):
    """Reads a log that `events.sources.replayed` wrote, into an empty ledger."""

    def _stretches(self, batches: list[Batch]) -> Iterator[list[Batch]]:
        """Yield each batch alone, after what time did before it: that follows from the last."""
        for batch in batches:
            while self.state.now and (midnight := self._midnight()) <= batch.time:
                yield from self._ticks(midnight)
                yield self._between(midnight, Sweep(0, PLACES - 1))
            yield from self._ticks(batch.time)
            yield [batch]
            yield from self._own()

    def _midnight(self) -> int:
        return (self.state.now // DAY + 1) * DAY

    def _ticks(self, until: int) -> Iterator[list[Batch]]:
        foresee(self.state, self._store, until)
        while (instant := max(self.state.dues.next(), self.state.now)) < until:
            due = self.state.dues.until((instant, EVERYBODY), self._bounds.fired)
            yield self._between(instant, Tick(*due[-1]))
            yield from self._own()

    def _own(self) -> Iterator[list[Batch]]:
        """Yield what steps put out, and pauses of triggers, right behind what they followed."""
        while self._owed or failing.to_pause(self.state):
            owed: list[Record] = [*self._owed.values(), *failing.to_pause(self.state)]
            self._owed = {}
            for one in owed:
                yield self._between(self.state.now, one)

    def _pay(self) -> None:
        """The log of the past takes nothing: what steps put out follows from it."""

    def _between(self, instant: int, record: Record) -> list[Batch]:
        entry, nth = self.state.offset
        return [Batch(entry, instant, [record], nth + 1)]

    def _until_due(self) -> float:
        return LATER_S

    def pump(self, *, busy: bool = False, eager: bool = False) -> None:  # noqa: ARG002 - there are no ticks to put off
        """Write behind; no tick comes from the clock of the present."""
        self._pumped_s = self._monotonic()
        self.behind.pump(self._pumped_s, period_s=EAGER_S if eager else PERIOD_S)
        self.vouch()
        self.residents.step()
