"""The archive flow: keeps on disk what the log will forget, and lets go of what is too much.

Whoever keeps the past also has it read again, for definitions that are warming.
"""

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
from kairos.embedded.children import CAN_WAIT, end, spawn
from kairos.parts.base import Reporter, log_lines, stop_on_signals
from kairos.settings import Settings, SettingsError
from profile_state.checkpoints.folder import Checkpoint, CheckpointDamagedError, Checkpoints
from profile_state.stores.base import LedgerLostError
from profile_state.stores.redis import RedisStore

log = structlog.get_logger()

WAIT_MS = 2_000  # for entries, in one read
PAUSE_S = 1.0  # before a broken log or disk is tried again
LOOK_S = 60.0  # between looks at what may go, where nothing came
WARMING_S = 2.0  # between looks at what is warming
RETRY_WARMING_S = 60.0  # before the past is read again that could not be
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

    They are made by a process of its own, and so is the past read: archiving goes on, and the memory
    that it takes is given back.
    """

    def __init__(self, settings: Settings, archive: Archive) -> None:
        self._settings = settings
        self._archive = archive
        self._kept = Checkpoints(archive.folder)
        self._ledger = RedisStore(settings.ledger)
        self._retention = Retention(
            archive,
            self._kept,
            monotonic=time.monotonic,
            keep_ms=settings.upkeep.retain_ms,
            ceiling=None if settings.upkeep.archive_mb is None else settings.upkeep.archive_mb * MB,
        )
        self._making = _Errand(settings, "archive", "checkpoint")
        self._warming = _Errand(settings, "archive", "warm")
        self._asked_s = -WARMING_S  # when the ledger was asked what is warming
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
        self._warm(now_s)
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
        if not self._making.runs and now_s >= self._next_s and self._due(now):
            self._making.begin()

    def _warm(self, now_s: float) -> None:
        """Have the past read where a definition waits for it."""
        if now_s - self._asked_s < WARMING_S or self._settings.log.replayed:
            return
        self._asked_s = now_s
        code = self._warming.ended()
        if code:
            self._asked_s += RETRY_WARMING_S
            log.error("the past was not read, trying again later", code=code)
        elif not self._warming.runs and _something_waits(self._ledger):
            self._warming.begin()

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

    def _made(self, now_s: float) -> bool:
        """Say whether one was made just now."""
        code = self._making.ended()
        if code is None:
            return False
        self._next_s = now_s
        if code:
            self._next_s += min(RETRY_S, self._settings.upkeep.checkpoint_s)
            log.error("no checkpoint was made, trying again later", code=code)
        return code == 0

    def end(self) -> None:
        """End what is being done; the next start tries again."""
        self._making.end()
        self._warming.end()
        self._ledger.close()


class _Errand:
    """A command that runs in a process of its own, of low priority, and ends with this one.

    Args:
        settings: of the stack.
        words: of the command.
    """

    def __init__(self, settings: Settings, *words: str) -> None:
        self._settings = settings
        self._words = words
        self._process: Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it was begun, and `ended` has not said yet how it ended."""
        return self._process is not None

    def begin(self) -> None:
        """Start it."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("KAIROS_")}
        self._process = spawn(
            [sys.executable, "-m", "kairos", *self._words, "--json"],
            env={**ours, **self._settings.to_env()},
            nice=CAN_WAIT,
        )

    def ended(self) -> int | None:
        """Return its exit code, once; None where it runs, or does not."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._process = None
        return code

    def end(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process)


def _something_waits(ledger: RedisStore) -> bool:
    """Say whether something is warming; a ledger that is away is asked again soon."""
    try:
        return any(not gap.filled for gap in ledger.history().gaps)
    except LedgerLostError as error:
        log.warning("it is not known whether something is warming", reason=str(error))
        return False
