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

from events.sources.base import Entry, LogUnavailableError, LostHistoryError

SEQUENCE_BITS = 20  # a million entries within one millisecond

OPEN_MS = 10_000  # a question is asked anew after so long, should the connection have died

FIELD = b"r"


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


def address(url: str) -> tuple[str, str]:
    """Split a log URL into redis-py's URL and the log's name."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return f"unix://{parts.path}", parse_qs(parts.query).get("name", ["log"])[0]
    return f"redis://{parts.netloc}/0", parts.path.strip("/") or "log"


class ValkeyLog:
    """The engine's end: blocking.

    A read leaves its question open. Valkey looks ten times a second whether a blocked client has
    waited long enough, so an idle server answers `BLOCK 2` after 100 ms (measured). Here it is
    asked to block for long, and it is we who stop waiting; the next read goes on with the same
    question.
    """

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.partitions = partitions
        server, self._name = address(url)
        # Retrying is the caller's: a repeated XADD would be a second entry.
        self._client = redis.Redis.from_url(server, retry=Retry(NoBackoff(), 0))
        self._connection: Any = None  # on which a question is open
        self._question: tuple[int, int, int] | None = None
        self._reached: dict[int, int] = {}  # id up to which a partition was read on from here

    def __repr__(self) -> str:
        return f"ValkeyLog(name={self._name!r}, partitions={self.partitions})"

    def append(self, partition: int, payload: bytes) -> int:
        """Append one entry; see `events.sources.base.Log`."""
        try:
            added = self._client.xadd(stream_key(self._name, partition), {FIELD: payload})
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log did not take an entry: {error}") from error
        return entry_id(cast("bytes", added))

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        """Read entries; see `events.sources.base.Log`."""
        try:
            if self._question != (partition, after, limit):
                self._ask(partition, after, limit, block=wait_ms > 0)
            # Without BLOCK the answer is on its way, and no wait of the caller's.
            wait_s = wait_ms / 1000 if wait_ms > 0 or self._question is not None else None
            if wait_s is not None and not self._connection.can_read(timeout=wait_s):
                return []
            self._question = None
            found = self._connection.read_response()
        except (redis.RedisError, OSError) as error:
            self._hang_up()
            self._reached.clear()  # the server may be another one when it comes back
            raise LogUnavailableError(f"the log cannot be read: {error}") from error
        entries = [_entry(i, fields[1]) for i, fields in _rows(found)]
        if entries and partition in self._reached:
            self._reached[partition] = entries[-1].id
        return entries

    def _ask(self, partition: int, after: int, limit: int, *, block: bool) -> None:
        """Ask for entries; with `block` the question stays open until there is one."""
        if self._question is not None:
            self._hang_up()
        if after != self._reached.get(partition):
            self._begin(partition, after)
        if self._connection is None:
            self._connection = self._client.connection_pool.get_connection()
        blocking = ("BLOCK", OPEN_MS) if block else ()
        key = stream_key(self._name, partition)
        self._connection.send_command(
            "XREAD", "COUNT", limit, *blocking, "STREAMS", key, stream_id(after)
        )
        if block:
            self._question = (partition, after, limit)

    def _begin(self, partition: int, after: int) -> None:
        """Look whether reading on from here skips anything; who goes on from an answer does not.

        Raises:
            LostHistoryError: it does.
        """
        name = stream_key(self._name, partition)
        gone = self.gone(partition)
        if after < gone:
            raise LostHistoryError(
                f"{name}: the entries after {after} up to {gone} were let go of, and are in no "
                f"archive that is read here; use the archive, or a newer copy of what has read "
                f"up to {after}"
            )
        newest = self._newest(partition)
        if newest is None:
            return  # nothing was ever appended, or all is lost: look again when something comes
        if newest < after:
            raise LostHistoryError(
                f"{name} ends with {newest}, and {after} has been read: it lost its end, and what "
                f"comes next would be taken for read; restore its server, or what has read it to "
                f"the same moment"
            )
        self._reached[partition] = after

    def _newest(self, partition: int) -> int | None:
        """Return the id of the last entry there was, None where there is no stream."""
        try:
            found: Any = self._client.xinfo_stream(stream_key(self._name, partition))
        except redis.ResponseError:  # no such key
            return None
        return entry_id(found["last-generated-id"])

    def _hang_up(self) -> None:
        self._question = None
        if self._connection is not None:
            self._connection.disconnect()
            self._client.connection_pool.release(self._connection)
            self._connection = None

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        """Read entries, the newest first."""
        if before <= 0:
            return []
        try:
            found = cast(
                "list[Any]",
                self._client.xrevrange(
                    stream_key(self._name, partition), max=f"({stream_id(before)}", count=limit
                ),
            )
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log cannot be read: {error}") from error
        return [_entry(i, fields[FIELD]) for i, fields in found]

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
        """Let go of old entries; before they go it is noted which."""
        try:
            newest = self._newest(partition)
            if newest is None or newest < before - 1:
                return  # it lost its end, and what comes now has smaller ids
            below = self.back(partition, before, 1)
            if below and below[0].id > self.gone(partition):
                self._client.set(self._floor(partition), below[0].id)
            self._client.xtrim(
                stream_key(self._name, partition), minid=stream_id(before), approximate=True
            )
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log cannot be trimmed: {error}") from error

    def gone(self, partition: int) -> int:
        """Return what was noted when it was trimmed last."""
        try:
            found = cast("bytes | None", self._client.get(self._floor(partition)))
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log does not answer: {error}") from error
        return -1 if found is None else int(found)

    def _floor(self, partition: int) -> str:
        return stream_key(f"{self._name}.gone", partition)

    def fullness(self) -> float:
        """Return the share of the server's `maxmemory` in use, 0 where it has none."""
        try:
            memory = self._client.info("memory")
        except redis.RedisError as error:
            raise LogUnavailableError(f"the log does not answer: {error}") from error
        ceiling = int(memory["maxmemory"])
        return int(memory["used_memory"]) / ceiling if ceiling else 0.0

    def close(self) -> None:
        """Give back the connections."""
        self._hang_up()
        self._client.close()


def _rows(found: Any) -> list[tuple[bytes, list[bytes]]]:
    """Take the rows of the one stream that was asked for; RESP3 answers a mapping, RESP2 a list."""
    if not found:
        return []
    rows = next(iter(found.values())) if isinstance(found, dict) else found[0][1]
    return cast("list[tuple[bytes, list[bytes]]]", rows)


def _entry(stream: bytes, payload: bytes) -> Entry:
    whole = entry_id(stream)
    return Entry(whole, whole >> SEQUENCE_BITS, payload)


class ValkeyAppender:
    """The collector's end: asyncio."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.partitions = partitions
        server, self._name = address(url)
        self._client = redis.asyncio.Redis.from_url(
            server, retry=redis.asyncio.retry.Retry(NoBackoff(), 0)
        )

    async def append(self, partition: int, payload: bytes) -> int:
        """Append one entry; see `events.sources.base.Appender`."""
        try:
            added = await self._client.xadd(stream_key(self._name, partition), {FIELD: payload})
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
