"""Where the stack of a data folder is: what other commands need to find it while it runs."""

import fcntl
import os
from pathlib import Path

import msgspec

from kairos.settings import Settings

NOTE = "running.json"


def note(data: Path, settings: Settings) -> None:
    """Write down where everything is. Channels stay out: their settings hold passwords."""
    open_settings = msgspec.structs.replace(settings, channels={}, server_key=None)
    beside = (data / NOTE).with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(open_settings.to_env()))
    beside.replace(data / NOTE)  # whole, for whoever reads it at this instant


def find(data: Path) -> Settings | None:
    """Return the settings of the stack that runs on a data folder, None if none does.

    A note may be left of a stack that was killed; the lock tells.
    """
    try:
        with (data / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
    except FileNotFoundError:
        return None
    except BlockingIOError:
        pass
    try:
        env = msgspec.json.decode((data / NOTE).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return None  # it is only starting
    return Settings.from_env(env)
