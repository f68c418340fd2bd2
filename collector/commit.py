"""Group commit: what arrives during one append leaves together with the next.

An fsync costs the same for one record as for five hundred. So at most one append is in flight
in each partition, and a request waits for the one that carries its records, never for a timer.

Records are packed when they come, while they are in the processor's caches: what waits is bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from events.record import DeadLetter, Event, Item, joined, packed
from events.sources.base import Appender

Record = Event | DeadLetter | Item
Told = Callable[[Exception | None], None]  # with None once all is durable, else with why not

_ENTRY_RECORDS = 500  # in one entry, unless one request has more
_ENTRY_BYTES = 1024 * 1024  # of JSON, likewise; what one command of the log should carry
_QUEUE_BYTES = 32 * 1024 * 1024  # of JSON; packed it is a little less


class OverloadedError(Exception):
    """More is waiting for the log than may; nothing of this request was appended."""


class _Waiter(NamedTuple):
    records: int  # how many
    packed: bytes
    size: int
    then: Told


def partition_of(record: Event | DeadLetter, partitions: int) -> int:
    """Return the home of an event: by its leaf; a dead letter, which has none, by its source.

    >>> partition_of(DeadLetter("web", 0, "unknown_type", "", b"{}", 0), 1)
    0
    """
    if partitions == 1:
        return 0
    home = record.leaf if isinstance(record, Event) else record.source
    return int.from_bytes(blake2b(home.encode(), digest_size=8).digest()) % partitions


class GroupCommit:
    """Makes records durable, many requests to an append.

    >>> class Memory:
    ...     partitions, entries = 1, []
    ...     async def append(self, partition, payload):
    ...         self.entries.append(payload)
    ...         return len(self.entries)
    ...     async def close(self): ...
    >>> async def two_requests():
    ...     commit = GroupCommit(Memory())
    ...     record = DeadLetter("web", 0, "unknown_type", "", b"{}", 0)
    ...     for _ in range(2):
    ...         commit.enqueue([record], 2, lambda failed: None)
    ...     await commit.drained()
    ...     return len(Memory.entries)
    >>> asyncio.run(two_requests())
    1
    """

    def __init__(
        self,
        appender: Appender,
        *,
        entry_records: int = _ENTRY_RECORDS,
        entry_bytes: int = _ENTRY_BYTES,
        queue_bytes: int = _QUEUE_BYTES,
    ) -> None:
        self._appender = appender
        self._entry_records = entry_records
        self._entry_bytes = entry_bytes
        self._queue_bytes = queue_bytes
        self._queues: list[deque[_Waiter]] = [deque() for _ in range(appender.partitions)]
        self._running: dict[int, asyncio.Task[None]] = {}
        self.waiting_bytes = 0
        self.appended = -1  # id of the last entry

    def enqueue(self, records: Sequence[Record], size: int, then: Told) -> None:
        """Make records durable, and call `then` once all are, or with why some may not be.

        Args:
            records: in the order in which a partition shall have them.
            size: bytes that they take while they wait, roughly.
            then: called once, by the event loop.

        Raises:
            OverloadedError: too much waits already; `then` is not called.
        """
        if self.waiting_bytes and self.waiting_bytes + size > self._queue_bytes:
            raise OverloadedError
        share = size // max(len(records), 1)
        parts = self._split(records)
        told = then if len(parts) == 1 else _after(len(parts), then)
        for partition, part in parts.items():
            self._enqueue(partition, part, share * len(part), told)

    async def drained(self) -> None:
        """Return when nothing waits and nothing is in flight."""
        while self._running:
            await asyncio.wait(self._running.values())

    def _split(self, records: Sequence[Record]) -> dict[int, Sequence[Record]]:
        if len(self._queues) == 1:
            return {0: records}
        parts: dict[int, list[Record]] = {}
        every = range(len(self._queues))
        for record in records:
            home = partition_of(record, len(every)) if not isinstance(record, Item) else None
            for partition in every if home is None else (home,):  # all need the catalogue
                parts.setdefault(partition, []).append(record)
        return dict(parts)

    def _enqueue(self, partition: int, records: Sequence[Record], size: int, then: Told) -> None:
        self._queues[partition].append(_Waiter(len(records), packed(records), size, then))
        self.waiting_bytes += size
        if partition not in self._running:
            self._running[partition] = asyncio.create_task(self._run(partition))

    async def _run(self, partition: int) -> None:
        queue = self._queues[partition]
        call_soon = asyncio.get_running_loop().call_soon  # what one caller raises harms no other
        try:
            while queue:
                group = self._next_group(queue)
                failed = await self._append(partition, group)
                for waiter in group:
                    self.waiting_bytes -= waiter.size
                    call_soon(waiter.then, failed)
        finally:
            del self._running[partition]

    def _next_group(self, queue: deque[_Waiter]) -> list[_Waiter]:
        group = [queue.popleft()]
        count, size = group[0].records, group[0].size
        while queue:
            count += queue[0].records
            size += queue[0].size
            if count > self._entry_records or size > self._entry_bytes:
                break
            group.append(queue.popleft())
        return group

    async def _append(self, partition: int, group: list[_Waiter]) -> Exception | None:
        count = sum(waiter.records for waiter in group)
        try:
            self.appended = await self._appender.append(
                partition, joined(count, (w.packed for w in group))
            )
        except Exception as error:  # noqa: BLE001 - it is the waiting requests' answer, not ours
            return error
        return None


def _after(parts: int, then: Told) -> Told:
    """Return what tells `then` once, after the last of several parts, of the first that failed."""
    told: list[Exception | None] = []

    def one(failed: Exception | None) -> None:
        told.append(failed)
        if len(told) == parts:
            then(next((failed for failed in told if failed is not None), None))

    return one
