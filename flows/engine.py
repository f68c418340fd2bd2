"""The engine of one partition: the pure core between a log and a ledger.

It knows no dataflow: `flows.live` wires it into Bytewax, tests and benchmarks call it directly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version as release_of

import msgspec
import structlog

from events import record
from events.record import Tick, Version
from events.sources.base import Entry, Log
from profile_state.person import NEVER, unpack
from profile_state.stores.base import Mark, Outputs, Store
from profile_state.write_behind import WriteBehind
from triggers import activation, core
from triggers.load import hash_of, load
from triggers.state import Dues, State
from triggers.work import Work

TICK_EVERY_S = 0.1  # at most ten ticks a second
PUMP_EVERY_S = 0.005  # under load; measured at 10,000 events/s: p99 24 -> 18 ms
TICK_LIMIT = 1_000  # people a tick fires; a storm is several ticks
SOON_S, LATER_S = 0.002, 0.1  # how long a read may wait, with and without work left to do

log = structlog.get_logger()


class Engine:
    """Reads one partition's log, decides, and keeps its ledger.

    Args:
        source: the log.
        store: the partition's ledger.
        addresses: channel -> kind of address, see `triggers.load.load`.
        clock: ms since 1970; only asks whether something is due, and never reaches the core.
        monotonic: seconds, for pauses.
        partition: of the log.
    """

    def __init__(
        self,
        source: Log,
        store: Store,
        addresses: Mapping[str, str | None],
        *,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        partition: int = 0,
    ) -> None:
        self._log = source
        self._store = store
        self._addresses = addresses
        self._clock = clock
        self._monotonic = monotonic
        self.partition = partition
        self.state = State(partition)
        self.behind = WriteBehind(store, self.state.people, self.state.index)
        self.position = -1  # id of the last entry processed
        self.events = 0  # records processed since the start
        self._ticked_s = self._pumped_s = 0.0
        self._tick = -1  # id of the last tick appended

    def recover(self) -> None:
        """Take the partition over, and continue from its stored offset.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        recovered = self._store.own()
        mark = recovered.mark
        self.state = State(self.partition)
        self.state.offset = mark.offset
        if mark.files:
            self.state.workspace = load(mark.files, self._addresses)
            self.state.files = mark.files
        self.state.dues = Dues(recovered.dues)
        for offset, key, digest in recovered.seen:
            self.state.remember(key, digest, offset)
        self.behind = WriteBehind(self._store, self.state.people, self.state.index)
        self.behind.start(mark)
        self.position = mark.offset.entry  # steps end with entries, and so do marks
        log.info(
            "recovered",
            partition=self.partition,
            entry=mark.offset.entry,
            timers=len(self.state.dues),
        )

    def adopt(self, files: dict[str, str]) -> bool:
        """Append a version record if these files differ from the version in force.

        Call it when the log has been read to its end.

        Raises:
            WorkspaceError: the files do not load.
        """
        if files == self.state.files:
            return False
        load(files, self._addresses)
        version = Version(hash_of(files), files, _tzdata_release())
        self._log.append(self.partition, record.encode([version]))
        return True

    def read(self, after: int | None = None) -> Sequence[Entry]:
        """Read what has come after an entry, by default after the last one processed.

        Stays a little where there is nothing, but not longer than work or timers allow.
        """
        after = self.position if after is None else after
        wait_s = SOON_S if not self.behind.idle else min(LATER_S, self._until_due())
        return self._log.read(self.partition, after, 512, max(1, int(wait_s * 1000)))

    def _until_due(self) -> float:
        due = self.state.dues.next()
        return LATER_S if due >= NEVER else max(SOON_S, (due - self._clock()) / 1000)

    def process(self, entries: Sequence[Entry]) -> list[Work]:
        """Decide a batch of entries, and send its outputs ahead of its state."""
        batches = [core.Batch(e.id, e.time, record.decode(e.payload)) for e in entries]
        done = []
        for stretch in self._stretches(batches):
            self._load(stretch)
            work = core.step(self.state, stretch, self._addresses)
            self._store.put(_outputs(work))
            self.behind.take(
                work.dirty,
                work.index,
                work.together,
                work.counts,
                Mark(self.state.offset, self.state.files),
            )
            self.position = stretch[-1].entry
            self.events += sum(len(batch.records) for batch in stretch)
            done.append(work)
        return done

    def _stretches(self, batches: list[core.Batch]) -> Iterator[list[core.Batch]]:
        return core.stretches(batches)

    def _load(self, stretch: list[core.Batch]) -> None:
        state = self.state
        while wanted := core.needs(state, stretch):
            loaded = self._store.load(wanted.identifiers, wanted.people)
            state.index.update(loaded.leads)
            slots = state.workspace.slots if state.workspace is not None else {}
            for person, value in loaded.people.items():
                state.people[person] = unpack(value, slots)
            lost = wanted.people - loaded.people.keys()
            if lost:
                raise LookupError(
                    f"{len(lost)} people are in the ledger's index, but not in the ledger: {sorted(lost)[:3]}"
                )

    def pump(self) -> None:
        """Do what the time asks for: write behind, and a tick where somebody is due."""
        now_s = self._pumped_s = self._monotonic()
        self.behind.pump(now_s)
        if now_s - self._ticked_s < TICK_EVERY_S or self.position < self._tick:
            return
        if self.state.dues.next() <= self._clock():
            self._ticked_s = now_s
            self._tick = self._log.append(self.partition, record.encode([Tick(TICK_LIMIT)]))

    def keep_up(self) -> None:
        """Pump in the middle of load: not after every batch, since the next one waits meanwhile."""
        if self._monotonic() - self._pumped_s >= PUMP_EVERY_S:
            self.pump()

    def drain(self, patience_s: float = 10.0) -> None:
        """Write everything behind, before the engine stops."""
        until = self._monotonic() + patience_s
        while (
            self.behind.pump(self._monotonic(), eager=True, shares=8) and self._monotonic() < until
        ):
            self._store.settled(0.05)
        self._store.settled(patience_s)


def _outputs(work: Work) -> Outputs:
    activations = activation.encode(work.activations) if work.activations else None
    return Outputs(
        activations=activations,
        withdrawals=[(w.leaf, w.purpose, w.channel, w.time) for w in work.withdrawals],
        dead=[(offset, msgspec.msgpack.encode(letter)) for offset, letter in work.dead],
        seen=work.seen,
        workspaces=[(version, msgspec.msgpack.encode(files)) for version, files in work.workspaces],
    )


def _tzdata_release() -> str:

    return release_of("tzdata")
