"""What does the whole embedded stack cost while nothing happens?

CPU of all its processes together, in percent of one core, and their memory. The stack has the
load's workspace and nobody in it; the process that measures is not counted.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.base import Options
from benchmarks.bed import write_workspace
from benchmarks.processes import cpu_seconds, memory_bytes
from kairos.embedded.stack import Stack

SETTLE_S = 1.0  # after the start, which is not idleness


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


def measure(seconds: float) -> Idle:
    """Run once.

    Raises:
        StackError: the stack does not start.
    """
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        workspace = write_workspace(Path(folder) / "workspace")
        with Stack(Path(folder) / "data", workspace) as stack:
            time.sleep(SETTLE_S)
            pids = {name: child.process.pid for name, child in stack.children.items()}
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
            began = time.monotonic()
            time.sleep(seconds)
            took = time.monotonic() - began
            cpu = {n: (cpu_seconds(p) - before[n]) / took * 100 for n, p in pids.items()}
            counted = {name: memory_bytes(pid) for name, pid in pids.items()}
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
