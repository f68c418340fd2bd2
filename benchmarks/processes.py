"""What the kernel says about processes: CPU seconds and memory, on Linux."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)  # what a look at a process that has ended raises


class MachineCpu(NamedTuple):
    """CPU seconds of the whole machine since it was started, all its cores."""

    used: float  # in user and kernel mode and in interrupts
    stolen: float  # by the hypervisor, for other machines


def machine_cpu() -> MachineCpu:
    """Return what the machine has used.

    Interrupts are among it, because many kernels charge them to the process that they interrupt.

    >>> machine_cpu().used > 0
    True
    """
    line = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _waiting, hard, soft, stolen = map(int, line.split()[1:9])
    return MachineCpu((user + nice + system + hard + soft) / _TICKS, stolen / _TICKS)


def cpu_seconds(pid: int) -> float:
    """Return how much CPU a process has used, in user and kernel mode, all its threads.

    >>> cpu_seconds(os.getpid()) > 0
    True
    """
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def descendants(pid: int) -> list[int]:
    """Return a process's children, their children, and so on.

    >>> os.getpid() in descendants(os.getppid())
    True
    """
    parents = dict(_parents())
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def name_of(pid: int) -> str:
    """Name a process of the stack: by its part, or the socket that it serves; both come last.

    Raises:
        ProcessLookupError: it has ended, and waits for its parent to notice.
    """
    words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()
    if not words:
        raise ProcessLookupError(f"process {pid} has ended")
    return Path(words[-1]).stem


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


def _stat(pid: int) -> list[str]:
    # The name, in brackets, may hold blanks and brackets; ppid, utime and stime are fields 4, 14, 15.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), int(_stat(int(folder.name))[1])
            except GONE:
                continue


def _kilobytes(text: str, name: str) -> int:
    line = next((line for line in text.splitlines() if line.startswith(name)), None)
    if line is None:
        raise ProcessLookupError("a process has ended, its memory is not known")
    return int(line.split()[1])
