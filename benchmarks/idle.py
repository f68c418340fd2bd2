"""What does the whole embedded stack cost while nothing happens?

CPU of all its processes together, in percent of one core, and their memory: `kairos up` itself,
the parts and the Valkeys that it starts, with the load's workspace and nobody in it. The process
that measures is not counted.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.base import Options
from benchmarks.bed import LOOK_S, BenchError, write_workspace
from benchmarks.processes import GONE, cpu_seconds, descendants, memory_bytes, name_of
from kairos.embedded import running
from kairos.embedded.children import end, spawn

SETTLE_S = 1.0  # after the start, which is not idleness
START_S = 120.0  # until it serves
STOP_S = 60.0  # until it has stopped everything
SUPERVISOR = "up"


class Idle(msgspec.Struct, frozen=True):
    """What one run came to."""

    cpu_percent: float  # of one core
    rss_mb: float  # 10^6 bytes
    memory: str  # how it was counted: "pss" counts shared pages once, "rss" once for each process
    processes: int
    seconds: float
    cpu_percent_of: dict[str, float]  # process -> its part
    rss_mb_of: dict[str, float]


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(measure(options.seconds))
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to.

    >>> found = {"cpu_percent": 1.84, "rss_mb": 285.1, "memory": "pss", "processes": 6}
    >>> told({**found, "seconds": 60.0})
    '1.84 % of one core and 285.1 MB (pss) for 6 processes over 60 s'
    """
    return (
        f"{found['cpu_percent']:.2f} % of one core and {found['rss_mb']:.1f} MB "
        f"({found['memory']}) for {found['processes']} processes over {found['seconds']:.0f} s"
    )


def measure(seconds: float) -> Idle:
    """Run once.

    Raises:
        BenchError: the stack does not start, or a process of it ended.
    """
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        data = Path(folder) / "data"
        workspace = write_workspace(Path(folder) / "workspace")
        said = Path(folder) / "up.log"
        # Settings of an installation, such as channels, are not those of this stack.
        env = {name: value for name, value in os.environ.items() if not name.startswith("KAIROS_")}
        command = [sys.executable, "-m", "kairos", "up", "--port", "0"]
        command += ["--data", str(data), "--workspace", str(workspace)]
        with said.open("wb") as output:
            supervisor = spawn(command, output=output, env=env)
        try:
            until = time.monotonic() + START_S
            while not (data / running.NOTE).exists():
                if supervisor.poll() is not None or time.monotonic() > until:
                    raise BenchError(f"`kairos up` does not serve: {said.read_text().strip()}")
                time.sleep(LOOK_S)
            time.sleep(SETTLE_S)
            return _measured(supervisor.pid, seconds)
        finally:
            end(supervisor, STOP_S)


def _measured(supervisor: int, seconds: float) -> Idle:
    pids = _processes(supervisor)
    try:
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        began = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu = {n: (cpu_seconds(p) - before[n]) / took * 100 for n, p in pids.items()}
        counted = {name: memory_bytes(pid) for name, pid in pids.items()}
        after = _processes(supervisor)
    except GONE as error:
        raise BenchError(f"a process of the stack ended while it was idle: {error}") from error
    if after != pids:
        raise BenchError(f"processes ended or began while it was idle: {pids}, then {after}")
    memory = {name: size / 1e6 for name, (size, _) in counted.items()}
    return Idle(
        cpu_percent=sum(cpu.values()),
        rss_mb=sum(memory.values()),
        memory="/".join(sorted({how for _, how in counted.values()})),
        processes=len(pids),
        seconds=took,
        cpu_percent_of={name: round(part, 2) for name, part in cpu.items()},
        rss_mb_of={name: round(part, 1) for name, part in memory.items()},
    )


def _processes(supervisor: int) -> dict[str, int]:
    """Return the pids of `kairos up` and of everything below it, by name."""
    below = descendants(supervisor)
    names = [name_of(pid) for pid in below]
    of = zip(names, below, strict=True)
    named = {f"{name}-{pid}" if names.count(name) > 1 else name: pid for name, pid in of}
    return {SUPERVISOR: supervisor, **named}
