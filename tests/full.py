"""A disk that can be filled: a small one of its own where mounting is allowed, else part of ours."""

import errno
import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from kairos.embedded.stack import Stack

MB = 1024 * 1024


class SmallDisk:
    """A folder on a disk, of which others use nothing.

    Args:
        folder: on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filling = folder / "filling"

    @property
    def free_mb(self) -> float:
        return shutil.disk_usage(self.folder).free / MB

    def fill(self, leave_mb: float = 0) -> None:
        """Have something else take the disk, up to the last byte where nothing is to be left."""
        with self._filling.open("ab") as file:
            # Others write meanwhile, and what does not fit as a whole is not taken at all: then
            # it is looked anew how much does.
            while (size := int((self.free_mb - (leave_mb or 2)) * MB)) > 0:
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    continue
                break
            file.seek(0, os.SEEK_END)
            with suppress(OSError):
                while not leave_mb:
                    os.write(file.fileno(), bytes(4096))

    def empty(self) -> None:
        """Take it away again."""
        self._filling.unlink(missing_ok=True)


class Filled(Protocol):
    """Something that can be full."""

    def fill(self) -> None: ...

    def empty(self) -> None: ...


class Limits:
    """What stands in for a disk of its own: no file of a stack's processes may grow.

    Processes that start again are found within milliseconds. Who does not ask for an error is
    ended by the kernel, so the ledger goes away here, where on a full disk it refuses writes.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._full = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Limits":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.empty()
        self._done.set()
        self._thread.join()

    def fill(self) -> None:
        self._full.set()

    def empty(self) -> None:
        self._full.clear()
        self._limit(resource.RLIM_INFINITY)

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            if self._full.is_set():
                self._limit(1)

    def _limit(self, size: int) -> None:
        for child in list(self._stack.children.values()):
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[SmallDisk | None]:
    """Mount a disk of its own; None where this user may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "kairos-test", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
