"""The delivery ledger: 64 slots, what became of every activation, and how far the stream is read.

A worker leases slots and holds one SQLite file for each. **The cursor** says, for a slot and a
partition of the activation stream, up to which entry everything of that slot is in its file. It
lives in a file of its own, because an entry rarely concerns every slot and one write for all 64
is cheaper than 64. It is written only after the entry's activations are committed, so it may be
too small and is never too large; an entry read again is harmless, since `take` drops what it
knows. A slot that nobody has served yet has no cursor and begins with the oldest entry there is.
A slot that cannot be opened keeps its cursor, so nothing of it is trimmed away meanwhile. Beside
the cursors it is noted which slots have a file: one that is missing or empty later has lost what
it sent, and must not begin as a new one.
"""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeVar

from channels.delivery.slot import (
    HORIZON,
    STATES,
    Expired,
    Lease,
    Settled,
    Slot,
    SlotTakenError,
    SlotUnusableError,
    Taken,
    Untold,
)
from triggers.activation import SLOTS, Activation, slot_of

__all__ = [
    "HORIZON",
    "START",
    "STATES",
    "Cursor",
    "Expired",
    "Ledger",
    "Settled",
    "SlotTakenError",
    "SlotUnusableError",
    "Taken",
    "Untold",
]

START = -1  # before the first entry
THREADS = 8  # slots that are written side by side
T = TypeVar("T")


class Cursor(NamedTuple):
    """Where a worker reads on, and below which entry nobody of its slots needs anything."""

    read: int
    needed: int


