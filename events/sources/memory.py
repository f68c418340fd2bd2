"""A log in memory, with a clock that is set by hand: for tests, simulations and trying a workspace."""

from collections.abc import Callable, Sequence

from events.sources.base import Entry, LostHistoryError


class MemoryLog:
    """A log that lasts as long as the object.

    Args:
        clock: ms; the append time of each entry.
        partitions: how many.

    >>> log = MemoryLog(clock=lambda: 5)
    >>> log.append(0, b"a"), log.append(0, b"b")
    (0, 1)
    >>> log.read(0, after=0, limit=10, wait_ms=0)
    [Entry(id=1, time=5, payload=b'b')]
    """

    def __init__(self, clock: Callable[[], int], partitions: int = 1) -> None:
        self.partitions = partitions
        self._clock = clock
        self._entries: list[list[Entry]] = [[] for _ in range(partitions)]
        self._first = [0] * partitions  # ids below are trimmed

    def append(self, partition: int, payload: bytes) -> int:
        """Append one entry."""
        entries = self._entries[partition]
        newest = entries[-1].time if entries else 0
        entry = Entry(len(entries), max(newest, self._clock()), payload)
        entries.append(entry)
        return entry.id

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:  # noqa: ARG002 - nothing comes while one waits
        """Read entries."""
        if after < self.gone(partition):
            raise LostHistoryError(f"entries up to {self.gone(partition)} were let go of")
        return self._entries[partition][after + 1 : after + 1 + limit]

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        """Read entries, the newest first."""
        start = max(before - limit, self._first[partition], 0)
        return self._entries[partition][start : max(before, 0)][::-1]

    def last(self, partition: int) -> int:
        """Return the newest entry's id."""
        return len(self._entries[partition]) - 1

    def trim(self, partition: int, before: int) -> None:
        """Let go of old entries."""
        self._first[partition] = max(self._first[partition], before)

    def gone(self, partition: int) -> int:
        """Return up to where it is trimmed."""
        return self._first[partition] - 1

    def fullness(self) -> float:
        """Return 0: there is no bound."""
        return 0.0

    def close(self) -> None:
        """Nothing to give back."""
