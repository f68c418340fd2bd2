"""The archive flow, which here writes a segment a second instead of one an hour.

Usage: python -m benchmarks.torture.archive archive
"""

import sys

import msgspec

from kairos.parts import archive
from kairos.settings import Settings

if __name__ == "__main__":
    sys.exit(archive.main(msgspec.structs.replace(Settings.from_env(), archive_s=1)))