class Ledger:
    """The ledgers of the slots that this worker leases. Methods block; call them in threads.

    Use `open`, then `close`. Every method that takes many activations writes each slot once,
    slots side by side: their fsyncs wait for the same disk together.
    """

    def __init__(
        self,
        folder: Path,
        leases: dict[int, Lease],
        *,
        keyed: Callable[[str], bool],
        threads: Executor | None = None,
    ) -> None:
        self.folder = folder
        self.unserved: dict[int, str] = {}  # slot -> why
        self._leases = leases
        self._keyed = keyed
        self._slots: dict[int, Slot] = {}
        self._calling: set[str] = set()  # ids with an intent of ours and no outcome on disk
        self._owed: dict[int, list[Settled]] = defaultdict(list)  # by slot
        self._paying = threading.Lock()  # outcomes come in one thread, slots come back in another
        self._threads = threads or ThreadPoolExecutor(THREADS, thread_name_prefix="ledger")
        self._cursors = _Cursors(folder / "cursor.db")

    def __repr__(self) -> str:
        return f"Ledger({str(self.folder)!r}, slots={len(self._leases)})"

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        keyed: Callable[[str], bool],
        now: int,
        slots: Iterable[int] = range(SLOTS),
        threads: Executor | None = None,
    ) -> Self:
        """Lease slots and open their files; a slot that was never used gets its file when it is.

        Args:
            folder: where the ledgers live; made if missing.
            keyed: whether a channel's receiver drops a second message with the same id.
            now: ms.
            slots: which to serve.
            threads: where slots are written side by side; closed with the ledger.

        Raises:
            SlotTakenError: when another worker holds one of them; none is kept then.
            SlotUnusableError: when the cursor file cannot be used.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        leases: dict[int, Lease] = {}
        try:
            for n in slots:
                leases[n] = Lease(folder / f"slot-{n:02}.lock")
            ledger = cls(folder, leases, keyed=keyed, threads=threads)
        except BaseException:
            for lease in leases.values():
                lease.close()
            raise
        used = ledger._cursors.used
        ledger._serve([n for n in leases if n in used or ledger._file(n).exists()], now)
        return ledger

    def cursor(self, partition: int) -> Cursor:
        """Return where to read on, and the id below which entries may be trimmed."""
        served = [self._cursors.get(n, partition) for n in self._leases if n not in self.unserved]
        return Cursor(min(served, default=START), self._cursors.needed(self._leases, partition))

    def mark(self, partition: int, entry: int) -> None:
        """Remember that everything up to `entry` is taken; `save` makes it durable."""
        for n in self._leases:
            if n not in self.unserved:
                self._cursors.set(n, partition, entry)

    def rewind(self, partition: int, entry: int) -> None:
        """Begin again after `entry`, also with what is not served; the stream has lost entries."""
        for n in self._leases:
            self._cursors.set(n, partition, entry, back=True)
        self.save()

    def save(self) -> None:
        """Make the cursors durable."""
        self._cursors.save()

    def take(
        self, activations: Sequence[Activation], now: int, down: Set[str] = frozenset()
    ) -> list[Activation]:
        """Write down this worker's activations and return the new ones, in their order.

        Those that are put down at once, by their ids, are due, as if `defer` had been called.

        Those of other workers' slots, those seen before and those of a slot that cannot be
        used are dropped; only the last kind comes again, from the slot's own cursor.
        """
        mine = self._by_slot(activations, lambda a: a.id)
        self._serve([n for n in mine if n not in self._slots and n not in self.unserved], now)
        taking = partial(Slot.take, down=down)
        new = {a.id for found in self._each(mine, taking, now).values() for a in found}
        taken = []
        for a in activations:
            if a.id in new:
                new.discard(a.id)  # an id twice in one batch is one activation
                taken.append(a)
        return taken

    @property
    def floor(self) -> int:
        """Return before when (ms) a decision is `expired`, because its id may be forgotten."""
        return max((slot.floor for slot in list(self._slots.values())), default=START)

    def next_due(self) -> float:
        """Return a lower bound of when something is due, in ms; no disk is touched."""
        return min((slot.next_due for slot in list(self._slots.values())), default=float("inf"))

    def due(
        self, now: int, room: int, of: Mapping[tuple[str, str], int] = MappingProxyType({})
    ) -> list[Taken]:
        """Return what waits for a call by now, and leave it in the caller's hands.

        Args:
            now: ms.
            room: at most so many of a channel and trigger.
            of: the same for some channels and triggers.
        """
        found: list[Taken] = []
        left = defaultdict(lambda: room, of)
        for n, slot in list(self._slots.items()):
            with self._contained(n, slot):
                for taken in slot.due(now, left.__getitem__):
                    left[taken.activation.channel, taken.activation.trigger] -= 1
                    found.append(taken)
        return found

    def defer(self, ids: Sequence[str], at: int) -> None:
        """Put down what is in hand until `at`."""
        self._each(self._by_slot(ids, str), Slot.defer, at)

    def intend(self, ids: Sequence[str], now: int) -> set[str]:
        """Make the intent to call durable; only the returned ids may be called."""
        ours = set(ids) - self._calling
        self._calling |= ours  # before the intent is there, or a slot that comes back resolves it
        allowed = set().union(*self._each(self._by_slot(ids, str), Slot.intend, now).values())
        self._calling -= ours - allowed
        return allowed

    def settle(self, outcomes: Sequence[Settled], now: int) -> None:
        """Write down what came of calls, or of refusals before a call.

        `Later` makes it pending again, due `after` seconds from now. What belongs to a slot that
        is not served is kept in memory until it is.
        """
        with self._paying:
            for n, group in self._by_slot(outcomes, lambda settled: settled.id).items():
                self._owed[n] += group
            self._pay(now)

    def _pay(self, now: int) -> None:
        for n in self._each(dict(self._owed), Slot.settle, now):
            self._calling.difference_update(settled.id for settled in self._owed.pop(n))

    @property
    def owes(self) -> bool:
        """Whether outcomes wait for their slots to be served again."""
        return bool(self._owed)

    def revive(self, now: int) -> bool:
        """Try the unserved slots again; True when one came back and its entries are to be read."""
        before = len(self.unserved)
        self._serve(list(self.unserved), now)
        with self._paying:
            self._pay(now)
        return len(self.unserved) < before

    def untold(self, limit: int) -> list[Untold]:
        """Return some of what the log is still to hear of."""
        found: list[Untold] = []
        for n, slot in list(self._slots.items()):
            with self._contained(n, slot):
                found += slot.untold(limit - len(found))
            if len(found) >= limit:
                break
        return found

    def told(self, some: Sequence[Untold]) -> None:
        """Write down that the log has heard these."""
        self._each(self._by_slot(some, lambda untold: untold.activation.id), Slot.told)

    def changed(self) -> bool:
        """Say whether others wrote into a ledger since; what they made due is due."""
        found = False
        for n, slot in list(self._slots.items()):
            with self._contained(n, slot):
                found |= slot.changed()
        return found

    def held(self, many: int) -> Iterator[list[Activation]]:
        """Go through all that waits, for a call or for an operator, so many at a time."""
        for n, slot in list(self._slots.items()):
            with self._contained(n, slot):
                places = slot.holding()
                for start in range(0, len(places), many):
                    yield slot.at(places[start : start + many])

    def erase(self, ids: Sequence[str], now: int) -> None:
        """Let go of what somebody erased was to get."""
        self._each(self._by_slot(ids, str), Slot.erase, now)

    def prune(self, now: int) -> int:
        """Forget what is older than the horizon, and return how many."""
        gone = 0
        for n, slot in list(self._slots.items()):
            with self._contained(n, slot):
                gone += slot.prune(now)
        return gone

    def counts(self) -> dict[str, dict[str, int]]:
        """Count this worker's activations: channel -> state -> how many."""
        found = []
        for n, slot in list(self._slots.items()):
            with self._contained(n, slot):
                found.append(slot.counts())
        return summed(found)

    def close(self) -> None:
        """Save the cursors, close the files, give back the slots."""
        self._threads.shutdown()
        try:
            self._cursors.close()
        finally:
            for slot in self._slots.values():
                slot.close()
            for lease in self._leases.values():
                lease.close()

    def _file(self, n: int) -> Path:
        return self.folder / f"slot-{n:02}.db"

    def _serve(self, slots: Sequence[int], now: int) -> None:
        """Open slots; one that cannot be opened is not served, and `unserved` says why."""
        used = self._cursors.used

        def opened(n: int) -> Slot | str:
            path = self._file(n)
            return Slot.opened(path, self._calling, used=n in used, keyed=self._keyed, now=now)

        found = dict(zip(slots, self._threads.map(opened, slots), strict=True))
        served = {n: slot for n, slot in found.items() if isinstance(slot, Slot)}
        self.unserved |= {n: reason for n, reason in found.items() if isinstance(reason, str)}
        try:
            self._cursors.use(served)
        except SlotUnusableError as error:
            for n in served.keys() - used:
                served.pop(n).close()
                self.unserved[n] = str(error)
        self._slots |= served
        for n in served:
            self.unserved.pop(n, None)

    def _by_slot(self, items: Iterable[T], name: Callable[[T], str]) -> dict[int, list[T]]:
        """Group what belongs to this worker's slots."""
        groups: dict[int, list[T]] = defaultdict(list)
        for item in items:
            n = slot_of(name(item))
            if n in self._leases:
                groups[n].append(item)
        return groups

    def _each(
        self, groups: dict[int, list[Any]], method: Callable[..., T], *more: int
    ) -> dict[int, T]:
        """Call a method of each slot with its group, side by side; those that fail are left out."""

        def call(some: Sequence[int]) -> list[tuple[int, T]]:
            done = []
            for n in some:
                slot = self._slots.get(n)
                if slot is not None:
                    with self._contained(n, slot):
                        done.append((n, method(slot, groups[n], *more)))
            return done

        if len(groups) == 1:
            return dict(call(list(groups)))
        names = list(groups)
        shares = [names[n::THREADS] for n in range(min(THREADS, len(names)))]
        return dict(done for found in self._threads.map(call, shares) for done in found)

    @contextmanager
    def _contained(self, n: int, slot: Slot) -> Iterator[None]:
        """A slot that fails (disk full, damage) stops being served; the others go on."""
        try:
            yield
        except SlotUnusableError as error:
            if self._slots.get(n) is slot:  # else it failed in another thread, and may be back
                del self._slots[n]
                self.unserved[n] = str(error)
                slot.close()


