"""Where the stack of a data folder is: what other commands need to find it while it runs."""

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec

from kairos.settings import Settings

NOTE = "running.json"


def note(data: Path, settings: Settings) -> IO[bytes]:
    """Write down where everything is. Channels stay out: their settings hold passwords.

    Returns:
        The note, which holds as long as it is open. It is locked before it has its name, so that
        nobody ever takes that of a stack that was killed for the one that starts in its place.
    """
    open_settings = msgspec.structs.replace(settings, channels={}, server_key=None)
    beside = (data / NOTE).with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    file = os.fdopen(handle, "wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(msgspec.json.encode(open_settings.to_env()))
    file.flush()
    beside.replace(data / NOTE)
    return file


def find(data: Path) -> Settings | None:
    """Return the settings of the stack that runs on a data folder, None if none does.

    A note may be left of a stack that was killed; its lock tells.
    """
    try:
        with (data / NOTE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Settings.from_env(msgspec.json.decode(file.read(), type=dict[str, str]))
    except FileNotFoundError:
        pass  # there is none, or it is only starting
    return None
