"""First copies, read beside the engine that writes them."""

import sqlite3
from contextlib import closing
from pathlib import Path

from events.record import Offset
from profile_state.copies import beside
from profile_state.copies.base import Seen
from profile_state.copies.disk import Disk


def test_all_that_is_there_is_read_while_more_comes(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    first = [
        Seen(Offset(n, 0), n.to_bytes(16, "big"), b"d" * 8, time=5) for n in range(0, 90_000, 2)
    ]
    disk.add(first)
    (path,) = tmp_path.glob("*.sqlite")
    assert beside.count(path) == len(first)
    pages = beside.pages(path)
    found = next(pages)
    disk.add([Seen(Offset(n, 0), n.to_bytes(16, "big"), b"d" * 8, time=5) for n in range(1, 90, 2)])
    assert disk.sync(), "a reader keeps nobody from syncing between two pages"
    for page in pages:
        found += page
    assert {row[2] for row in found} >= {copy.offset.entry for copy in first}
    disk.close()


def test_a_file_that_is_just_being_made_has_nothing(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "day-1.sqlite")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        assert beside.count(tmp_path / "day-1.sqlite") == 0
    (tmp_path / "day-2.sqlite").touch()
    assert beside.count(tmp_path / "day-2.sqlite") == 0
