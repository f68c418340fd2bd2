"""A log in Valkey or Redis: one stream a partition, fsynced before the reply.

`valkey://HOST:PORT/NAME` or `valkey:///path/to.sock?name=NAME`. The server must run with
`appendonly yes` and `appendfsync always` where the log is the place of durability; `everysec`
was measured to lose up to 1.6 s of acknowledged entries at a power cut.

A stream id is `milliseconds-sequence`; the entry's id here is both in one integer, so that it
fits where a Kafka offset fits.
"""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from events.sources.base import Entry, LogUnavailableError

SEQUENCE_BITS = 20  # a million entries within one millisecond

_FIELD = b"r"


def entry_id(stream_id: bytes) -> int:
    """Turn a stream id into an entry's id.

    >>> entry_id(b"5-3") == (5 << 20) + 3
    True
    """
    ms, _, sequence = stream_id.partition(b"-")
    return (int(ms) << SEQUENCE_BITS) + int(sequence)


def stream_id(entry: int) -> str:
    """Turn an entry's id into a stream id.

    >>> stream_id((5 << 20) + 3)
    '5-3'
    """
    if entry < 0:
        return "0-0"
    return f"{entry >> SEQUENCE_BITS}-{entry & ((1 << SEQUENCE_BITS) - 1)}"


def stream_key(name: str, partition: int) -> str:
    """Name a partition's stream.

    >>> stream_key("log", 0)
    'log:{p0}'
    """
    return f"{name}:{{p{partition}}}"


def _address(url: str) -> tuple[str, str]:
    """Split a log URL into redis-py's URL and the log's name."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return f"unix://{parts.path}", parse_qs(parts.query).get("name", ["log"])[0]
    return f"redis://{parts.netloc}/0", parts.path.strip("/") or "log"


class ValkeyLog:
    """The engine's end: blocking."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.partitions = partitions
        address, self._name = _address(url)
        # Retrying is the caller's: a repeated XADD would be a second entry.
        self._client = redis.Redis.from_url(address, retry=Retry(NoBackoff(), 0))

    def __repr__(self) -> str:
        return f"ValkeyLog(name={self._name!r}, partitions={self.partitions})"

    def append(self, partition: int, payload: bytes) -> int:
        """Append one entry; see `events.sources.base.Log`."""
        try:
            added = self._client.xadd(stream_key(self._name, partition), {_FIELD: payload})
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log did not take an entry: {error}") from error
        return entry_id(cast("bytes", added))

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        """Read entries; see `events.sources.base.Log`."""
        key = stream_key(self._name, partition)
        block = wait_ms if wait_ms > 0 else None
        try:
            found = self._client.xread({key: stream_id(after)}, count=limit, block=block)
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from error
        return [_entry(i, fields) for i, fields in _rows(found)]

    def last(self, partition: int) -> int:
        """Return the newest entry's id."""
        try:
            newest = cast(
                "list[Any]", self._client.xrevrange(stream_key(self._name, partition), count=1)
            )
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from error
        return entry_id(newest[0][0]) if newest else -1

    def trim(self, partition: int, before: int) -> None:
        """Let go of old entries."""
        try:
            self._client.xtrim(
                stream_key(self._name, partition), minid=stream_id(before), approximate=True
            )
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log cannot be trimmed: {error}") from error

    def fullness(self) -> float:
        """Return the share of the server's `maxmemory` in use, 0 where it has none."""
        try:
            memory = self._client.info("memory")
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log does not answer: {error}") from error
        ceiling = int(memory["maxmemory"])
        return int(memory["used_memory"]) / ceiling if ceiling else 0.0

    def close(self) -> None:
        """Give back the connection."""
        self._client.close()


def _rows(found: Any) -> list[tuple[bytes, Any]]:
    """Take the rows of the one stream that was asked for; RESP3 answers a mapping, RESP2 a list."""
    if not found:
        return []
    rows = next(iter(found.values()))[0] if isinstance(found, dict) else found[0][1]
    return cast("list[tuple[bytes, Any]]", rows)


def _entry(stream: bytes, fields: dict[bytes, bytes]) -> Entry:
    whole = entry_id(stream)
    return Entry(whole, whole >> SEQUENCE_BITS, fields[_FIELD])


class ValkeyAppender:
    """The collector's end: asyncio."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.partitions = partitions
        address, self._name = _address(url)
        self._client = redis.asyncio.Redis.from_url(
            address, retry=redis.asyncio.retry.Retry(NoBackoff(), 0)
        )

    async def append(self, partition: int, payload: bytes) -> int:
        """Append one entry; see `events.sources.base.Appender`."""
        try:
            added = await self._client.xadd(stream_key(self._name, partition), {_FIELD: payload})
        except (redis.RedisError, OSError) as error:
            raise LogUnavailableError(f"the log did not take an entry: {error}") from error
        return entry_id(cast("bytes", added))

    async def close(self) -> None:
        """Give back the connection."""
        await self._client.aclose()


def connect(url: str, partitions: int) -> ValkeyLog:
    """Open the engine's end of the log at `url`."""
    return ValkeyLog(url, partitions)


def connect_appender(url: str, partitions: int) -> ValkeyAppender:
    """Open the collector's end of the log at `url`."""
    return ValkeyAppender(url, partitions)
