"""The rig that stands in for a power cut, on programs of a few lines: it must bite, and no more."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.torture.rig import Rig, missing
from events.sources.valkey import ValkeyLog
from kairos.embedded import servers
from tests.shared import lacking


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    if why := missing():
        lacking(why)
    (tmp_path / "data").mkdir()
    return Rig(tmp_path / "data", tmp_path / "journal")


def run(rig: Rig, data: Path, program: str) -> None:
    """Run a program that knows `data`; it ends as a killed one would, nothing is flushed."""
    text = f"import os, sqlite3\nfrom pathlib import Path\ndata = Path({str(data)!r})\n{program}"
    text += "\nos._exit(0)\n"
    subprocess.run([sys.executable, "-c", text], env={**os.environ, **rig.env}, check=True)


WRITE = """
handle = os.open(data / "it", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(handle, b"kept."); os.fsync(handle); os.write(handle, b"lost")
"""


def test_what_was_not_fsynced_is_gone(rig: Rig, tmp_path: Path) -> None:
    run(rig, tmp_path / "data", WRITE)
    assert (tmp_path / "data" / "it").read_bytes() == b"kept.lost"
    assert rig.cut().writes == 1
    assert (tmp_path / "data" / "it").read_bytes() == b"kept."
    assert rig.cut().writes == 0  # a second cut finds nothing to take


def test_what_was_written_over_comes_back(rig: Rig, tmp_path: Path) -> None:
    program = """
handle = os.open(data / "it", os.O_RDWR | os.O_CREAT)
os.write(handle, b"0123456789"); os.fsync(handle)
os.pwrite(handle, b"xx", 3); os.ftruncate(handle, 4); os.pwrite(handle, b"tail", 8)
"""
    run(rig, tmp_path / "data", program)
    rig.cut()
    assert (tmp_path / "data" / "it").read_bytes() == b"0123456789"


def test_a_process_that_is_started_again_makes_nothing_durable_but_what_it_fsyncs(
    rig: Rig, tmp_path: Path
) -> None:
    run(rig, tmp_path / "data", WRITE)
    run(rig, tmp_path / "data", "os.write(os.open(data / 'it', os.O_WRONLY | os.O_APPEND), b'!')")
    assert rig.cut().writes == 2
    run(rig, tmp_path / "data", "os.fsync(os.open(data / 'it', os.O_WRONLY))")
    assert (tmp_path / "data" / "it").read_bytes() == b"kept."


def test_a_file_that_was_never_fsynced_is_gone(rig: Rig, tmp_path: Path) -> None:
    run(rig, tmp_path / "data", "(data / 'it').write_text('x')")
    rig.cut()
    assert not (tmp_path / "data" / "it").exists()


MOVE = """
for name in ("old", "new"):
    handle = os.open(data / name, os.O_RDWR | os.O_CREAT)
    os.write(handle, name.encode()); os.fsync(handle)
(data / "new").rename(data / "old")
"""


def test_a_file_that_was_replaced_is_back_unless_its_folder_was_fsynced(
    rig: Rig, tmp_path: Path
) -> None:
    old, new = tmp_path / "data" / "old", tmp_path / "data" / "new"
    run(rig, tmp_path / "data", MOVE)
    assert rig.cut().names == 1
    assert (old.read_text(), new.read_text()) == ("old", "new")
    run(rig, tmp_path / "data", MOVE + "os.fsync(os.open(data, os.O_RDONLY))")
    assert rig.cut().names == 0
    assert old.read_text() == "new"
    run(rig, tmp_path / "data", "(data / 'old').unlink()")
    rig.cut()
    assert old.read_text() == "new"


def test_a_disk_may_have_taken_the_first_of_what_it_was_not_made_to_take(
    rig: Rig, tmp_path: Path
) -> None:
    ends = set()
    for seed in range(12):
        (tmp_path / "data" / "it").unlink(missing_ok=True)
        run(rig, tmp_path / "data", WRITE + "os.write(handle, b', and more')")
        rig.cut(chance=random.Random(seed))
        left = (tmp_path / "data" / "it").read_bytes()
        assert b"kept.lost, and more".startswith(left)
        assert left.startswith(b"kept.")
        ends.add(len(left))
    assert len(ends) > 3


@pytest.mark.parametrize(("synchronous", "survives"), [("FULL", True), ("OFF", False)])
def test_a_commit_of_sqlite_survives_where_it_is_fsynced(
    synchronous: str, survives: bool, rig: Rig, tmp_path: Path
) -> None:
    program = f"""
db = sqlite3.connect(data / "it.db", isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE t (n)")
db.execute("PRAGMA synchronous = {synchronous}")
for n in range(500):
    db.execute("INSERT INTO t VALUES (?)", (n,))
"""  # noqa: S608 - both words are ours
    run(rig, tmp_path / "data", program)
    rig.cut(chance=random.Random(1) if survives else None)
    with closing(sqlite3.connect(tmp_path / "data" / "it.db")) as db:
        (found,) = db.execute("SELECT count(*) FROM t").fetchone()
    assert found == 500 if survives else found < 500


@pytest.mark.parametrize(("appendfsync", "survives"), [("always", True), ("everysec", False)])
def test_r1_what_a_log_acknowledged_is_there_after_a_power_cut_only_where_it_fsyncs_always(
    appendfsync: str,
    survives: bool,
    rig: Rig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {**servers.LOG, "appendfsync": appendfsync}
    data, socket = tmp_path / "data" / "log", Path(tempfile.mkdtemp()) / "log.sock"
    for name, value in rig.env.items():
        monkeypatch.setenv(name, value)
    with serving(options, data, socket) as log:
        log.append(0, b"before")
        time.sleep(1.2)  # by then `everysec` has fsynced this one
        for n in range(500):
            log.append(0, b"%d" % n)
    rig.cut()
    with serving(options, data, socket) as log:
        kept = [entry.payload for entry in log.read(0, -1, 5000, 0)]
    shutil.rmtree(socket.parent)
    assert kept[0] == b"before"
    assert len(kept) == 501 if survives else len(kept) < 501


@contextmanager
def serving(options: Mapping[str, str], data: Path, socket: Path) -> Iterator[ValkeyLog]:
    """A Valkey that is killed in the end."""
    process = servers.start(options, data, socket)
    try:
        servers.wait_for("log", process, socket, data)
        log = ValkeyLog(f"valkey://{socket}?name=log")
        yield log
        log.close()
    finally:
        process.kill()
        process.wait()
