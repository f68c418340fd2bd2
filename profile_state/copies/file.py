"""One file of first copies, and the filter that says what is surely not in it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from events.record import Offset
from profile_state.copies.base import Row, Seen, packed
from profile_state.copies.filter import Filter, halves

_ROOM = 1 << 18  # keys of a filter; a file has as many filters as it needs
_ASKED = 500  # keys in one question
_SCHEMA = """
CREATE TABLE IF NOT EXISTS copies (
    key BLOB PRIMARY KEY, digest BLOB NOT NULL, entry INTEGER NOT NULL, nth INTEGER NOT NULL
) WITHOUT ROWID
"""


class File:
    """A table of first copies by key; keeps the older of two under one key."""

    def __init__(self, path: Path) -> None:
        # Who waits for a lock holds up everybody; who has it may be a stopped process.
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        # A commit survives a crash of the process at once; one of the machine from `sync` on.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(_SCHEMA)
        self._filters = [Filter(_ROOM)]
        keys = [key for (key,) in self._db.execute("SELECT key FROM copies")]
        for start in range(0, len(keys), _ROOM):
            self._know(keys[start : start + _ROOM])

    def _know(self, keys: Sequence[bytes]) -> None:
        if self._filters[-1].held + len(keys) > _ROOM:
            self._filters.append(Filter(_ROOM))
        self._filters[-1].add(halves(keys))

    def add(self, copies: Sequence[Seen]) -> None:
        """Keep copies, in one transaction.

        Raises:
            sqlite3.OperationalError: SQLITE_BUSY where another process writes; nothing is kept.
        """
        self.refill(sorted((c.key, c.digest, c.offset.entry, c.offset.nth) for c in copies))

    def refill(self, rows: Sequence[Row]) -> None:
        """Keep rows of a file as this one, in one transaction.

        Raises:
            sqlite3.OperationalError: as for `add`.
        """
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT OR IGNORE INTO copies VALUES (?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")
        self._know([row[0] for row in rows])

    def find(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return what is known of keys, as `packed` writes it."""
        asked = halves(keys)
        perhaps = np.zeros(len(keys), dtype=np.bool_)
        for known in self._filters:
            perhaps |= known.perhaps(asked)
        ahead = [keys[nth] for nth in np.flatnonzero(perhaps).tolist()]
        found: dict[bytes, int] = {}
        for start in range(0, len(ahead), _ASKED):
            part = ahead[start : start + _ASKED]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, digest, entry, nth FROM copies WHERE key IN ({marks})"  # noqa: S608 - marks alone
            for key, digest, entry, nth in self._db.execute(query, part):
                found[key] = packed(Offset(entry, nth), digest)
        return found

    def sync(self) -> bool:
        """Bring everything onto the disk itself; say whether that was possible now."""
        busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Close it."""
        self._db.close()
