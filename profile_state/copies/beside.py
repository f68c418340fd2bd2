"""Read files of first copies while the engine writes into them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from profile_state.copies.base import Row

PAGE = 20_000  # rows in one read


def count(path: Path) -> int:
    """Return how many rows a file has. Rows only come, so the same number means the same rows.

    A file that the engine is just making has none yet.

    Raises:
        sqlite3.Error: it is not there, or broken.
    """
    with closing(_opened(path)) as db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'copies'").fetchone() is None:
            return 0
        return int(db.execute("SELECT count(*) FROM copies").fetchone()[0])


def pages(path: Path) -> Iterator[list[Row]]:
    """Yield the rows of a file: all that were in it at the beginning, and perhaps some that came.

    A page is a read of its own. One long one would keep the engine from syncing its file.

    Raises:
        sqlite3.Error: it is not there, or broken.
    """
    with closing(_opened(path)) as db:
        after = b""
        while rows := db.execute(
            "SELECT key, digest, entry, nth FROM copies WHERE key > ? ORDER BY key LIMIT ?",
            (after, PAGE),
        ).fetchall():
            yield rows
            after = rows[-1][0]


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
