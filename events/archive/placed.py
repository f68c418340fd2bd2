"""Files that are whole or not there: written beside their place, synced, and moved to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".writing"


@contextmanager
def placed(path: Path) -> Iterator[BinaryIO]:
    """Open a file that has its name once the block ends well; it is on disk then.

    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> with placed(Path(folder.name) / "deep" / "a.txt") as file:
    ...     _ = file.write(b"whole")
    >>> (Path(folder.name) / "deep" / "a.txt").read_bytes()
    b'whole'
    >>> folder.cleanup()

    Args:
        path: its place; its folder is made if it is not there.

    Raises:
        OSError: it is not on disk, as on a full one; nothing of it stays.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        sync(path.parent.parent)
    beside = path.with_suffix(UNFINISHED)
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(folder: Path) -> None:
    """Bring the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Take away what a crash left half-written; for the one who writes."""
    for left in folder.glob(f"*{UNFINISHED}"):
        left.unlink()
