"""The console script: puts our folders on this process's own path, then starts the command line.

Folders such as `channels/` carry everyday names. Installed beside Django Channels they would
overwrite it, so the wheel keeps them under `kairos/_app/`, which no other process sees.
"""

import os
import sys
from pathlib import Path

READER_LEFT = 141  # as a shell says of a program that a closed pipe ended


def main() -> None:
    """Start the command line."""
    carried = Path(__file__).parent / "_app"
    if carried.is_dir():
        sys.path.insert(0, str(carried))
    from kairos.cli import app  # noqa: PLC0415 - only now can it find its folders

    try:
        try:
            app(sys.argv[1:])()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # who reads what we print has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_LEFT)
