"""Open a log by its URL: the scheme is the name of a file in `events/sources`."""

from types import ModuleType
from urllib.parse import urlsplit

from events.archive.folder import Archive
from events.archive.whole import Whole
from events.sources.base import Appender, Log
from kairos.discovery import found_in, names_in
from kairos.settings import Log as LogSettings
from kairos.settings import Settings, SettingsError


def open_log(settings: LogSettings) -> Log:
    """Open the engine's end.

    Raises:
        SettingsError: no such kind of log.
    """
    log: Log = _source(settings).connect(settings.url, settings.partitions)
    return log


def open_whole(settings: Settings) -> Log:
    """Open the engine's end with its past: archive and log as one, where there is an archive.

    Raises:
        SettingsError: no such kind of log.
    """
    log = open_log(settings.log)
    if settings.archive is None:
        return log
    archives = [Archive(settings.archive, p) for p in range(log.partitions)]
    return Whole(log, archives)


def open_appender(settings: LogSettings) -> Appender:
    """Open the collector's end.

    Raises:
        SettingsError: no such kind of log.
    """
    appender: Appender = _source(settings).connect_appender(settings.url, settings.partitions)
    return appender


def _source(settings: LogSettings) -> ModuleType:
    scheme = urlsplit(settings.url).scheme
    if scheme not in names_in("events.sources"):
        known = ", ".join(name for name in names_in("events.sources") if name != "memory")
        raise SettingsError(f"KAIROS_LOG_URL: a log of kind {scheme!r} is unknown; known: {known}")
    return found_in("events.sources")[scheme]
