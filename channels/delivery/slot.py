"""One slot's ledger: a SQLite file that remembers every activation of the slot, and its lease.

A send happens once because of three facts in here. An id is taken once, however often the
stream is read. The intent is on disk before the provider is called, so after a crash we know
which calls may have happened. And one process at a time holds the slot: the lock belongs to the
open file, so the kernel gives it back however that process dies, and never while it is frozen.

States: `pending` waits for a call, `intent` is in the window of a call. `dead` and `unknown` are
held with their bodies until an operator decides, see `beside.py`. The others are final:
`delivered`, `bounced` (nobody is at that address), `refused` (the person wants nothing any more),
`expired`. What became of a message is told in the log, from here: a row is `told` once it was.
"""

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from channels.base import Delivered, Later, Outcome, Refused, Unknown
from triggers.activation import Activation

VERSION = 2  # 1 told nobody what became of a message, and kept no body once that was known
HORIZON = 90 * 86_400_000  # ms; older decisions are not sent, so ids need no longer memory
HELD = 30 * 86_400_000  # ms; so long a body waits for an operator
KEPT = ("dead", "unknown")  # states in which a body waits for an operator
OF_REFUSED = {"message": "dead", "address": "bounced", "person": "refused"}
STATES = ("pending", "intent", "delivered", "bounced", "refused", "dead", "unknown", "expired")

_SCHEMA = """
CREATE TABLE activation (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,  -- calls that the provider did not take
    next_attempt INTEGER,  -- ms; NULL while the worker has it in hand
    channel TEXT NOT NULL,
    trigger_name TEXT NOT NULL,
    detail TEXT NOT NULL,  -- the provider's id, or the reason; never personal data
    decided INTEGER NOT NULL,  -- ms
    taken INTEGER NOT NULL,  -- ms
    changed INTEGER NOT NULL,  -- ms
    body BLOB,  -- the activation; NULL once nobody needs it
    told INTEGER NOT NULL DEFAULT 1  -- 0 where the log is still to hear what became of it
);
CREATE INDEX waiting ON activation (next_attempt) WHERE state = 'pending';
CREATE TABLE floor (decided INTEGER NOT NULL);  -- ms; ids decided before may be forgotten
INSERT INTO floor VALUES (-1);
"""

_FROM_1 = "ALTER TABLE activation ADD COLUMN told INTEGER NOT NULL DEFAULT 1;"

# Of every version; those of before are made anew.
_INDEXES = """
CREATE INDEX IF NOT EXISTS waiting_by ON activation (channel, trigger_name, next_attempt)
    WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS closed ON activation (changed) WHERE state NOT IN ('pending', 'intent');
CREATE INDEX IF NOT EXISTS held ON activation (state, changed) WHERE state IN ('dead', 'unknown');
CREATE INDEX IF NOT EXISTS untold ON activation (changed) WHERE told = 0;
DROP INDEX IF EXISTS waiting_of;
DROP INDEX IF EXISTS final;
"""


# Steps along the index from one channel to the next, and of one from trigger to trigger: a backlog
# is not read for it.
_CHANNELS = """
WITH RECURSIVE waits(channel) AS (
    SELECT min(channel) FROM activation WHERE state = 'pending'
    UNION ALL
    SELECT (SELECT min(channel) FROM activation WHERE state = 'pending' AND channel > waits.channel)
    FROM waits WHERE channel IS NOT NULL
)
SELECT channel FROM waits WHERE channel IS NOT NULL
"""
_TRIGGERS = """
WITH RECURSIVE waits(name) AS (
    SELECT min(trigger_name) FROM activation WHERE state = 'pending' AND channel = ?1
    UNION ALL
    SELECT (SELECT min(trigger_name) FROM activation
        WHERE state = 'pending' AND channel = ?1 AND trigger_name > waits.name)
    FROM waits WHERE name IS NOT NULL
)
SELECT name FROM waits WHERE name IS NOT NULL
"""


# By their indexes: they are few among all that a ledger remembers.
_HOLDING = (
    "SELECT rowid FROM activation INDEXED BY waiting_by WHERE state = 'pending'",
    "SELECT rowid FROM activation INDEXED BY held WHERE state IN ('dead', 'unknown')",
    "SELECT rowid FROM activation INDEXED BY untold WHERE told = 0",
)


class Expired(msgspec.Struct, frozen=True, tag="expired"):
    """Too late to be sent."""

    reason: str = "expired"


class Taken(NamedTuple):
    """An activation in the worker's hands, and how often a provider turned it away before."""

    activation: Activation
    attempts: int


class Settled(NamedTuple):
    """What came of a message."""

    id: str
    outcome: "Outcome | Expired"
    tell: bool = False  # whether the log is to hear of it


