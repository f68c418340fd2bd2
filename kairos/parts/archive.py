"""The archive flow: keeps on disk what the log will forget, and lets go of what is too much."""

import os
import sys
import threading
import time
from subprocess import Popen

import structlog

from events.archive.folder import Archive, ArchiveError, Place
from events.sources.base import LogUnavailableError
from flows.archiver import Archiver
from flows.bounds import MB
from flows.open import open_log
from flows.retention import Retention
from kairos.checkpoints.standing import NICE
from kairos.embedded.children import end, spawn
from kairos.parts.base import Reporter, log_lines, stop_on_signals
from kairos.settings import Settings, SettingsError
from profile_state.checkpoints.folder import Checkpoint, CheckpointDamagedError, Checkpoints

log = structlog.get_logger()

WAIT_MS = 2_000  # for entries, in one read
PAUSE_S = 1.0  # before a broken log or disk is tried again
LOOK_S = 60.0  # between looks at what may go, where nothing came
RETRY_S = 3600.0  # before a checkpoint is tried again that could not be made, at most


def main(settings: Settings) -> int:
    """Run until a signal comes. Returns an exit code of docs/cli.md."""
    log_lines()
    if settings.archive is None:
        raise SettingsError("KAIROS_ARCHIVE: a folder for the archive was expected, found nothing")
    stop = stop_on_signals()
    archive = Archive(settings.archive, 0)
    keeper = _Keeper(settings, archive)
    with Reporter(settings.status, "archive", lambda: {"archived": archive.last, **keeper.facts}):
        while not stop.is_set():
            try:
                _follow(settings, archive, keeper, stop)
            except (LogUnavailableError, OSError) as error:
                log.warning(
                    "log or disk away, archiving on from the last segment", reason=str(error)
                )
                stop.wait(PAUSE_S)
    keeper.end()
    return 0


def _follow(settings: Settings, archive: Archive, keeper: "_Keeper", stop: threading.Event) -> None:
    source = open_log(settings.log)
    try:
        archiver = Archiver(source, archive, monotonic=time.monotonic, age_s=settings.archive_s)
        while not stop.is_set():
            keeper.look(grown=archiver.step(WAIT_MS))
    finally:
        source.close()


class _Keeper:
    """Has checkpoints made when it is time for one, and lets go of what they stand for.

    They are made by a process of its own, of low priority: archiving goes on, and the memory that
    it takes is given back. It ends with this one.
    """

    def __init__(self, settings: Settings, archive: Archive) -> None:
        self._settings = settings
        self._archive = archive
        self._kept = Checkpoints(archive.folder)
        self._retention = Retention(
            archive,
            self._kept,
            monotonic=time.monotonic,
            keep_ms=settings.upkeep.retain_ms,
            ceiling=None if settings.upkeep.archive_mb is None else settings.upkeep.archive_mb * MB,
        )
        self._making: Popen[bytes] | None = None
        self._look_s = min(LOOK_S, settings.upkeep.checkpoint_s or LOOK_S)
        self._next_s = 0.0  # when it is asked again whether it is time for one
        self._looked_s = -LOOK_S
        self.facts: dict[str, int] = {}

    def look(self, *, grown: bool) -> None:
        """Do what it is time for.

        Args:
            grown: a segment was written.

        Raises:
            ArchiveError: what went before cannot be told.
            OSError: the disk is broken.
        """
        now_s = time.monotonic()
        made = self._made(now_s)
        if not (grown or made) and now_s - self._looked_s < self._look_s:
            return
        self._looked_s = now_s
        now = time.time_ns() // 1_000_000
        newest = self._kept.newest
        self.facts = {
            "checkpoint": -1 if newest is None else newest.entry,
            "held": self._retention.look(now).held,
        }
        if self._making is None and now_s >= self._next_s and self._due(now):
            self._making = self._make()

    def _due(self, now: int) -> bool:
        every_ms = self._settings.upkeep.checkpoint_s * 1000
        places, newest = self._archive.places(), self._kept.newest
        if not every_ms or not places or self._settings.log.replayed:
            return False
        if newest is not None and newest.entry >= places[-1].last:
            return False  # nothing has come since
        return now - self._since(newest, places[0]) >= every_ms

    def _since(self, newest: Checkpoint | None, oldest: Place) -> int:
        """Return from when on it is waited for one, ms."""
        try:
            if newest is None:
                return self._archive.head(oldest).first_ms
            return self._kept.head(newest).made_ms
        except (ArchiveError, CheckpointDamagedError) as error:
            log.error("damaged, so it is time for a checkpoint", reason=str(error))
            return 0

    def _make(self) -> Popen[bytes]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("KAIROS_")}
        return spawn(
            [sys.executable, "-m", "kairos", "archive", "checkpoint", "--json"],
            env={**ours, **self._settings.to_env()},
            nice=NICE,
        )

    def _made(self, now_s: float) -> bool:
        """Say whether one was made just now."""
        code = None if self._making is None else self._making.poll()
        if code is None:
            return False
        self._making = None
        self._next_s = now_s
        if code:
            self._next_s += min(RETRY_S, self._settings.upkeep.checkpoint_s)
            log.error("no checkpoint was made, trying again later", code=code)
        return code == 0

    def end(self) -> None:
        """End what is being made; nothing of it stays, and the next start tries again."""
        if self._making is not None:
            end(self._making)
