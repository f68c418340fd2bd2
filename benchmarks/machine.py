"""The machine that a figure was measured on: without it, a figure says nothing."""

import os
import platform
import subprocess
from pathlib import Path

import msgspec

from kairos.embedded.servers import ServerError, binary


class Machine(msgspec.Struct, frozen=True):
    """What it is."""

    cpu: str
    cores: int
    memory_gb: float  # 10^9 bytes
    kernel: str
    python: str
    valkey: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:.0f} GB, {self.kernel}, "
            f"Python {self.python}, Valkey {self.valkey}"
        )


def this_machine() -> Machine:
    """Look.

    Raises:
        ServerError: it has no Valkey that can run.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(memory / 1e9, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        valkey=_valkey(),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _valkey() -> str:
    said = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=False)
    if said.returncode:
        raise ServerError(f"{binary()} --version failed: {said.stderr.strip()}")
    words = [word for word in said.stdout.split() if word.startswith("v=")]
    return words[0].removeprefix("v=") if words else said.stdout.strip()
