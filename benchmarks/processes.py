"""What the kernel says about processes: CPU seconds and memory, on Linux."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return how much CPU a process has used, in user and kernel mode, all its threads.

    >>> cpu_seconds(os.getpid()) > 0
    True
    """
    # The name, in brackets, may hold blanks and brackets; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_bytes(pid: int) -> tuple[int, str]:
    """Return a process's share of memory, and how it was counted.

    "pss" counts a page that n processes share as 1/n for each; "rss", where the kernel does not
    say, counts it whole for each, so that a sum is too large.

    >>> memory_bytes(os.getpid())[0] > 1_000_000
    True
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        status = Path(f"/proc/{pid}/status").read_text()
        return _kilobytes(status, "VmRSS:") * 1024, "rss"
    return _kilobytes(rollup, "Pss:") * 1024, "pss"


def _kilobytes(text: str, name: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith(name))
    return int(line.split()[1])
