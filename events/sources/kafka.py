"""A log in Kafka: one topic, `acks=all`, idempotent, a delivery callback for every entry.

`kafka://HOST:PORT[,HOST:PORT…]/TOPIC`. The topic must exist with its partitions, with
`message.timestamp.type=LogAppendTime` (the core's clock is the log's own), and a
`max.message.bytes` of 8 MiB: what one request makes durable is one entry. Retention is the
topic's own setting, so `trim` has nothing to do.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from events.sources.base import Entry, LogUnavailableError

LARGEST = 8 * 1024 * 1024  # bytes of one entry
PATIENCE_S = 10.0  # for an acknowledgement; then the entry may or may not be in the log


def _address(url: str) -> tuple[str, str]:
    """Split a log URL into bootstrap servers and topic.

    >>> _address("kafka://a:9092,b:9092/events")
    ('a:9092,b:9092', 'events')
    """
    parts = urlsplit(url)
    topic = parts.path.strip("/")
    if not parts.netloc or not topic:
        raise ValueError(f"kafka://HOST:PORT/TOPIC was expected, found {url!r}")
    return parts.netloc, topic


def _producer(servers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": servers,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,  # the collector's group commit has already gathered
            "message.max.bytes": LARGEST,
            "delivery.timeout.ms": int(PATIENCE_S * 1000),
        }
    )


class KafkaLog:
    """The engine's end: blocking, one consumer a partition, offsets assigned and never committed."""

    def __init__(self, url: str, partitions: int) -> None:
        self.partitions = partitions
        self._servers, self._topic = _address(url)
        self._producer = _producer(self._servers)
        self._readers: dict[int, _Reader] = {}

    def __repr__(self) -> str:
        return f"KafkaLog(topic={self._topic!r}, partitions={self.partitions})"

    def append(self, partition: int, payload: bytes) -> int:
        """Append one entry; see `events.sources.base.Log`."""
        acknowledged: list[tuple[KafkaError | None, Message]] = []

        try:
            self._producer.produce(
                self._topic,
                payload,
                partition=partition,
                on_delivery=lambda *answer: acknowledged.append(answer),
            )
            self._producer.flush(PATIENCE_S + 1)
        except (KafkaException, BufferError) as error:
            raise LogUnavailableError(f"Kafka did not take an entry: {error}") from error
        # Never trust flush: only the entry's own callback says that it is durable.
        if not acknowledged:
            raise LogUnavailableError(f"Kafka did not answer within {PATIENCE_S:.0f} s")
        refusal, message = acknowledged[0]
        if refusal is not None:
            raise LogUnavailableError(f"Kafka did not take an entry: {refusal}")
        return _offset(message)

    def _reader(self, partition: int) -> "_Reader":
        if partition not in self._readers:
            self._readers[partition] = _Reader(self._servers, self._topic, partition)
        return self._readers[partition]

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        """Read entries; see `events.sources.base.Log`."""
        return self._reader(partition).read(after, limit, wait_ms)

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        """Read entries, the newest first."""
        return self._reader(partition).back(before, limit)

    def last(self, partition: int) -> int:
        """Return the newest entry's offset."""
        return self._reader(partition).last()

    def trim(self, partition: int, before: int) -> None:
        """Nothing: how long entries stay is the topic's own setting."""

    def gone(self, partition: int) -> int:
        """Return the offset before the topic's oldest."""
        return self._reader(partition).gone()

    def fullness(self) -> float:
        """Return 0: retention makes room."""
        return 0.0

    def close(self) -> None:
        """Give back connections."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()


class _Reader:
    """Reads one partition from wherever it is asked to."""

    def __init__(self, servers: str, topic: str, partition: int) -> None:
        self._place = (topic, partition)
        self._position: int | None = None  # the offset that comes next
        # ms; clocks of brokers may differ, and ours never goes back: from where reading began, for
        # what was before is in the mark of who reads on.
        self._newest = 0
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "kairos",  # required, and never used: offsets live in the ledger
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # An offset that retention has deleted is lost history: say so, never skip it.
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                "fetch.message.max.bytes": LARGEST,
                "fetch.max.bytes": 8 * LARGEST,
            }
        )

    def read(self, after: int, limit: int, wait_ms: int) -> list[Entry]:
        topic, partition = self._place
        start = after + 1
        try:
            if self._position != start:
                # The very first entry may have been deleted long ago: then begin where the log does.
                offset = OFFSET_BEGINNING if after < 0 else start
                self._consumer.assign([TopicPartition(topic, partition, offset)])
                self._position, self._newest = start, 0
            messages = self._messages(limit, wait_ms)
        except KafkaException as error:
            raise LogUnavailableError(f"Kafka cannot be read: {error}") from error
        entries = [self._entry(m) for m in messages]
        if entries:
            self._position = entries[-1].id + 1
        return entries

    def _messages(self, limit: int, wait_ms: int) -> list[Message]:
        """Wait for the first message, then take what else has arrived.

        `consume` alone would wait the whole time for `limit` messages.
        """
        first = self._consumer.poll(wait_ms / 1000)
        if first is None:
            return []
        rest = self._consumer.consume(limit - 1, 0) if limit > 1 else []
        messages = [first, *rest]
        for message in messages:
            error = message.error()
            if error is not None:
                raise KafkaException(error)
        return messages

    def _entry(self, message: Message) -> Entry:
        self._newest = max(self._newest, message.timestamp()[1])
        payload: Any = message.value()
        return Entry(_offset(message), self._newest, payload)

    def back(self, before: int, limit: int) -> list[Entry]:
        oldest, end = self._marks()
        end = min(before, end)
        after = max(oldest, end - limit) - 1
        found: list[Entry] = []
        until = time.monotonic() + PATIENCE_S
        while after < end - 1:
            if time.monotonic() > until:
                raise LogUnavailableError(f"Kafka cannot be read within {PATIENCE_S:.0f} s")
            entries = self.read(after, limit, 100)  # may be empty while the consumer connects
            found += [e for e in entries if e.id < end]
            after = entries[-1].id if entries else after
        return found[::-1]

    def last(self) -> int:
        return self._marks()[1] - 1

    def gone(self) -> int:
        return self._marks()[0] - 1

    def _marks(self) -> tuple[int, int]:
        """Return the oldest offset that there is, and the one that comes next."""
        try:
            marks = self._consumer.get_watermark_offsets(TopicPartition(*self._place), timeout=10)
        except KafkaException as error:
            raise LogUnavailableError(f"Kafka does not answer: {error}") from error
        if marks is None:
            raise LogUnavailableError("Kafka does not answer within 10 s")
        return int(marks[0]), int(marks[1])

    def close(self) -> None:
        self._consumer.close()


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None, "a delivered message has an offset"
    return offset


class KafkaAppender:
    """The collector's end: asyncio, with a thread that hands over acknowledgements."""

    def __init__(self, url: str, partitions: int) -> None:
        self.partitions = partitions
        servers, self._topic = _address(url)
        self._producer = _producer(servers)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)

    async def append(self, partition: int, payload: bytes) -> int:
        """Append one entry; see `events.sources.base.Appender`."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()

        def settle(error: KafkaError | None, offset: int) -> None:
            if done.cancelled():
                return
            if error is None:
                done.set_result(offset)
            else:
                done.set_exception(LogUnavailableError(f"Kafka did not take an entry: {error}"))

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            offset = -1 if error is not None else _offset(message)
            loop.call_soon_threadsafe(settle, error, offset)

        try:
            self._producer.produce(
                self._topic, payload, partition=partition, on_delivery=acknowledged
            )
        except (KafkaException, BufferError) as error:
            raise LogUnavailableError(f"Kafka did not take an entry: {error}") from error
        return await done

    async def close(self) -> None:
        """Give back connections, after what is on its way has arrived."""
        await asyncio.to_thread(self._producer.flush, PATIENCE_S)
        self._closing.set()
        await asyncio.to_thread(self._thread.join)


def connect(url: str, partitions: int) -> KafkaLog:
    """Open the engine's end of the log at `url`."""
    return KafkaLog(url, partitions)


def connect_appender(url: str, partitions: int) -> KafkaAppender:
    """Open the collector's end of the log at `url`."""
    return KafkaAppender(url, partitions)
