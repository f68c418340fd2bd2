"""Room on the disk under log and ledger: the door closes while there is still some left.

A log that is fsynced before each reply ends its server where the disk is full, and a ledger refuses
every write. What was accepted shall still have room to be worked off, so events are refused before
it comes to that, and taken again when there is room.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog

LOOK_S = 0.25  # between looks; a client fills some tens of MB in it
AGAIN_MB = 16  # more than the least must be free before there is room again
MB = 1024 * 1024

log = structlog.get_logger()


class RoomWatch:
    """Says whether there is room, whenever that changes.

    Args:
        disk: a folder on it; None watches nothing.
        free_mb: below which there is none.
        say: told of each change.
    """

    def __init__(self, disk: Path | None, free_mb: int, say: Callable[[bool], None]) -> None:
        self._disk = disk
        self._free_mb = free_mb
        self._say = say
        self.room = True
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Look once, and go on looking."""
        if self._disk is not None:
            self._look(self._disk)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._done.set()
        if self._disk is not None:
            self._thread.join()

    def _watch(self) -> None:
        assert self._disk is not None
        while not self._done.wait(LOOK_S):
            self._look(self._disk)

    def _look(self, disk: Path) -> None:
        least = self._free_mb if self.room else self._free_mb + AGAIN_MB
        free = shutil.disk_usage(disk).free / MB
        if (free >= least) == self.room:
            return
        self.room = not self.room
        self._say(self.room)
        said = "there is room on the disk again" if self.room else "the disk is nearly full"
        log.warning(said, disk=str(disk), free_mb=int(free), least_mb=self._free_mb)
