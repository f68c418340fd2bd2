"""First copies that left memory, on disk: exact, a file for each day of the log and each import.

A day's file goes when none of its events could count any more; an import's stays. What is found
carries its offset, so reading the log again after a crash finds the same answers.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from events.record import Offset
from profile_state.copies.base import DAY_MS, KEPT_MS, Seen, packed
from profile_state.copies.filter import Filter, halves

SUFFIX = ".sqlite"
_ROOM = 1 << 18  # keys of a filter; a file has as many filters as it needs
_ASKED = 500  # keys in one question
_SCHEMA = """
CREATE TABLE IF NOT EXISTS copies (
    key BLOB PRIMARY KEY, digest BLOB NOT NULL, entry INTEGER NOT NULL, nth INTEGER NOT NULL
) WITHOUT ROWID
"""


class CopiesUnusableError(Exception):
    """A file of first copies cannot be read or written; without it copies would count again."""


class _File:
    """One file, and what is surely not in it."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
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
        rows = sorted((c.key, c.digest, c.offset.entry, c.offset.nth) for c in copies)
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO copies VALUES (?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")
        self._know([row[0] for row in rows])

    def find(self, keys: Sequence[bytes]) -> dict[bytes, int]:
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

    def sync(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()


class Disk:
    """The files of one partition, in a folder of its own.

    >>> from tempfile import TemporaryDirectory
    >>> from events.record import Offset
    >>> folder = TemporaryDirectory()
    >>> disk = Disk(Path(folder.name))
    >>> disk.add([Seen(Offset(7, 3), b"k" * 16, b"d" * 8, time=5)])
    >>> disk.find([b"k" * 16, b"x" * 16]) == {b"k" * 16: packed(Offset(7, 3), b"d" * 8)}
    True
    >>> disk.expire(5 + 40 * DAY_MS), disk.find([b"k" * 16])
    (None, {})
    >>> disk.close(); folder.cleanup()
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(folder.glob(f"*{SUFFIX}"))
            self._files = {path.stem: _File(path) for path in paths}
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> CopiesUnusableError:
        return CopiesUnusableError(
            f"{self._folder}: the first copies of events cannot be read or written ({error}); "
            "make the disk usable, or restore the folder from a backup"
        )

    def __bool__(self) -> bool:
        """Whether anything may be known."""
        return bool(self._files)

    def add(self, copies: Iterable[Seen]) -> None:
        """Keep first copies. Where one is known already, the older one stays.

        Raises:
            CopiesUnusableError: the disk is full or broken.
        """
        parts: dict[str, list[Seen]] = {}
        for copy in copies:
            parts.setdefault(_name(copy), []).append(copy)
        try:
            for name, part in parts.items():
                if name not in self._files:
                    self._files[name] = _File(self._folder / f"{name}{SUFFIX}")
                self._files[name].add(part)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def find(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Return what is known of these keys, as `packed` writes it.

        Raises:
            CopiesUnusableError: the disk is broken.
        """
        asked = list(keys)
        found: dict[bytes, int] = {}
        if not asked:
            return found
        try:
            for file in self._files.values():
                for key, first in file.find(asked).items():
                    found[key] = min(first, found.get(key, first))
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return found

    def sync(self) -> None:
        """Bring everything that was added onto the disk itself.

        Raises:
            CopiesUnusableError: the disk is full or broken.
        """
        try:
            for file in self._files.values():
                file.sync()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def expire(self, now: int) -> None:
        """Let go of the days whose events count no more.

        Args:
            now: ms, the log's clock.
        """
        for name in [n for n in self._files if n.startswith("day-")]:
            if (int(name[4:]) + 1) * DAY_MS + KEPT_MS < now:
                self._files.pop(name).close()
                for path in self._folder.glob(f"{name}{SUFFIX}*"):
                    path.unlink()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}


def _name(copy: Seen) -> str:
    if copy.import_id:
        return f"import-{blake2b(copy.import_id.encode(), digest_size=8).hexdigest()}"
    return f"day-{copy.time // DAY_MS}"
