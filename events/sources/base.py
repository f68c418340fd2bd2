"""What a log is: partitions of entries in one total order each, durable once acknowledged."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """What one append made durable."""

    id: int  # grows within the partition, not necessarily by one; never negative
    time: int  # ms; the log's own append time, in one reading never smaller than the one before
    payload: bytes


class LogUnavailableError(Exception):
    """The log did not acknowledge, or cannot be read; what was appended may or may not be in it."""


class LostHistoryError(LogUnavailableError):
    """What comes next for this reader is not in the log any more; waiting does not mend it."""


class Log(Protocol):
    """A durable, ordered log. Every implementation passes tests/contracts/test_log.py.

    `append` returns only when the entry is durable: a crash of any process, or of the
    machine, cannot take it back.
    """

    partitions: int

    def append(self, partition: int, payload: bytes) -> int:
        """Append one entry and return its id.

        Raises:
            LogUnavailableError: when durability was not acknowledged.
        """
        ...

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        """Read at most `limit` entries with an id above `after`, in order.

        Waits at most `wait_ms` for the first, with the interpreter lock released;
        0 does not wait. Returns an empty sequence when there is none.

        Raises:
            LogUnavailableError: the log is away.
            LostHistoryError: entries above `after` were let go of, or the log ends before it.
        """
        ...

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        """Read at most `limit` entries with an id below `before`, the newest first.

        For whoever looks back from the end; the engine never does.
        """
        ...

    def last(self, partition: int) -> int:
        """Return the id of the newest entry, -1 where there is none."""
        ...

    def trim(self, partition: int, before: int) -> None:
        """Let go of the entries with an id below `before`; some may stay a while."""
        ...

    def gone(self, partition: int) -> int:
        """Return the id up to which entries may have been let go of, -1 where none has."""
        ...

    def fullness(self) -> float:
        """Return how much of the room for entries is used, 0 to 1; at 1 appends are refused.

        0 where entries end by a retention of the log's own.
        """
        ...

    def close(self) -> None:
        """Give back connections; the log itself stays."""
        ...


class Appender(Protocol):
    """The collector's end of a log, for asyncio."""

    partitions: int

    async def append(self, partition: int, payload: bytes) -> int:
        """Append one entry and return its id once it is durable.

        Raises:
            LogUnavailableError: when durability was not acknowledged.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
