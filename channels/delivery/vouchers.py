"""Voucher pools: single-use codes, each given to one message for good.

One SQLite file, shared by all workers of a machine and by `kairos vouchers`. A code is given when
its message is about to leave, on disk before anybody sees it; the same message is given the same
one again, whatever has happened since. Rows of given codes stay, so that a code that is added once
more is known. A code is known in all pools, or one file that is added to two would be given twice.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from channels.delivery.slot import fsync_folder
from triggers.vouchers import EXAMPLE

FILE = "vouchers.db"  # in the folder of the delivery ledgers
VERSION = 1
DAY = 86_400_000  # ms

_SCHEMA = """
CREATE TABLE code (
    nth INTEGER PRIMARY KEY,  -- the order in which they are given
    pool TEXT NOT NULL,
    code TEXT NOT NULL UNIQUE,
    activation TEXT,  -- whose it is; NULL while it is nobody's
    at INTEGER  -- ms; since when
);
CREATE UNIQUE INDEX given ON code (activation, pool) WHERE activation IS NOT NULL;
CREATE INDEX unused ON code (pool) WHERE activation IS NULL;
"""
_NEXT = "SELECT nth, code FROM code WHERE pool = ? AND activation IS NULL ORDER BY nth LIMIT 1"
_STOCKS = """
SELECT pool, sum(activation IS NULL), count(activation), count(iif(at > ?, 1, NULL))
FROM code GROUP BY pool ORDER BY pool
"""


class VouchersUnusableError(RuntimeError):
    """The file cannot be used; a message that needs a code waits."""


class Wanted(NamedTuple):
    """A message's wish for a code."""

    pool: str
    activation: str


class Added(NamedTuple):
    """What came of adding codes."""

    added: int
    known: int  # in this pool already, given or not
    elsewhere: int  # in another one


class Stock(NamedTuple):
    """How a pool stands."""

    pool: str
    left: int
    used: int
    last_day: int  # of those used


Take = Callable[[Sequence[Wanted], int], dict[Wanted, str]]  # wishes, now in ms


def none_left(_wanted: Sequence[Wanted], _now: int) -> dict[Wanted, str]:
    """Give no codes."""
    return {}


def examples(wanted: Sequence[Wanted], _now: int) -> dict[Wanted, str]:
    """Give examples, such as to a replay of the past, whose messages are nobody's."""
    return dict.fromkeys(wanted, EXAMPLE)


class Vouchers:
    """The pools of a folder. Methods block, and may be called from any thread.

    Without a file every pool is empty; the first codes make it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"Vouchers({str(self._path.parent)!r})"

    def take(self, wanted: Sequence[Wanted], now: int) -> dict[Wanted, str]:
        """Give each the code that it has been given before, else the oldest unused one.

        Who is missing in the answer has none, since the pool is empty.

        Raises:
            VouchersUnusableError: nobody is given any.
        """
        if not self._path.exists():
            return {}
        with self._transaction() as db:
            found = {one: _given(db, one, now) for one in wanted}
        return {one: code for one, code in found.items() if code is not None}

    def add(self, pool: str, codes: Sequence[str]) -> Added:
        """Add codes that differ from one another; those that are known stay as they are.

        Raises:
            VouchersUnusableError: none is added.
        """
        asked = json.dumps(codes)
        with self._transaction(make=True) as db:
            (known, elsewhere) = db.execute(
                "SELECT count(*), count(iif(pool <> ?, 1, NULL)) FROM code"
                " WHERE code IN (SELECT value FROM json_each(?))",
                (pool, asked),
            ).fetchone()
            added = db.execute(
                "INSERT INTO code (pool, code) SELECT ?, value FROM json_each(?) ORDER BY key"
                " ON CONFLICT DO NOTHING",
                (pool, asked),
            ).rowcount
        return Added(added, known - elsewhere, elsewhere)

    def drop(self, pool: str) -> int:
        """Let go of a pool's unused codes, and return how many."""
        if not self._path.exists():
            return 0
        with self._transaction() as db:
            return db.execute(
                "DELETE FROM code WHERE pool = ? AND activation IS NULL", (pool,)
            ).rowcount

    def stocks(self, now: int) -> list[Stock]:
        """Return how each pool stands."""
        if not self._path.exists():
            return []
        with self._usable() as db:
            return [Stock._make(row) for row in db.execute(_STOCKS, (now - DAY,))]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed()

    @contextmanager
    def _transaction(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        with self._usable(make=make) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _usable(self, *, make: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file where it is not; after an error it is opened anew, it may be mended then."""
        with self._lock:
            try:
                if make and not self._path.exists():
                    _make(self._path)
                self._db = self._db or _opened(self._path)
                yield self._db
            except (sqlite3.Error, OSError) as error:
                self._closed()
                raise VouchersUnusableError(f"{FILE} cannot be used: {error}") from error

    def _closed(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _given(db: sqlite3.Connection, one: Wanted, now: int) -> str | None:
    query = "SELECT code FROM code WHERE activation = ? AND pool = ?"
    given = db.execute(query, (one.activation, one.pool)).fetchone()
    if given is not None:
        return str(given[0])
    unused = db.execute(_NEXT, (one.pool,)).fetchone()
    if unused is None:
        return None
    nth, code = unused
    db.execute("UPDATE code SET activation = ?, at = ? WHERE nth = ?", (one.activation, now, nth))
    return str(code)


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA busy_timeout = 5000")  # others of this machine write it too
    db.execute("PRAGMA synchronous = FULL")  # every commit is fsynced
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:  # a new one comes into the folder whole
        raise sqlite3.DatabaseError("it is empty, so nobody knows which codes were given")
    if version != VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}, this release knows {VERSION}")


def _make(path: Path) -> None:
    """Put a new file into its folder, whole; where two do so at once, one of them has its way."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=path.parent) as aside:
        new = Path(aside) / FILE
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        with suppress(FileExistsError):
            os.link(new, path)
    fsync_folder(path.parent)
