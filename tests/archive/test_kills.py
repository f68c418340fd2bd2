"""kill -9 in the middle of a restore, and in the middle of a checkpoint."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.processes import descendants
from events.archive.folder import Archive
from flows.open import open_log, open_whole
from flows.restored import restored
from kairos.checkpoints.make import make
from kairos.settings import Log, Settings, Upkeep
from profile_state.checkpoints.folder import Checkpoints
from profile_state.copies.disk import Disk
from profile_state.stores.redis import RedisStore
from tests.archive.rig import Ledger, ledger
from tests.e2e.stacks import eventually, part

PEOPLE = 30_000  # who take long enough to be met in the middle


@pytest.fixture
def large() -> Iterator[Ledger]:
    """A ledger of people whom nobody reads."""
    with ledger() as found:
        pipe = found.client.pipeline(transaction=False)
        for n in range(PEOPLE):
            pipe.set(f"person:{{p0}}:p_{n}", os.urandom(700))
        pipe.execute()
        yield found


def installation(folder: Path, valkey: Path, found: Ledger) -> Settings:
    return Settings(
        log=Log(f"valkey://{valkey}?name=kills"),
        ledger=found.url,
        archive=folder / "archive",
        archive_s=0,
        copies=folder / "copies",
        status=folder / "status",
        upkeep=Upkeep(checkpoint_s=1, retain_ms=1),
    )


def begun(settings: Settings, found: Ledger) -> int:
    """Append an entry, and say that the ledger has it."""
    assert settings.status is not None
    settings.status.mkdir(parents=True, exist_ok=True)
    (settings.copies / "p0").mkdir(parents=True, exist_ok=True)
    with closing(open_log(settings.log)) as log:
        entry = log.append(0, b"\x01\x90")  # no records
    found.client.hset("mark:{p0}", mapping={"entry": entry, "nth": 0, "files": b"\x80"})
    found.client.hset("mark:{p0}", mapping={"first": -1, "last": -1})
    return entry


def killed(process: subprocess.Popen[bytes], when: Callable[[], bool]) -> None:
    try:
        assert eventually(when, pause_s=0.001)
    finally:
        process.kill()
        process.wait()


def test_a_restore_that_was_killed_is_recognised_and_done_again(
    tmp_path: Path, valkey: Path, large: Ledger
) -> None:
    settings = installation(tmp_path, valkey, large)
    entry = begun(settings, large)
    large.client.set("epoch:{p0}", 7)
    assert make(settings, 1).head.entry == entry
    _, people, mark = large.everything()
    large.client.flushall()
    large.client.set("epoch:{p0}", 7)
    store = RedisStore(settings.ledger)
    first = part("live", settings, tmp_path / "live.log")
    killed(first, lambda: int(large.client.dbsize()) > 1_000)
    assert not store.begun()
    assert 1_000 < int(large.client.dbsize()) < PEOPLE
    large.client.set("person:{p0}:left", b"of a restore from another checkpoint")
    disk, log = Disk(settings.copies / "p0"), open_whole(settings)
    done = restored(log, store, disk, Checkpoints(Archive(tmp_path / "archive", 0).folder))
    assert done is not None
    assert store.begun()
    _, after, again = large.everything()
    assert (after, again) == (people, mark)
    assert int(large.client.get("epoch:{p0}") or 0) > 8, "epochs never go back"
    for one in (disk, log, store):
        one.close()


def test_archiving_goes_on_beside_checkpoints_of_which_a_killed_one_leaves_nothing(
    tmp_path: Path, valkey: Path, large: Ledger
) -> None:
    settings = installation(tmp_path, valkey, large)
    begun(settings, large)
    archive = Archive(tmp_path / "archive", 0)
    kept = Checkpoints(archive.folder)
    process = part("archive", settings, tmp_path / "archive.log")
    with closing(open_log(settings.log)) as log:
        killing: list[int] = []

        def stopped() -> bool:
            """Hold the one who makes it, in the middle of it."""
            if not (kept.folder / "making").exists():
                return False
            killing.extend(descendants(process.pid))
            for pid in killing:
                os.kill(pid, signal.SIGSTOP)
            return True

        assert eventually(stopped, pause_s=0.001), (tmp_path / "archive.log").read_text()
        assert archived(archive, log.append(0, b"\x01\x90")), "it goes on meanwhile"
        process.kill()
        process.wait()
        for pid in killing:
            os.kill(pid, signal.SIGCONT)
        assert eventually(lambda: free(kept.folder / "making.lock")), "they end with it"
        assert kept.all() == []
        begun(settings, large)
    process = part("archive", settings, tmp_path / "archive.log")
    try:
        assert eventually(lambda: kept.newest is not None)
        assert eventually(lambda: not (kept.folder / "making").exists())
        assert [kept.problem(one) for one in kept.all()] == [""]
        for _ in range(3):  # segments beyond it; what it stands for goes
            assert archived(archive, begun(settings, large))
        assert eventually(lambda: archive.start > -1)
        assert archive.start <= kept.all()[-1].entry
        assert archive.problems() == []
    finally:
        process.terminate()
        assert process.wait() == 0


def archived(archive: Archive, entry: int) -> bool:
    return eventually(lambda: archive.last == entry)


def free(path: Path) -> bool:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
