"""Archive and log, read as one: what left the log comes from the archive, and then the log goes on."""

from bisect import bisect_right
from collections.abc import Sequence

from events.archive.folder import Archive, ArchiveError, Place
from events.sources.base import Entry, Log

UNKNOWN = -2  # no id; -1 is before the first


class Whole:
    """A log whose past is in an archive. It is a log itself, see `events.sources.base.Log`.

    Stretches that an operator accepted as lost are passed over, by everybody alike.

    Args:
        log: which forgets what is archived.
        archives: of its partitions.
    """

    def __init__(self, log: Log, archives: Sequence[Archive]) -> None:
        self.partitions = log.partitions
        self._log = log
        self._archives = archives
        self._read: dict[int, tuple[Place, list[Entry]]] = {}  # the last segment, by partition
        self._reached = [UNKNOWN] * log.partitions  # last id that the log itself gave

    def append(self, partition: int, payload: bytes) -> int:
        """Append to the log."""
        return self._log.append(partition, payload)

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        """Read from the archive what the log may have forgotten, else from the log.

        Raises:
            ArchiveError: a segment is damaged, or entries are in neither of them.
        """
        at_hand = self._read.get(partition)
        if at_hand is not None and at_hand[0].first <= after < at_hand[0].last:
            return _behind(at_hand[1], after, limit)
        # Who goes on where the log's last answer ended is the engine, whom trimming waits for.
        if after == self._reached[partition] or after >= (gone := self._log.gone(partition)):
            self._read.pop(partition, None)
            found = self._log.read(partition, after, limit, wait_ms)
            self._reached[partition] = found[-1].id if found else after
            return found
        self._reached[partition] = UNKNOWN
        archive = self._archives[partition]
        passed = archive.passed_over(after)
        if passed > after:
            return self.read(partition, passed, limit, wait_ms)
        place = archive.after(after)
        if place is None:
            raise ArchiveError(archive.missing(after, gone))
        if (before := archive.head(place).after) > after:
            raise ArchiveError(archive.missing(after, before))
        return _behind(self._segment(archive, place), after, limit)

    def _segment(self, archive: Archive, place: Place) -> list[Entry]:
        at_hand = self._read.get(archive.partition)
        if at_hand is None or at_hand[0] != place:
            at_hand = self._read[archive.partition] = (place, archive.read(place))
        return at_hand[1]

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        """Read the newest first, in the log and then in the archive."""
        found = list(self._log.back(partition, before, limit))
        archive = self._archives[partition]
        upto = found[-1].id if found else before
        for place in reversed(archive.places()):
            if len(found) >= limit:
                break
            if place.first < upto and archive.accepted_of(place) is None:
                found += [e for e in reversed(self._segment(archive, place)) if e.id < upto]
        return found[:limit]

    def last(self, partition: int) -> int:
        """Return the newest entry's id, also where the log is empty."""
        return max(self._log.last(partition), self._archives[partition].last)

    def gone(self, partition: int) -> int:
        """Return up to which id entries are in neither of them."""
        gone = self._log.gone(partition)
        archive = self._archives[partition]
        return min(gone, archive.start) if archive.places() else gone

    def trim(self, partition: int, before: int) -> None:
        """Let the log go of what is archived."""
        self._log.trim(partition, min(before, self._archives[partition].last + 1))

    def fullness(self) -> float:
        """Return how full the log is."""
        return self._log.fullness()

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def _behind(entries: list[Entry], after: int, limit: int) -> list[Entry]:
    start = bisect_right(entries, after, key=lambda entry: entry.id)
    return entries[start : start + limit]
