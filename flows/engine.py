"""The engine of one partition: the pure core between a log and a ledger.

It knows no dataflow: `flows.live` wires it into Bytewax, tests and benchmarks call it directly.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version as release_of
from typing import Any

import msgspec
import structlog

from events import catalog, record
from events.record import EVERYBODY, OWN, START, Build, Covered, Event, Record, Sweep, Tick, Version
from events.sources.base import Entry, Log
from flows.bounds import DEFAULT, Bounds
from flows.hot import Hot
from flows.learning import Learning
from flows.loading import bring_in, foresee
from flows.poison import NotAppliedError, Poison, applying, decoded, singly
from flows.residents import Residents
from flows.spreading import Spreading
from flows.storm import Storm
from kairos import __version__
from profile_state.copies.base import packed
from profile_state.copies.disk import Disk
from profile_state.copies.mover import Mover
from profile_state.identity import PLACES
from profile_state.stores.base import Mark, Outputs, Store
from profile_state.write_behind import PERIOD_S, WriteBehind
from triggers import activation, core, failing
from triggers.load import hash_of, load
from triggers.loading.formers import apart
from triggers.state import State
from triggers.work import Work

TICK_EVERY_S = 0.1  # at most ten ticks a second
PUMP_EVERY_S = 0.005  # under load; measured at 10,000 events/s: p99 24 -> 18 ms
SWEEP_EVERY_S = 0.05  # under load; without, one follows the other
DAY = 86_400_000  # ms
READ = 128  # entries in one read
STOCKED = 500  # items in one entry
EAGER_S = 0.5  # between generations, while the engine reads what it missed
HURRIED_S = 0.05  # between generations, while a reader waits
SETTLE_S = 1.0  # how long the ledger's answers are waited for, before memory is dropped
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
        older: where first copies go that memory has no room for; None keeps all in memory.
        bounds: of memory, and of what is done at once.
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
        older: Disk | None = None,
        bounds: Bounds = DEFAULT,
    ) -> None:
        self._log = source
        self._store = store
        self._addresses = addresses
        self._clock = clock
        self._monotonic = monotonic
        self.partition = partition
        self._older = older
        self._bounds = bounds
        self._mover = Mover(store, older, bounds.copies) if older is not None else None
        self.state = State(partition)
        self.behind = _behind(store, self.state)
        self.residents = Residents(self.state, self.behind, bounds)
        self.position = -1  # id of the last entry processed
        # Held by whoever works with the state: the flow, from the start, but while it waits for the log.
        self.turn = threading.Lock()
        self.turn.acquire()
        self.hot = Hot()
        self.poison = Poison()
        self.storm = Storm(bounds.fired)
        self._learning = Learning(store, self._say)
        self._spreading = Spreading(store, self._say)
        self.events = 0  # records processed since the start
        self._wanted = -1  # id of an entry that a reader waits for
        self._owed: dict[bytes, Event] = {}  # what steps put out, until it is in the log
        self._vouched = False  # whether the ledger holds all that it may have lost before us
        self._end: int | None = None  # id of the log's last entry after we took over
        self._ticked_s = self._pumped_s = self._swept_s = self._covered_s = 0.0
        self._tick = self._sweep = self._pause = self._covered = -1  # id of the last one appended
        self._round = self._looked = 0  # places that the clock has passed: swept, and looked at

    def recover(self) -> None:
        """Take the partition over, and continue from its stored offset.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        recovered = self._store.own()
        mark = recovered.mark
        self.state = State(self.partition)
        self.state.offset, self.state.now = mark.offset, mark.now
        if mark.files:
            paused = failing.versions(mark.paused)
            self.state.workspace = load(
                mark.files, self._addresses, paused, mark.history, new=False
            )
            self.state.files = mark.files
        if mark.sweep is not None:
            self.state.sweep = Sweep(*mark.sweep)
        self.state.build = mark.build
        self.state.in_use = set(mark.in_use)
        self.state.learn(mark.learned)
        self.state.history = mark.history
        self.state.begun = mark.begun and mark.offset != START
        self.state.catalog.load(recovered.items, mark.offset)
        self._spreading.restart()
        self.state.paused = {said.trigger: said for said in mark.paused}
        failing.recover(self.state, recovered.failures)
        self.state.erasure_keys = tuple(recovered.erasure_keys)
        for copy in recovered.seen:
            self.state.first_seen.setdefault(copy.key, packed(copy.offset, copy.digest))
        if self._mover is not None:
            self._mover.restart()
            self.state.older = bool(self._older)
        self.behind = _behind(self._store, self.state)
        self.behind.start(mark)
        self.residents = Residents(self.state, self.behind, self._bounds)
        self.position = mark.offset.entry  # steps end with entries, and so do marks
        self._vouched, self._end = False, None
        self._owed.clear()
        log.info(
            "recovered",
            partition=self.partition,
            entry=mark.offset.entry,
        )

    def announce(self) -> None:
        """Append a build record if another build decided until now; call it at the log's end."""
        build = Build(__version__, release_of("tzdata"))
        if build != self.state.build:
            self._say([build])

    def adopt(self, files: dict[str, str]) -> bool:
        """Append a version record if these files differ from the version in force.

        Call it when the log has been read to its end.

        Raises:
            WorkspaceError: the files do not load.
        """
        if files == apart(self.state.files)[0]:
            return False
        load(files, self._addresses)
        version = Version(hash_of(files), files, release_of("tzdata"))
        self._say([version])
        return True

    def stock(self, listed: Mapping[str, Mapping[str, Any]]) -> bool:
        """Append what brings the catalogue to what a file lists; say whether anything did.

        Call it when the log has been read to its end.
        """
        known = self.state.catalog.from_origin(catalog.FILE)
        changed = list(catalog.differences(listed, known, self._clock()))
        for start in range(0, len(changed), STOCKED):
            self._say(changed[start : start + STOCKED])
        return bool(changed)

    def read(self, after: int | None = None) -> Sequence[Entry]:
        """Read what has come after an entry, by default after the last one processed.

        Stays a little where there is nothing, but not longer than work or timers allow.
        """
        after = self.position if after is None else after
        wait_s = SOON_S if not self.behind.idle else min(LATER_S, self._until_due())
        return self._log.read(self.partition, after, READ, max(1, int(wait_s * 1000)))

    def _until_due(self) -> float:
        return max(SOON_S, (self.state.dues.next() - self._clock()) / 1000)

    def process(self, entries: Sequence[Entry]) -> list[Work]:
        """Decide a batch of entries, and send its outputs ahead of its state.

        Raises:
            NewerError: a newer release wrote into this log.
        """
        batches = [decoded(entry) for entry in entries]
        done = [work for stretch in self._stretches(batches) for work in self._decide(stretch)]
        if self._owed:
            for batch in batches:
                for one in batch.records:
                    if isinstance(one, Event) and one.source == OWN:
                        self._owed.pop(one.key, None)
            self.vouch()
            self._pay()
        return done

    def _pay(self) -> None:
        """Append what steps put out.

        Not while the log is read again: most of it stands further on in it.
        """
        if self._owed and self._vouched:
            owed, self._owed = list(self._owed.values()), {}
            self._say(owed)

    def _decide(self, stretch: list[core.Batch]) -> list[Work]:
        """Decide a stretch, whatever is in it; see `flows.poison`.

        Raises:
            NotAppliedError: the engine's or an operator's own word cannot be applied.
        """
        try:
            if self.poison.wary:
                return [self._apply([one]) for one in self._one_by_one(stretch)]
            return [self._apply(self.poison.replaced(stretch))]
        except NotAppliedError as error:
            log.error("the log cannot be applied", after=self.state.offset, reason=str(error))
            if self.poison.wary or stretch[0].first:  # no event, or what time did in between
                raise
        before = self.events
        self._read_again(stretch[0].entry)
        self.poison.beware(self.events - before)
        return [work for part in self._stretches(stretch) for work in self._decide(part)]

    def _one_by_one(self, stretch: list[core.Batch]) -> Iterator[core.Batch]:
        """Yield each record alone, after it was tried on a copy of whom it concerns."""
        for one in singly(stretch):
            if isinstance(one.records[0], Event):
                bring_in(self.state, self._store, [one], self._older)
            yield self.poison.tried(one, self.state, self._addresses)
        self.poison.end(self.behind.stored)

    def _read_again(self, before: int) -> None:
        """Drop memory, which may be half changed, and read the log up to before an entry."""
        self._store.settled(SETTLE_S)  # who was replaced meanwhile stops here
        self.recover()
        while entries := [
            entry
            for entry in self._log.read(self.partition, self.position, READ, 0)
            if entry.id < before
        ]:
            self.process(entries)
            self.keep_up(eager=True)

    def _apply(self, stretch: list[core.Batch]) -> Work:
        bring_in(self.state, self._store, stretch, self._older)
        with applying():
            work = core.step(self.state, stretch, self._addresses)
            outputs = _outputs(work)
        self._store.put(outputs)
        self.behind.take(
            work.dirty,
            work.index,
            work.together,
            work.applied,
            work.counts,
            self._mark(),
            work.items,
        )
        self._owed |= {event.key: event for event in work.emitted}
        for chain in work.bounded:
            log.warning("triggers start each other without end", chain=" > ".join(chain))
        self.position = stretch[-1].entry
        records = sum(len(batch.records) for batch in stretch)
        self.events += records
        self.hot.batch(work.applied, records, self._monotonic())
        return work

    def _mark(self) -> Mark:
        sweep = self.state.sweep
        return Mark(
            self.state.offset,
            self.state.files,
            None if sweep is None else (sweep.first, sweep.last),
            self.state.build,
            self.state.now,
            tuple(sorted(self.state.in_use)),
            self.state.learned,
            tuple(self.state.paused.values()),
            self.state.history,
            self.state.begun,
        )

    def _stretches(self, batches: list[core.Batch]) -> Iterator[list[core.Batch]]:
        return core.stretches(batches)

    def hurry(self, entry: int) -> None:
        """Write behind everything up to an entry without pauses; any thread may ask for it."""
        self._wanted = max(self._wanted, entry)

    def pump(self, *, busy: bool = False, eager: bool = False) -> None:
        """Do what the time asks for: write behind, a tick where somebody is due, a sweep.

        Args:
            busy: events wait meanwhile.
            eager: let one generation follow the other sooner.
        """
        now_s = self._pumped_s = self._monotonic()
        waited_for = self.behind.stored.entry < self._wanted
        self.behind.pump(
            now_s, period_s=HURRIED_S if waited_for else EAGER_S if eager else PERIOD_S
        )
        self.vouch()
        self._pay()
        self.residents.step()
        self._next_sweep(now_s, busy=busy)
        if self._vouched:
            self._learning.look(self.state, self.position, now_s)
            self._spreading.step(
                self.state, self.position, self.behind.stored.entry, now_s, busy=busy
            )
            self._pause_failing()
            self._look_at_the_past(now_s)
        now = self._clock()
        self._go_round(now)
        if self._mover is not None and self._mover.step(self.state.first_seen, self.state.now):
            self.state.older = True
        if now_s - self._ticked_s < TICK_EVERY_S or self.position < self._tick:
            return
        foresee(self.state, self._store, now + 1)
        due = self.state.dues.until((now, EVERYBODY), self._bounds.fired)
        self.storm.tick(due, now)
        if due:
            self._ticked_s = now_s
            self._tick = self._say([Tick(*due[-1])])

    def vouch(self) -> None:
        """Say in the ledger, once, that its withdrawals are complete.

        A ledger that was restarted may have lost its last second, or all. What it knew follows
        from the log up to where that ended when we took over; until we are there, the workers
        must not take its silence for consent.
        """
        if self._vouched:
            return
        if self._end is None:
            self._end = self._log.last(self.partition)
        if self.position >= self._end:
            self._store.vouch()
            self._vouched = True

    def _pause_failing(self) -> None:
        """Append a record for each trigger that has failed too often."""
        due = failing.to_pause(self.state) if self.state.failures else []
        if due and self.position >= self._pause:
            self._pause = self._say(due)
            for said in due:
                log.error(
                    f"a trigger failed {failing.MOST} times within a minute and is paused",
                    trigger=said.trigger,
                    version=said.version,
                    reason=said.reason,
                )

    def _look_at_the_past(self, now_s: float) -> None:
        """Append a record when so much time has passed that something more is known."""
        workspace = self.state.workspace
        due = workspace is not None and workspace.warms_at <= self._clock()
        if due and self.position >= self._covered and now_s - self._covered_s >= TICK_EVERY_S:
            self._covered_s = now_s
            self._covered = self._say([Covered()])

    def _next_sweep(self, now_s: float, *, busy: bool) -> None:
        """Append the next sweep, when the one before is done and there is time for it."""
        rest = self.state.sweep
        if rest is None or self.position < self._sweep:
            return
        if busy and now_s - self._swept_s < SWEEP_EVERY_S:
            return
        self._swept_s = now_s
        self._append_sweep(rest.first, min(rest.last, rest.first + self._width() - 1))

    def _width(self) -> int:
        """Return how many places have about as many people as one sweep is for."""
        return max(1, PLACES * self._bounds.swept // max(1, self._store.people()))

    def _say(self, records: Sequence[Record]) -> int:
        """Put records of our own into the log, as one entry; returns its id."""
        return self._log.append(self.partition, record.encode(list(records)))

    def _append_sweep(self, first: int, last: int) -> None:
        self._sweep = self._say([Sweep(first, last)])

    def _go_round(self, now: int) -> None:
        """Append the next sweep of those that come by everybody once a day, for who stayed away.

        The hour of the day says where the round is, so a restart needs to remember nothing.
        """
        passed = now * PLACES // DAY
        if passed == self._looked or self.state.sweep is not None or self.position < self._sweep:
            return
        self._looked = passed
        self._round = max(self._round, passed - PLACES) if self._round else passed
        first = self._round % PLACES
        width = min(self._width(), PLACES - first)
        if passed - self._round >= width:
            self._append_sweep(first, first + width - 1)
            self._round += width
            self._looked = 0  # there may be more

    def keep_up(self, *, eager: bool = False) -> None:
        """Pump in the middle of load: not after every batch, since the next one waits meanwhile.

        Args:
            eager: see `pump`; for an engine that reads what it missed. One that is killed again
                and again before it has stored anything would have more to read each time.
        """
        if self._monotonic() - self._pumped_s >= PUMP_EVERY_S:
            self.pump(busy=True, eager=eager)

    def drain(self, patience_s: float = 10.0) -> None:
        """Write everything behind, before the engine stops."""
        until = self._monotonic() + patience_s
        while self.behind.pump(self._monotonic(), period_s=0) and self._monotonic() < until:
            self._store.settled(0.05)
        self._store.settled(patience_s)


def _behind(store: Store, state: State) -> WriteBehind:
    return WriteBehind(store, state.people, state.index, state.gone, state.catalog.packed)


def _outputs(work: Work) -> Outputs:
    activations = activation.encode(work.activations) if work.activations else None
    return Outputs(
        activations=activations,
        withdrawals=[(w.who, w.purpose, w.channel, w.time) for w in work.withdrawals],
        dead=[(offset, msgspec.msgpack.encode(letter)) for offset, letter in work.dead],
        letters_done=work.letters_done,
        erasure_keys=work.erasure_keys,
        seen=work.seen,
        seen_items=work.seen_items,
        unseen_items=work.unseen_items,
        workspaces=[(version, msgspec.msgpack.encode(files)) for version, files in work.workspaces],
        failures=msgspec.msgpack.encode(work.state.failures) if work.failed else None,
    )
