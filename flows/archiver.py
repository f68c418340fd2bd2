"""The archive flow: what the log takes goes to disk in segments, so that the log may forget it."""

from collections.abc import Callable

import structlog

from events.archive.folder import Archive
from events.archive.segment import pack
from events.sources.base import Entry, Log

SEGMENT = 8 * 1024 * 1024  # bytes of payload, from which on a segment is written
READ = 128  # entries in one read

log = structlog.get_logger()


class Archiver:
    """Writes one partition's segments.

    A crash costs nothing: what is in no segment is in the log, and is read again.

    Args:
        source: the log itself.
        archive: of the partition.
        monotonic: seconds.
        age_s: how long an entry waits for others at most.
        size: bytes of payload in a segment.
    """

    def __init__(
        self,
        source: Log,
        archive: Archive,
        *,
        monotonic: Callable[[], float],
        age_s: float,
        size: int = SEGMENT,
    ) -> None:
        self._log = source
        self._archive = archive
        self._monotonic = monotonic
        self._size, self._age_s = size, age_s
        self._waiting: list[Entry] = []
        self._bytes = 0
        self._since_s = 0.0  # when the first of these came
        archive.sweep()
        self._after = archive.last  # the segment that comes next follows this entry
        gone = source.gone(archive.partition)
        if gone > self._after:
            if archive.places():
                log.error("entries left the log before they were archived", after=self._after)
            self._after = gone

    @property
    def position(self) -> int:
        """The id of the last entry read."""
        return self._waiting[-1].id if self._waiting else self._after

    def step(self, wait_ms: int) -> bool:
        """Read on, and write a segment if it is time for one.

        Args:
            wait_ms: how long to wait for entries at most.

        Returns:
            Whether a segment was written.

        Raises:
            LogUnavailableError: the log is away.
            OSError: the disk is full or broken; call again, nothing is lost.
        """
        found = self._log.read(self._archive.partition, self.position, READ, wait_ms)
        now_s = self._monotonic()
        before = self._after
        for entry in found:
            if not self._waiting:
                self._since_s = now_s
            self._waiting.append(entry)
            self._bytes += len(entry.payload)
            if self._bytes >= self._size:
                self.write()
        if self._waiting and now_s - self._since_s >= self._age_s:
            self.write()
        return self._after != before

    def write(self) -> None:
        """Write what waits as a segment.

        Raises:
            OSError: the disk is full or broken.
        """
        if not self._waiting:
            return
        segment = pack(self._archive.partition, self._after, self._waiting)
        path = self._archive.write(segment)
        log.info("archived", segment=path.name, entries=len(self._waiting), bytes=len(segment.data))
        self._after = segment.head.last
        self._waiting, self._bytes = [], 0
