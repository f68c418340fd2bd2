"""The archive of one partition: a folder of segments, each named by the ids that it holds.

A segment is written beside its place, synced, and moved there; the folder is synced then. So
what has its name is whole and on disk, whatever crashes. Nobody ever changes it.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from events.archive.segment import DamagedError, Head, Segment, head_of, unpack
from events.sources.base import Entry, LogUnavailableError

SUFFIX = ".segment"
_UNFINISHED = ".writing"
_HEAD = 4096  # bytes, in which a head fits


class Place(NamedTuple):
    """A segment's file."""

    first: int  # ids
    last: int
    path: Path


class ArchiveError(LogUnavailableError):
    """The log's past cannot be read; the message names the file or the gap, and what to do."""


class Archive:
    """The segments of a partition.

    Args:
        folder: of all partitions; made when something is written.
        partition: of the log.
    """

    def __init__(self, folder: Path, partition: int) -> None:
        self.partition = partition
        self.folder = folder / f"p{partition}"
        self._places: list[Place] = []
        self._seen_ns = -1  # of the folder, when it was listed

    def __repr__(self) -> str:
        return f"Archive({str(self.folder)!r}, segments={len(self.places())})"

    def places(self) -> list[Place]:
        """List the segments, oldest first."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._seen_ns:
            self._places = sorted(map(_place, self.folder.glob(f"*{SUFFIX}")))
            self._seen_ns = changed
        return self._places

    @property
    def last(self) -> int:
        """The id of the newest entry, -1 where there is none."""
        places = self.places()
        return places[-1].last if places else -1

    def write(self, segment: Segment) -> Path:
        """Keep a segment; it is on disk when this returns.

        Raises:
            OSError: it is not, as on a full disk; nothing of it stays.
        """
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            _sync(self.folder.parent)
        head = segment.head
        path = self.folder / f"{head.first:020}-{head.last:020}{SUFFIX}"
        beside = path.with_suffix(_UNFINISHED)
        try:
            with beside.open("wb") as file:
                file.write(segment.data)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        _sync(self.folder)
        self._seen_ns = -1
        return path

    def sweep(self) -> None:
        """Take away what a crash left half-written; for the one who writes."""
        for left in self.folder.glob(f"*{_UNFINISHED}"):
            left.unlink()

    def after(self, entry: int) -> Place | None:
        """Return the segment that holds the first entry behind an id, None where none does."""
        places = self.places()
        nth = bisect_right(places, entry, key=lambda place: place.last)
        return places[nth] if nth < len(places) else None

    def read(self, place: Place) -> list[Entry]:
        """Read a segment.

        Raises:
            ArchiveError: it is damaged.
        """
        try:
            return unpack(place.path.read_bytes())
        except DamagedError as error:
            raise ArchiveError(_damaged(place, error)) from error

    def head(self, place: Place) -> Head:
        """Read a segment's head.

        Raises:
            ArchiveError: it is damaged.
        """
        with place.path.open("rb") as file:
            start = file.read(_HEAD)
        try:
            return head_of(start)[0]
        except DamagedError as error:
            raise ArchiveError(_damaged(place, error)) from error

    def surveyed(self) -> Iterator[Head | str]:
        """Read everything: yield each segment's head, or what is wrong: damaged, or missing."""
        before = None
        for place in self.places():
            try:
                head = self.head(place)
                if before is not None and head.after != before:
                    yield missing(self.folder, before, head.first)
                self.read(place)
                yield head
            except ArchiveError as error:
                yield str(error)
            before = place.last

    def problems(self) -> list[str]:
        """Read everything, and say which segment is damaged and where one is missing."""
        return [found for found in self.surveyed() if isinstance(found, str)]


def missing(folder: Path, after: int, upto: int) -> str:
    """Say that entries are missing between two ids."""
    return (
        f"{folder}: the entries between {after} and {upto} are missing; restore the segment that "
        "holds them from a backup"
    )


def _sync(folder: Path) -> None:
    """Bring the names in a folder onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(path: Path) -> Place:
    first, _, last = path.stem.partition("-")
    return Place(int(first), int(last), path)


def _damaged(place: Place, error: DamagedError) -> str:
    return (
        f"{place.path} is damaged: {error}; restore it from a backup. It holds the entries "
        f"{place.first} to {place.last}, and all other segments can be read"
    )
