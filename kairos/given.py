"""Files that commands are given by name."""

import sys
from pathlib import Path

from kairos.settings import SettingsError

STDIN = Path("-")


def content(file: Path) -> bytes:
    """Read a file; `-` is standard input.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
