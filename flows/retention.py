"""What of the archive may go, goes: what is too old or too much, and what checkpoints stand for.

Checkpoints stand for the log up to the mark of the oldest good one of those that are kept: should
the newest be damaged one day, the one before it still leads back, since what follows it is there.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from events.archive.folder import Archive, ArchiveError, Place
from events.archive.retention import Kept, Verdict, judged
from profile_state.checkpoints.folder import Checkpoint, Checkpoints

VERIFIED_S = 86_400.0  # how long it is believed what was found in a checkpoint

log = structlog.get_logger()


class Retention:
    """Lets go of one partition's oldest segments.

    Args:
        archive: of the partition.
        kept: its checkpoints.
        monotonic: seconds.
        keep_ms: how old a segment gets; None keeps all, whatever their age.
        ceiling: bytes of the folder, from which on the oldest go; None knows none.
    """

    def __init__(
        self,
        archive: Archive,
        kept: Checkpoints,
        *,
        monotonic: Callable[[], float],
        keep_ms: int | None,
        ceiling: int | None,
    ) -> None:
        self._archive = archive
        self._kept = kept
        self._monotonic = monotonic
        self._keep_ms, self._ceiling = keep_ms, ceiling
        # file -> when it was read, s, and whether it is good
        self._read: dict[tuple[str, int, int], tuple[float, bool]] = {}
        self._said = False

    def look(self, now: int) -> Verdict:
        """Let go of what may go.

        Args:
            now: ms.

        Raises:
            ArchiveError: what went before cannot be told.
            OSError: the disk is broken; look again.
        """
        if self._keep_ms is None and self._ceiling is None:
            return Verdict(-1, 0)
        newest = self._kept.newest
        verdict = self.judged(now, -1 if newest is None else newest.entry)
        if verdict.upto >= 0:  # by their names alone; now they are read
            verdict = self.judged(now, self.covered())
        if verdict.upto >= 0:
            when = datetime.fromtimestamp(now / 1000, UTC).isoformat(timespec="seconds")
            gone = self._archive.release(verdict.upto, when)
            log.info("let go of", segments=len(gone), upto=verdict.upto)
        if verdict.held and not self._said:
            log.warning(
                "the archive is over its bounds, and no good checkpoint stands for what is to go; "
                "`kairos archive checkpoint` makes one, or says why not",
                segments=verdict.held,
            )
        self._said = verdict.held > 0
        return verdict

    def judged(self, now: int, covered: int) -> Verdict:
        """Say what may go, were everything up to an entry covered by checkpoints."""
        over = 0 if self._ceiling is None else self._archive.size() - self._ceiling
        kept = map(self._seen, self._archive.places()[:-1])
        return judged(kept, covered, now=now, keep_ms=self._keep_ms, over=over)

    def _seen(self, place: Place) -> Kept:
        stat = place.path.stat()
        try:
            last_ms = self._archive.head(place).last_ms
        except ArchiveError:  # it was written a little later than its last entry
            last_ms = stat.st_mtime_ns // 1_000_000
        return Kept(place.last, last_ms, stat.st_size)

    def covered(self) -> int:
        """Return up to which entry good checkpoints stand for the log, -1 where there is none."""
        return min((one.entry for one in self._kept.all() if self._good(one)), default=-1)

    def _good(self, one: Checkpoint) -> bool:
        stat = one.path.stat()
        file, now_s = (one.path.name, stat.st_mtime_ns, stat.st_size), self._monotonic()
        read_s, good = self._read.get(file, (-VERIFIED_S, False))
        if now_s - read_s >= VERIFIED_S:
            problem = self._kept.problem(one)
            if problem:
                log.error("a checkpoint is damaged", reason=problem)
            good = not problem
            self._read[file] = now_s, good
        return good
