"""The archive flow: keeps on disk what the log will forget."""

import threading
import time

import structlog

from events.archive.folder import Archive
from events.sources.base import LogUnavailableError
from flows.archiver import Archiver
from flows.open import open_log
from kairos.parts.base import Reporter, log_lines, stop_on_signals
from kairos.settings import Settings, SettingsError

log = structlog.get_logger()

WAIT_MS = 2_000  # for entries, in one read
PAUSE_S = 1.0  # before a broken log or disk is tried again


def main(settings: Settings) -> int:
    """Run until a signal comes. Returns an exit code of docs/cli.md."""
    log_lines()
    if settings.archive is None:
        raise SettingsError("KAIROS_ARCHIVE: a folder for the archive was expected, found nothing")
    stop = stop_on_signals()
    archive = Archive(settings.archive, 0)
    with Reporter(settings.status, "archive", lambda: {"archived": archive.last}):
        while not stop.is_set():
            try:
                _follow(settings, archive, stop)
            except (LogUnavailableError, OSError) as error:
                log.warning(
                    "log or disk away, archiving on from the last segment", reason=str(error)
                )
                stop.wait(PAUSE_S)
    return 0


def _follow(settings: Settings, archive: Archive, stop: threading.Event) -> None:
    source = open_log(settings.log)
    try:
        archiver = Archiver(source, archive, monotonic=time.monotonic, age_s=settings.archive_s)
        while not stop.is_set():
            archiver.step(WAIT_MS)
    finally:
        source.close()
