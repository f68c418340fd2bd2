"""The archive of one partition: a folder of segments, each named by the ids that it holds.

A segment is written beside its place, synced, and moved there; the folder is synced then. So
what has its name is whole and on disk, whatever crashes. Nobody ever changes it. The oldest may
go, see `events.archive.retention`; before they do, a note says up to where.
"""

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from events.archive import placed
from events.archive.accepted import Accepted, accepted_in, passed_over
from events.archive.segment import DamagedError, Head, Segment, head_of, unpack
from events.sources.base import Entry, LogUnavailableError

SUFFIX = ".segment"
NOTE = "let-go.json"
_HEAD = 4096  # bytes, in which a head fits


class Place(NamedTuple):
    """A segment's file."""

    first: int  # ids
    last: int
    path: Path


class Loss(NamedTuple):
    """A stretch that cannot be read."""

    first: int  # ids, both included
    last: int
    said: str  # what is wrong, and what to do


class LetGo(msgspec.Struct, frozen=True):
    """What went on purpose, as the retention says."""

    upto: int  # id of the last entry of it
    when: str  # ISO 8601, UTC; of the last time


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
        self._accepted: list[Accepted] = []
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
            self._accepted = accepted_in(self.folder)
            self._seen_ns = changed
        return self._places

    def accepted(self) -> list[Accepted]:
        """List what an operator has accepted as lost, oldest first."""
        self.places()
        return self._accepted

    def passed_over(self, after: int) -> int:
        """Return the id behind which to read on: what is accepted as lost is passed over."""
        return passed_over(self.accepted(), after)

    def accepted_of(self, place: Place) -> Accepted | None:
        """Return the word by which a segment is passed over, None where there is none."""
        return next(
            (a for a in self.accepted() if a.first <= place.first and place.last <= a.last), None
        )

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
        head = segment.head
        path = self.folder / f"{head.first:020}-{head.last:020}{SUFFIX}"
        with placed.placed(path) as file:
            file.write(segment.data)
        self._seen_ns = -1
        return path

    def let_go(self) -> LetGo | None:
        """Read what went on purpose, None where nothing did."""
        try:
            return msgspec.json.decode((self.folder / NOTE).read_bytes(), type=LetGo)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise ArchiveError(
                f"{self.folder / NOTE}, which says what the retention let go of, cannot be read "
                f"({error}); delete it: what is missing is named then as if it were lost"
            ) from error

    def release(self, upto: int, when: str) -> list[Place]:
        """Let go of the segments up to an id, the oldest first; it is noted before they go.

        Args:
            upto: id of the last entry that goes.
            when: ISO 8601, UTC.

        Raises:
            OSError: some may be there still; call again.
        """
        gone = [place for place in self.places() if place.last <= upto]
        with placed.placed(self.folder / NOTE) as file:
            file.write(msgspec.json.encode(LetGo(upto, when)))
        for place in gone:
            place.path.unlink(missing_ok=True)
        placed.sync(self.folder)
        self._seen_ns = -1
        return gone

    def size(self) -> int:
        """Return the bytes of everything in the folder, checkpoints included."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def sweep(self) -> None:
        """Take away what a crash left half-written; for the one who writes."""
        placed.sweep(self.folder)

    @property
    def start(self) -> int:
        """The id of the entry before the oldest one, -1 where that is the first or none is there.

        Raises:
            ArchiveError: the oldest segment is damaged.
        """
        places = self.places()
        if not places:
            return -1
        passed = self.accepted_of(places[0])
        return self.head(places[0]).after if passed is None else passed.first - 1

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

    def surveyed(self) -> Iterator[Head | Loss | Accepted]:
        """Read everything: yield each segment's head, or what is lost, or was accepted as lost."""
        note = self.let_go()
        before = None if note is None else note.upto
        for place in self.places():
            passed = self.accepted_of(place)
            if passed is not None:
                yield passed
            else:
                yield from self._looked_at(place, before)
            before = place.last

    def _looked_at(self, place: Place, before: int | None) -> Iterator[Head | Loss | Accepted]:
        first = place.first if before is None else before + 1
        try:
            head = self.head(place)
            first = head.after + 1
            if before is not None and head.after > before:
                passed = [a for a in self.accepted() if a.first - 1 <= before < a.last]
                if self.passed_over(before) >= head.after:
                    yield from passed
                else:
                    yield Loss(before + 1, head.after, self.missing(before, head.after))
            self.read(place)
            yield head
        except ArchiveError as error:
            yield Loss(first, place.last, str(error))

    def problems(self) -> list[str]:
        """Read everything, and say which segment is damaged and where one is missing."""
        return [found.said for found in self.surveyed() if isinstance(found, Loss)]

    def missing(self, after: int, upto: int) -> str:
        """Say that the entries behind an id are missing, up to another one, which is missing too."""
        note = self.let_go()
        if note is not None and after < note.upto:
            return (
                f"{self.folder}: the entries {after + 1} to {note.upto} were let go of on "
                f"{note.when[:10]}, as the retention says; only a checkpoint leads back before "
                "them, and none there can be used: restore one from a backup"
            )
        return (
            f"{self.folder}: the entries between {after} and {upto + 1} are missing; restore the "
            f"segment that holds them from a backup, or go on without them for good: "
            f"`kairos archive accept {after + 1}..{upto} --reason WHY`"
        )


def _place(path: Path) -> Place:
    first, _, last = path.stem.partition("-")
    return Place(int(first), int(last), path)


def _damaged(place: Place, error: DamagedError) -> str:
    return (
        f"{place.path} is damaged: {error}; restore it from a backup, or go on without it for good: "
        f"`kairos archive accept {place.path.name} --reason WHY`. It holds the entries {place.first} to "
        f"{place.last}, and all other segments can be read"
    )
