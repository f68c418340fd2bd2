"""The archive: does it follow the log, is there a way back from it, and does it stay in bounds?"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from events.archive.folder import Archive
from events.sources.base import LogUnavailableError
from flows.bounds import MB
from flows.open import open_log
from flows.retention import Retention
from kairos.doctor.base import Finding, ok, warning, wrong
from kairos.settings import Settings
from profile_state.checkpoints.folder import CheckpointDamagedError, Checkpoints
from profile_state.checkpoints.form import Head

LATE_MS = 10_000  # beyond what an entry waits for others at most
MAKE = "`kairos archive checkpoint` makes one, or says why not; see archive.log"


def findings(settings: Settings, folder: Path) -> Iterator[Finding]:
    """Look at an archive and its checkpoints; segments are not read, `kairos archive` does that."""
    archive = Archive(folder, 0)
    try:
        yield _followed(settings, archive)
        for one in archive.accepted():
            yield ok("accepted loss", one.said)
        yield from _checkpoints(settings, archive)
    except LogUnavailableError as error:
        yield wrong("archive", str(error), "see archive.log")


def _followed(settings: Settings, archive: Archive) -> Finding:
    """Say how far the archive reaches; a log that is full waits for it."""
    places = archive.places()
    log = open_log(settings.log)
    try:
        ahead = log.read(0, archive.last, 1, 0)
        newest = log.back(0, 1 << 62, 1)
    finally:
        log.close()
    size = sum(place.path.stat().st_size for place in places)
    waiting = newest[0].time - ahead[0].time if ahead and newest else 0
    said = f"{len(places):,} segments, {size / MB:,.1f} MB; {waiting / 1000:,.0f} s are in the log alone"
    if waiting > 2 * settings.archive_s * 1000 + LATE_MS:
        return warning("archive", said, "is `kairos run archive` running? see archive.log")
    return ok("archive", said)


def _checkpoints(settings: Settings, archive: Archive) -> Iterator[Finding]:
    good: list[Head] = []
    damaged: list[str] = []
    kept = Checkpoints(archive.folder)
    for one in kept.all():
        try:
            good.append(kept.verify(one))
        except CheckpointDamagedError as error:
            damaged.append(str(error))
    if damaged and not good and archive.let_go() is not None:
        lost = "; the archive alone does not lead back any more"
        yield wrong("checkpoint", "; ".join(damaged) + lost, MAKE)
    elif damaged:
        yield warning("checkpoint", "; ".join(damaged), MAKE)
    if good or not damaged:
        yield _newest(settings, archive, good)
    covered = min((head.entry for head in good), default=-1)
    yield from _held(settings, archive, kept, covered)


def _newest(settings: Settings, archive: Archive, good: list[Head]) -> Finding:
    upkeep, now = settings.upkeep, time.time_ns() // 1_000_000
    if not good:
        if upkeep.bounded and archive.last >= 0:
            said = "there is none, so the archive lets go of nothing"
            return warning("checkpoint", said, MAKE)
        return ok("checkpoint", "none yet; an empty ledger is read from the first entry on")
    made = datetime.fromtimestamp(good[0].made_ms / 1000, UTC).isoformat(timespec="seconds")
    said = f"of {made}, up to entry {good[0].entry}; {len(good)} can be used"
    late_ms = 2 * upkeep.checkpoint_s * 1000 + LATE_MS
    grown = archive.last > good[0].entry
    if upkeep.bounded and grown and now - good[0].made_ms > late_ms:
        said += "; it is too old for the archive to stay in its bounds"
        return warning("checkpoint", said, MAKE)
    return ok("checkpoint", said)


def _held(
    settings: Settings, archive: Archive, kept: Checkpoints, covered: int
) -> Iterator[Finding]:
    """Say what must go and cannot, by the rule of the part that does it."""
    upkeep = settings.upkeep
    if not upkeep.bounded:
        return
    ceiling = None if upkeep.archive_mb is None else upkeep.archive_mb * MB
    rule = Retention(
        archive, kept, monotonic=time.monotonic, keep_ms=upkeep.retain_ms, ceiling=ceiling
    )
    verdict = rule.judged(time.time_ns() // 1_000_000, covered)
    if verdict.held:
        said = f"{verdict.held:,} segments are over its bounds, and no checkpoint stands for them"
        yield warning("archive bounds", said, MAKE + ". Else raise KAIROS_ARCHIVE_MB or --retain")
