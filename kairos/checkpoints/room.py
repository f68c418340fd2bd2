"""Is there room for a snapshot? What fills the disk stops the collector, or memory the ledger."""

import shutil
from pathlib import Path
from typing import Any

import redis

from kairos.settings import Settings

MB = 1024 * 1024
MEMORY = Path("/proc/meminfo")


def wanting(settings: Settings, folder: Path) -> str:
    """Say what there is too little of, nothing where there is enough.

    A snapshot is smaller than the server's memory, and the server that reads it about as large.

    Args:
        settings: of the installation.
        folder: where the snapshot goes.

    Raises:
        redis.RedisError: the ledger does not answer.
    """
    with redis.Redis.from_url(settings.ledger) as client:
        memory: Any = client.info("memory")
    needed = int(memory["used_memory_dataset"])
    # Twice of what the collector wants free: it is a second or two from being asked again.
    free = shutil.disk_usage(folder).free - 2 * settings.disk_free_mb * MB
    if free < needed:
        return (
            f"a snapshot of the ledger may take {needed / MB:,.0f} MB, and the disk of {folder} has "
            f"{max(0, free) / MB:,.0f} MB to spare"
        )
    available = _available(MEMORY.read_text()) if MEMORY.exists() else needed
    if available < needed:
        return (
            f"a server on a snapshot of the ledger may take {needed / MB:,.0f} MB, and this machine "
            f"has {available / MB:,.0f} MB of memory left"
        )
    return ""


def _available(meminfo: str) -> int:
    r"""Return the bytes of memory that can be had without swapping.

    >>> _available("MemTotal: 2048 kB\nMemAvailable:    1024 kB\n")
    1048576
    """
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return 1 << 62
