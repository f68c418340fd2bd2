"""What went on beside a run: whose the cores were, and how the engine kept up."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.beside import Look, beside
from benchmarks.processes import MachineCpu, cpu_seconds, descendants, machine_cpu, name_of

NONE = MachineCpu(0, 0)


def look(
    at: float,
    live: float = 0,
    machine: MachineCpu = NONE,
    *,
    pending: int = 0,
    stored: float = 0,
    newest: float = 0,
    fullness: float = 0,
) -> Look:
    return Look(at, {"live": live, "bench": 0.0}, machine, pending, stored, newest, fullness)


def test_cpu_is_seconds_a_second_and_others_are_what_is_left() -> None:
    looks = [look(100, 5, MachineCpu(50, 2)), look(110, 12, MachineCpu(60, 4))]
    found = beside(looks, 100, 110)
    assert found.cpu == {"live": 0.7, "bench": 0}
    assert found.other == pytest.approx(0.3)
    assert found.stolen == 0.2


def test_ticks_that_round_up_are_no_negative_neighbour() -> None:
    looks = [look(0), look(1, 0.51, MachineCpu(0.5, 0))]
    assert beside(looks, 0, 1).other == 0


def test_what_was_before_and_after_the_run_does_not_count() -> None:
    looks = [
        look(0, 0, pending=900, fullness=0.9),
        look(10, 1),
        look(20, 6, pending=7, fullness=0.2),
        look(30, 6),
        look(40, 26, pending=900, fullness=0.9),
    ]
    found = beside(looks, 10.5, 29)
    assert found.cpu["live"] == 5 / 20
    assert (found.pending_max, found.fullness_max) == (7, 0.2)


def test_the_offset_is_behind_the_newest_entry_but_never_behind_the_beginning() -> None:
    idle_before = look(100, stored=40, newest=40)
    soon = look(101, stored=40, newest=101)  # nothing came between 40 and 100
    later = look(109, stored=103, newest=109)
    assert beside([idle_before, soon], 100, 101).lag_max_s == 1
    assert beside([idle_before, soon, later], 100, 109).lag_max_s == 6
    assert beside([idle_before, look(101, stored=40, newest=40)], 100, 101).lag_max_s == 0


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    program = "import sys; print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program, "run", "live"]
    process = subprocess.Popen(words, stdin=-1, stdout=-1)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it is itself now; for a moment a new one has no name
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_child_is_found_and_named(sleeper: subprocess.Popen[bytes]) -> None:
    assert sleeper.pid in descendants(os.getpid())
    assert name_of(sleeper.pid) == "live"


def test_who_has_ended_has_no_name(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it stays there until it is asked
    with pytest.raises(ProcessLookupError, match=str(sleeper.pid)):
        name_of(sleeper.pid)
    assert cpu_seconds(sleeper.pid) >= 0


def test_what_a_process_uses_the_machine_uses_too() -> None:
    before = machine_cpu()
    mine = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) - mine < 0.2:
        pass
    assert machine_cpu().used - before.used > 0.1
