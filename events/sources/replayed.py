"""A log of the past: a Valkey log that takes its append times from the events in it.

`replayed:///path/to.sock?name=NAME`. An event is appended at its own time, or at that of the
entry before where it is late; so `now` is what it was then, and windows, timers and journeys
behave as they did. It serves one replay in a data folder of its own, with one appender: times
that are given can be wrong, which a log of the present must never be.

What shares a time shares an entry; all entries of one append go in one transaction.
"""

from collections.abc import Iterator
from typing import Any, cast

import redis

from events.record import Event, Record, decode, encode
from events.sources.base import LogUnavailableError
from events.sources.valkey import (
    FIELD,
    SEQUENCE_BITS,
    ValkeyAppender,
    ValkeyLog,
    entry_id,
    stream_key,
)


def timed(payload: bytes, newest: int) -> Iterator[tuple[int, bytes]]:
    """Cut a payload into one for each time.

    Args:
        payload: records.
        newest: ms; the time of the last entry, below which the clock cannot go back. What has
            no time of its own (a version, a dead letter) goes with the record before.

    >>> from events.record import Tick
    >>> [time for time, _ in timed(encode([Tick(1), Tick(1)]), 5)]
    [5]
    """
    together: list[Record] = []
    for record in decode(payload):
        time = max(newest, record.time) if isinstance(record, Event) else newest
        if time > newest and together:
            yield newest, encode(together)
            together = []
        newest = time
        together.append(record)
    yield newest, encode(together)


class ReplayedLog(ValkeyLog):
    """The engine's end, and the replay's own."""

    def append(self, partition: int, payload: bytes) -> int:
        """Append at the time of the newest entry."""
        return self.append_at(partition, payload, 0)

    def append_at(self, partition: int, payload: bytes, time: int) -> int:
        """Append at `time` (ms), or at the newest entry's where that is later."""
        time = max(time, self.last(partition) >> SEQUENCE_BITS, 0)
        try:
            added = self._client.xadd(
                stream_key(self._name, partition), {FIELD: payload}, id=f"{time}-*"
            )
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log did not take an entry: {error}") from error
        return entry_id(cast("bytes", added))


class ReplayedAppender(ValkeyAppender):
    """The collector's end; there is only one."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        super().__init__(url, partitions)
        self._newest: dict[int, int] = {}  # partition -> ms

    async def append(self, partition: int, payload: bytes) -> int:
        """Append each event at its own time; returns the last entry's id."""
        key = stream_key(self._name, partition)
        try:
            if partition not in self._newest:
                found = cast("list[Any]", await self._client.xrevrange(key, count=1))
                self._newest[partition] = entry_id(found[0][0]) >> SEQUENCE_BITS if found else 0
            entries = list(timed(payload, self._newest[partition]))
            pipe = self._client.pipeline(transaction=True)
            for time, part in entries:
                pipe.xadd(key, {FIELD: part}, id=f"{time}-*")
            added = await pipe.execute()
        except (redis.RedisError, OSError) as error:
            self._newest.pop(partition, None)
            raise LogUnavailableError(f"the log did not take an entry: {error}") from error
        self._newest[partition] = entries[-1][0]
        return entry_id(added[-1])


def connect(url: str, partitions: int) -> ReplayedLog:
    """Open the engine's end of the log at `url`."""
    return ReplayedLog(url, partitions)


def connect_appender(url: str, partitions: int) -> ReplayedAppender:
    """Open the collector's end of the log at `url`."""
    return ReplayedAppender(url, partitions)
