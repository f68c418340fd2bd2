"""The real worker, with a stream that notes when each entry came into its hands.

    python -m benchmarks.recorder NOTES

It runs in place of `kairos run workers`, with the same variables. A note is the instant at which
the worker's own read returned, and the entry as it was; it is taken apart after the run.
"""

import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from events.sources.base import Entry, Log
from kairos.parts import workers
from kairos.settings import Settings
from triggers.activation import Activation, decode

_HEAD = struct.Struct(">QI")  # us since 1970, bytes of the entry


class Arrival(NamedTuple):
    """An activation in the worker's hands."""

    at_us: int
    activation: Activation


class Recorded:
    """A log that notes what is read from it; everything else is the log's own."""

    def __init__(self, log: Log, notes: Path) -> None:
        self._log = log
        self._notes = notes.open("ab")
        self.partitions = log.partitions

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        """Read, and note when."""
        entries = self._log.read(partition, after, limit, wait_ms)
        now_us = time.time_ns() // 1000
        for entry in entries:
            self._notes.write(_HEAD.pack(now_us, len(entry.payload)) + entry.payload)
        return entries

    def append(self, partition: int, payload: bytes) -> int:
        """Append; see `events.sources.base.Log`."""
        return self._log.append(partition, payload)

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        """Read backwards."""
        return self._log.back(partition, before, limit)

    def last(self, partition: int) -> int:
        """Return the newest entry's id."""
        return self._log.last(partition)

    def trim(self, partition: int, before: int) -> None:
        """Let go of old entries."""
        self._log.trim(partition, before)

    def gone(self, partition: int) -> int:
        """Return up to where old entries were let go of."""
        return self._log.gone(partition)

    def fullness(self) -> float:
        """Return the share of the room in use."""
        return self._log.fullness()

    def close(self) -> None:
        """Write the last notes, and give back the connections."""
        self._notes.close()
        self._log.close()


def arrivals(notes: Path) -> Iterator[Arrival]:
    """Read the notes of a run that has ended, in order of arrival."""
    with notes.open("rb") as file:
        while head := file.read(_HEAD.size):
            at_us, size = _HEAD.unpack(head)
            for one in decode(file.read(size)):
                yield Arrival(at_us, one)


def main() -> int:
    """Run the worker until SIGTERM."""
    notes = Path(sys.argv[1])
    return workers.main(Settings.from_env(), watched=lambda stream: Recorded(stream, notes))


if __name__ == "__main__":
    sys.exit(main())