class _Cursors:
    """The durable map (slot, partition) -> entry id, and which slots have a file."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()  # marked in the worker's loop, saved in a thread
        self._writing = threading.Lock()
        self._moved: set[tuple[int, int]] = set()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA busy_timeout = 5000")  # workers of other slots write it too
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS cursor (slot INTEGER, partition INTEGER,"
                " entry INTEGER NOT NULL, PRIMARY KEY (slot, partition)) WITHOUT ROWID"
            )
            self._db.execute("CREATE TABLE IF NOT EXISTS used (slot INTEGER PRIMARY KEY)")
            rows = self._db.execute("SELECT slot, partition, entry FROM cursor").fetchall()
            self.used: set[int] = {n for (n,) in self._db.execute("SELECT slot FROM used")}
        except sqlite3.Error as error:
            raise SlotUnusableError(f"{path.name} cannot be used: {error}") from error
        self._at: dict[tuple[int, int], int] = {(row[0], row[1]): row[2] for row in rows}
        self._saved = dict(self._at)

    def use(self, slots: Iterable[int]) -> None:
        """Note that slots have a file; before anything is taken into it."""
        new = [(n,) for n in slots if n not in self.used]
        if not new:
            return
        try:
            self._write("INSERT OR IGNORE INTO used VALUES (?)", new)
        except sqlite3.Error as error:
            raise SlotUnusableError(f"cursor.db cannot be written: {error}") from error
        self.used.update(n for (n,) in new)

    def get(self, slot: int, partition: int) -> int:
        return self._at.get((slot, partition), START)

    def needed(self, leased: Iterable[int], partition: int) -> int:
        """Return below which entry nobody needs anything: neither these slots nor those of others.

        After a crash the saved cursors are what is read on from, so nothing behind them may go.
        """
        own = {
            n: min(self._saved.get((n, partition), START), self.get(n, partition)) for n in leased
        }
        if len(own) == SLOTS:
            return min(own.values())
        try:
            rows = self._db.execute(
                "SELECT slot, entry FROM cursor WHERE partition = ?", (partition,)
            ).fetchall()
        except sqlite3.Error:
            return START  # nothing is trimmed until it can be asked
        known: dict[int, int] = {**dict(rows), **own}
        return min(known.get(slot, START) for slot in range(SLOTS))

    def set(self, slot: int, partition: int, entry: int, *, back: bool = False) -> None:
        with self._lock:
            if back or entry > self.get(slot, partition):
                self._at[slot, partition] = entry
                self._moved.add((slot, partition))

    def save(self) -> None:
        with self._lock:
            moved, self._moved = self._moved, set()
            rows = [(slot, partition, self._at[slot, partition]) for slot, partition in moved]
        if not moved:
            return
        try:
            self._write("REPLACE INTO cursor VALUES (?, ?, ?)", rows)
        except sqlite3.Error:
            # Too small a cursor is right, only slower after a restart; the next save tries again.
            with self._lock:
                self._moved |= moved
        else:
            self._saved |= {(slot, partition): entry for slot, partition, entry in rows}

    def _write(self, statement: str, rows: list[Any]) -> None:
        with self._writing:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(statement, rows)
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        self.save()
        self._db.close()


def summed(found: Iterable[dict[tuple[str, str], int]]) -> dict[str, dict[str, int]]:
    """Add up what slots count: channel -> state -> how many."""
    total: dict[str, dict[str, int]] = {}
    for counts in found:
        for (channel, state), n in counts.items():
            of = total.setdefault(channel, {})
            of[state] = of.get(state, 0) + n
    return total
