"""The supervisor dies: its children end by themselves, and nobody may use their files meanwhile."""

import fcntl
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.torture import workspace
from benchmarks.torture.stand import PARTS, SUPERVISOR, Stand, ended
from kairos.embedded import running
from kairos.settings import Settings
from tests.shared import LONG


def log_servers(data: Path) -> list[int]:
    """Whoever has a Valkey on the log's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if (folder / "cwd").readlink() == data / "log":
                found.append(int(folder.name))
    return found


@LONG
def test_r7_a_stack_waits_until_the_children_of_one_that_was_killed_have_ended(
    tmp_path: Path,
) -> None:
    with Stand(tmp_path, workspace.write(tmp_path / "shop"), {}, rigged=False) as stand:
        pids = {part: stand.serving(part) for part in PARTS}
        slow = pids["log"]
        os.kill(slow, signal.SIGSTOP)  # as a disk that hangs does it
        try:
            stand.kill((SUPERVISOR,))
            stand.begin()
            stand.wait(
                lambda: all(ended(pid) for part, pid in pids.items() if part != "log"),
                "what the supervisor had started ends with it",
            )
            time.sleep(1)
            assert log_servers(stand.data) == [slow], "two servers on one folder lose events"
            assert running.find(stand.data) is None, "the note of the dead stack leads nowhere"
        finally:
            os.kill(slow, signal.SIGCONT)
        stand.wait(stand.noted, "the next stack serves")
        assert log_servers(stand.data) == [stand.serving("log")]
        assert stand.serving("log") != slow


def test_a_note_holds_as_long_as_the_stack_that_wrote_it(tmp_path: Path) -> None:
    assert running.find(tmp_path) is None
    with running.note(tmp_path, Settings()):
        assert running.find(tmp_path) == Settings()
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a stack that only starts
        assert running.find(tmp_path) is None


def test_a_note_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    done = threading.Event()

    def note() -> None:
        while not done.is_set():
            running.note(tmp_path, Settings()).close()

    noting = threading.Thread(target=note)
    noting.start()
    try:
        found = [running.find(tmp_path) for _ in range(5000)]
    finally:
        done.set()
        noting.join()
    assert [one for one in found if one not in (None, Settings())] == []
    assert Settings() in found
