"""The embedded stack in a process of its own, as `kairos up` runs it, to be killed with the others.

Its archive writes a segment a second, so that there is something to lose.

Usage: python -m benchmarks.torture.supervisor DATA WORKSPACE PORT
"""

import sys
from pathlib import Path

from benchmarks.child import program
from kairos.embedded.stack import Stack, until_signal
from kairos.settings import Settings


def main(data: Path, workspace: Path, port: int) -> None:
    """Run until a signal comes."""
    channels = Settings.from_env().channels
    archive = program("torture.archive", "archive")
    programs = {"archive": archive}
    with Stack(data, workspace, port=port, channels=channels, programs=programs) as stack:
        until_signal(stack.watch, 0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