class Untold(NamedTuple):
    """What came of a message, of which the log has not heard."""

    activation: Activation
    state: str
    detail: str
    at: int  # ms


class Row(NamedTuple):
    """What a ledger shows of an activation; nothing personal."""

    id: str
    channel: str
    trigger: str
    state: str
    detail: str
    attempts: int
    decided: int  # ms
    changed: int  # ms


class SlotTakenError(RuntimeError):
    """Another worker holds the slot."""


class SlotUnusableError(RuntimeError):
    """The slot's ledger cannot be used; without its memory nothing of the slot may be sent."""


encoded = msgspec.msgpack.Encoder().encode
decoded = msgspec.msgpack.Decoder(Activation).decode


class Lease:
    """The exclusive right to a slot, held until it is given back or the process ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise SlotTakenError(
                f"{path.stem} is held by another worker (process {holder}); "
                f"stop it, or serve other slots"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Give the slot back. The file stays: removing it would let two workers in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Slot:
    """The open ledger of a leased slot. Methods may be called from any thread."""

    def __init__(
        self,
        path: Path,
        calling: Set[str] = frozenset(),
        *,
        used: bool = False,
        keyed: Callable[[str], bool],
        now: int,
    ) -> None:
        """Open or create the file, and resolve what a crash left in the window of a call.

        Args:
            path: the SQLite file.
            calling: ids whose calls are no crash's: this process made them and knows what comes.
            used: the slot had a file before; one that is not there, or empty, has been lost.
            keyed: whether a channel's receiver drops a second message with the same id.
            now: ms.

        Raises:
            SlotUnusableError: when the file cannot be opened, read or written.
        """
        self.path = path
        self._lock = threading.Lock()
        self._hands: set[str] = set()  # handed out by `due` and not yet intended or settled
        fresh = not path.exists()
        if used and fresh:
            raise SlotUnusableError(lost(path))
        with self._usable():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._open(fresh=fresh, used=used)
                (self.floor,) = self._db.execute("SELECT decided FROM floor").fetchone()
                self._resolve(keyed, calling, now)
                self.prune(now)
                self.next_due = self._earliest()
                (self._version,) = self._db.execute("PRAGMA data_version").fetchone()
            except BaseException:
                self._db.close()
                raise

    def take(
        self, activations: Sequence[Activation], now: int, down: Set[str] = frozenset()
    ) -> list[Activation]:
        """Write down what is new and return it; an id seen before is dropped.

        What is put down at once, by its id, is due, as if `defer` had been called.

        What was decided before the horizon, or before ids were forgotten, is `expired`.
        """
        new = []
        with self._transaction() as db:
            oldest = max(self.floor, now - HORIZON)
            for a in activations:
                live = a.decided >= oldest
                state, body = ("pending", encoded(a)) if live else ("expired", None)
                detail = "" if live else "horizon"
                at = now if live and a.id in down else None
                row = (a.id, state, at, a.channel, a.trigger, detail, a.decided, now, now, body)
                written = db.execute(
                    "INSERT INTO activation VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
                    " ON CONFLICT DO NOTHING",
                    row,
                )
                if written.rowcount and live:
                    new.append(a)
                    self.next_due = self.next_due if at is None else min(at, self.next_due)
        return new

    def defer(self, ids: Sequence[str], at: int) -> None:
        """Put down what is in hand; `due` returns it from `at` on."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE activation SET next_attempt = ? WHERE id = ? AND state = 'pending'",
                [(at, i) for i in ids],
            )
            self._hands.difference_update(ids)
            self.next_due = min(at, self.next_due)

    def due(self, now: int, room: Callable[[tuple[str, str]], int]) -> list[Taken]:
        """Return what waits for a call by now, and leave it in the caller's hands.

        What there is no room for is not touched: it would only have to be put down again.

        Args:
            now: ms.
            room: how many of a channel and trigger, the earliest of which are returned.
        """
        if self.next_due > now:
            return []
        found, all_of_them = [], True
        with self._usable(), self._lock:
            for channel, trigger in self._waiting():
                most = max(0, room((channel, trigger)))
                rows = self._db.execute(
                    "SELECT id, attempts, body FROM activation WHERE state = 'pending'"
                    " AND channel = ? AND trigger_name = ? AND next_attempt <= ?"
                    " ORDER BY next_attempt LIMIT ?",
                    (channel, trigger, now, most + len(self._hands) if most else 0),
                ).fetchall()
                new = [row for row in rows if row[0] not in self._hands][:most]
                self._hands.update(row[0] for row in new)
                all_of_them = all_of_them and len(new) < most
                found += new
            if all_of_them:
                self.next_due = self._earliest(after=now)
        return [Taken(decoded(body), attempts) for _, attempts, body in found]

    def intend(self, ids: Sequence[str], now: int) -> set[str]:
        """Make the intent to call durable, and return the ids that may be called now.

        An id whose next attempt is still to come was in hand twice, and was called once.
        """
        with self._transaction() as db:
            moved = {
                i
                for i in ids
                if db.execute(
                    "UPDATE activation SET state = 'intent', changed = ? WHERE id = ?"
                    " AND state = 'pending' AND ifnull(next_attempt, 0) <= ?",
                    (now, i, now),
                ).rowcount
            }
            self._hands.difference_update(ids)
            if len(moved) < len(ids):  # such as after the clock went back
                self.next_due = min(self.next_due, self._earliest())
        return moved

    def settle(self, outcomes: Sequence[Settled], now: int) -> None:
        """Write down what came of calls, or of refusals before a call. What is final stays."""
        with self._transaction() as db:
            for i, outcome, tell in outcomes:
                if isinstance(outcome, Later):
                    at = now + round(outcome.after * 1000)
                    db.execute(
                        "UPDATE activation SET state = 'pending', attempts = attempts + 1,"
                        " next_attempt = ?, detail = ?, changed = ?"
                        " WHERE id = ? AND state IN ('pending', 'intent')",
                        (at, outcome.reason, now, i),
                    )
                    self.next_due = min(at, self.next_due)
                else:
                    state, detail = final(outcome)
                    keep = tell or state in KEPT
                    db.execute(
                        "UPDATE activation SET state = ?, detail = ?, changed = ?, told = ?,"
                        " body = iif(?, body, NULL), next_attempt = NULL"
                        " WHERE id = ? AND state IN ('pending', 'intent')",
                        (state, detail, now, not tell, keep, i),
                    )
                self._hands.discard(i)

    def untold(self, limit: int) -> list[Untold]:
        """Return what the log is still to hear of, the oldest first."""
        with self._usable(), self._lock:
            rows = self._db.execute(
                "SELECT body, state, detail, changed FROM activation WHERE told = 0"
                " ORDER BY changed LIMIT ?",
                (limit,),
            ).fetchall()
        return [Untold(decoded(body), *rest) for body, *rest in rows if body is not None]

    def told(self, some: Sequence[Untold]) -> None:
        """Write down what the log has heard, unless something else has come of it since.

        A body stays only where an operator may send it. Of a message that has another channel to
        go to they must not: it is on its way there.
        """
        with self._transaction() as db:
            db.executemany(
                "UPDATE activation SET told = 1, body = iif(?, body, NULL)"
                " WHERE id = ? AND changed = ? AND told = 0",
                [(u.state in KEPT and not u.activation.tell, u.activation.id, u.at) for u in some],
            )

    def holding(self) -> list[int]:
        """Return the places of all that waits: for a call, for an operator, to be told."""
        with self._usable(), self._lock:
            return [place for query in _HOLDING for (place,) in self._db.execute(query).fetchall()]

    def at(self, places: Sequence[int]) -> list[Activation]:
        """Return what is held at places."""
        asked = json.dumps(list(places))
        with self._usable(), self._lock:
            rows = self._db.execute(
                "SELECT body FROM activation WHERE rowid IN (SELECT value FROM json_each(?))"
                " AND body IS NOT NULL AND state <> 'intent'",
                (asked,),
            ).fetchall()
        return [decoded(body) for (body,) in rows]

    def erase(self, ids: Sequence[str], now: int) -> None:
        """Let go of the bodies of somebody who was erased; what waited for a call is refused."""
        with self._transaction() as db:
            db.executemany(
                "UPDATE activation SET body = NULL, told = 1, changed = ?, next_attempt = NULL,"
                " detail = iif(state = 'pending', 'erased', detail),"
                " state = iif(state = 'pending', 'refused', state) WHERE id = ? AND state <> 'intent'",
                [(now, i) for i in ids],
            )

    def changed(self) -> bool:
        """Say whether others wrote the file since this was asked, such as an operator's command.

        What they made due is due then.
        """
        with self._usable(), self._lock:
            (version,) = self._db.execute("PRAGMA data_version").fetchone()
            before, self._version = self._version, version
            if version != before:
                self.next_due = min(self.next_due, self._earliest())
        return bool(version != before)

    def prune(self, now: int) -> int:
        """Forget ids older than the horizon, and return how many.

        The floor remembers what may be forgotten, so that a clock set back later cannot make
        a forgotten id look new and fresh.
        """
        before = now - HORIZON
        with self._transaction() as db:
            gone = db.execute(
                "DELETE FROM activation WHERE state NOT IN ('pending', 'intent')"
                " AND changed < ? AND decided < ?",
                (before, before),
            ).rowcount
            db.execute(  # an operator had their time
                "UPDATE activation SET body = NULL WHERE state IN ('dead', 'unknown')"
                " AND changed < ? AND body IS NOT NULL",
                (now - HELD,),
            )
            if gone:
                self.floor = max(self.floor, before)  # too high is safe, should this not be written
                db.execute("UPDATE floor SET decided = max(decided, ?)", (before,))
        with self._usable(), self._lock:  # bodies that were cleared leave the write-ahead log too
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone

    def counts(self) -> dict[tuple[str, str], int]:
        """Count by (channel, state)."""
        with self._usable(), self._lock:
            return counted(self._db)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        with self._lock:
            self._db.close()

    @classmethod
    def opened(
        cls, path: Path, calling: Set[str], *, used: bool, keyed: Callable[[str], bool], now: int
    ) -> Self | str:
        """Open a slot, or say why it cannot be served."""
        try:
            return cls(path, calling, used=used, keyed=keyed, now=now)
        except SlotUnusableError as error:
            return str(error)

    def _open(self, *, fresh: bool, used: bool) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # every commit is fsynced
        self._db.execute("PRAGMA secure_delete = ON")  # a cleared body leaves no bytes behind
        self._db.execute("PRAGMA busy_timeout = 5000")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0 and used:
            raise SlotUnusableError(lost(self.path))
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version == 1:
            self._db.executescript(f"BEGIN; {_FROM_1} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION:
            raise SlotUnusableError(
                f"{self.path.name} was written by version {version}, this worker knows {VERSION}; "
                f"start the newer worker"
            )
        self._db.executescript(_INDEXES)
        if fresh:
            fsync_folder(self.path.parent)

    def _resolve(self, keyed: Callable[[str], bool], calling: Set[str], now: int) -> None:
        """Decide what becomes of calls whose answer a crash lost."""
        ours = json.dumps(list(calling))
        with self._transaction() as db:
            rows = db.execute("SELECT DISTINCT channel FROM activation WHERE state = 'intent'")
            for (channel,) in rows.fetchall():
                if keyed(channel):  # the receiver drops the second one
                    db.execute(
                        "UPDATE activation SET state = 'pending', next_attempt = NULL,"
                        " attempts = attempts + 1 WHERE state = 'intent' AND channel = ?"
                        " AND id NOT IN (SELECT value FROM json_each(?))",
                        (channel, ours),
                    )
                else:
                    db.execute(
                        "UPDATE activation SET state = 'unknown', changed = ?,"
                        " detail = 'crash during the call' WHERE state = 'intent' AND channel = ?"
                        " AND id NOT IN (SELECT value FROM json_each(?))",
                        (now, channel, ours),
                    )
            db.execute(
                "UPDATE activation SET next_attempt = 0"
                " WHERE state = 'pending' AND next_attempt IS NULL"
            )

    def _waiting(self) -> list[tuple[str, str]]:
        """Return the channels and triggers of which something waits."""
        return [
            (channel, trigger)
            for (channel,) in self._db.execute(_CHANNELS).fetchall()
            for (trigger,) in self._db.execute(_TRIGGERS, (channel,)).fetchall()
        ]

    def _earliest(self, after: int = -1) -> float:
        """Return when the next one is due; what is due by now is in hand already."""
        (first,) = self._db.execute(
            "SELECT min(next_attempt) FROM activation WHERE state = 'pending' AND next_attempt > ?",
            (after,),
        ).fetchone()
        return float("inf") if first is None else float(first)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._usable(), self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SlotUnusableError(f"{self.path.name} cannot be used: {error}") from error


def final(outcome: Delivered | Refused | Unknown | Expired) -> tuple[str, str]:
    """Return the final state and the detail that an outcome leaves.

    >>> final(Refused(reason="consent", whose="person")), final(Refused(reason="http 404"))
    (('refused', 'consent'), ('dead', 'http 404'))
    """
    match outcome:
        case Delivered(provider_id=detail):
            return "delivered", detail
        case Refused(reason=detail, whose=whose):
            return OF_REFUSED[whose], detail
        case Unknown(reason=detail):
            return "unknown", detail
        case Expired(reason=detail):
            return "expired", detail


def lost(path: Path) -> str:
    """Say that a slot has lost its file, or what was in it."""
    how = "is empty" if path.exists() else "is missing"
    return f"{path.name} {how}, so nobody knows what was sent from it"


def counted(db: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Count an open ledger by (channel, state)."""
    rows = db.execute("SELECT channel, state, count(*) FROM activation GROUP BY channel, state")
    return {(channel, state): n for channel, state, n in rows}


def fsync_folder(folder: Path) -> None:
    """Make a new file's name durable; the file's own fsync does not."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
