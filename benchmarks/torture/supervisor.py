"""The embedded stack in a process of its own, as `kairos up` runs it, to be killed with the others.

Small where it would take hours to fill what there is: its archive writes a segment a second, and
people and first copies leave memory past a megabyte, so that there is something to lose.

Usage: python -m benchmarks.torture.supervisor DATA WORKSPACE PORT
"""

import sys
from pathlib import Path

import msgspec

from kairos.embedded.stack import Stack, until_signal
from kairos.settings import Settings

WATCH_S = 0.02


def main(data: Path, workspace: Path, port: int) -> None:
    """Run until a signal comes."""
    stack = Stack(data, workspace, port=port, channels=Settings.from_env().channels)
    stack.settings = msgspec.structs.replace(stack.settings, archive_s=1, copies_mb=1, people_mb=1)
    with stack:
        until_signal(stack.watch, WATCH_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
