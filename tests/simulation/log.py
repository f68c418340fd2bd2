"""The log's server, and the wires over which an engine and a collector reach it."""

import asyncio
from collections.abc import Callable, Sequence
from zlib import crc32

from events.sources.base import Entry, LogUnavailableError
from events.sources.memory import MemoryLog
from tests.simulation.world import Process, World


class LogServer:
    """One partition, durable whatever happens; each entry has an instant of its own.

    So an instant names a record, and the oracle finds what a decision followed from.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.memory = MemoryLog(self._now)
        self.away_until_us = 0
        self.lost_answers = 0  # how many of the next appends are applied and not answered
        self.readers: dict[str, Callable[[], None]] = {}
        self._newest = 0

    def _now(self) -> int:
        self._newest = max(self.world.ms, self._newest + 1)
        return self._newest

    @property
    def away(self) -> bool:
        """Whether it takes nothing at present."""
        return self.world.us < self.away_until_us

    def append(self, payload: bytes) -> int:
        """Make an entry durable."""
        entry = self.memory.append(0, payload)
        self.world.trace.add(self.world.us, "log", f"{entry} {hash_of(payload)}")
        for wake in self.readers.values():
            wake()
        return entry

    def answer_lost(self) -> bool:
        """Whether the answer of this append is lost."""
        if not self.lost_answers:
            return False
        self.lost_answers -= 1
        self.world.say("log", "answer lost")
        return True


class EngineLog:
    """The log as the process of an engine, or of a reader of the past, sees it."""

    partitions = 1

    def __init__(self, process: Process, server: LogServer) -> None:
        self._process = process
        self._server = server

    def append(self, partition: int, payload: bytes) -> int:  # noqa: ARG002 - there is one
        self._process.reach("append:before")
        if self._server.away:
            raise LogUnavailableError("away")
        entry = self._server.append(payload)
        if self._server.answer_lost():
            raise LogUnavailableError("the connection broke")
        self._process.reach("append:after")
        return entry

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        self._process.reach("read:before")
        if self._server.away:
            raise LogUnavailableError("away")
        return self._server.memory.read(partition, after, limit, wait_ms)

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        return self._server.memory.back(partition, before, limit)

    def last(self, partition: int) -> int:
        return self._server.memory.last(partition)

    def trim(self, partition: int, before: int) -> None:
        raise NotImplementedError("no room is needed here, and the oracle reads from the start")

    def gone(self, partition: int) -> int:
        return self._server.memory.gone(partition)

    def fullness(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


class Appender:
    """The log as a collector's process sees it: an append takes a while, and may be cut off."""

    partitions = 1

    def __init__(self, process: Process, server: LogServer) -> None:
        self._process = process
        self._server = server
        self._draw = server.world.draw(f"appender {process.name}")

    async def append(self, partition: int, payload: bytes) -> int:  # noqa: ARG002 - there is one
        process, server, draw = self._process, self._server, self._draw
        if process.dies("collector append:before"):
            if draw.random() < 0.5:  # what left the socket arrives, although nobody waits
                server.world.outside.call_later(draw.random(), server.append, payload)
            await process.gone()
        await asyncio.sleep(draw.choice((0.0005, 0.0005, 0.002, 0.05)))
        if server.away:
            raise LogUnavailableError("away")
        entry = server.append(payload)
        if process.dies("collector append:after"):
            await process.gone()
        if server.answer_lost():
            raise LogUnavailableError("the connection broke")
        await asyncio.sleep(0.0005)
        return entry

    async def close(self) -> None:
        pass


def hash_of(content: bytes) -> str:
    """Name some bytes in the trace.

    >>> hash_of(b"a")
    'e8b7be43'
    """
    return f"{crc32(content):08x}"
