"""Doubles for the collector's tests."""

import asyncio
from typing import Any

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request, Response
from events.record import DeadLetter, Event, Record, decode
from events.sources.base import LogUnavailableError

NOW_MS = 1_795_572_770_000  # 2026-11-25T02:12:50Z, when the SDK fixtures were captured
SERVER, SERVER_KEY = create("server", "shop", "2026-11-25T00:00:00Z", "WRITE_KEY")
BROWSER, BROWSER_KEY = create("browser", "web", "2026-11-25T00:00:00Z", "BROWSER_KEY")
DOOR = Door(KeyRing([SERVER_KEY, BROWSER_KEY]))


class MemoryLog:
    """An Appender in memory, which can be slow and can fail."""

    def __init__(self, partitions: int = 1) -> None:
        self.partitions = partitions
        self.entries: list[tuple[int, list[Record]]] = []
        self.failing: set[int] = set()  # numbers of the appends that fail, from 0
        self.gate: asyncio.Event | None = None  # an append waits for it
        self.in_flight = [0] * partitions
        self.appends = 0
        self.appending = asyncio.Event()  # set by the first append
        self.closed = False

    async def append(self, partition: int, payload: bytes) -> int:
        number = self.appends
        self.appends += 1
        self.appending.set()
        self.in_flight[partition] += 1
        assert self.in_flight[partition] == 1
        try:
            await (self.gate.wait() if self.gate else asyncio.sleep(0))
            if number in self.failing:
                raise LogUnavailableError("the log is away")
            self.entries.append((partition, decode(payload)))
            return len(self.entries)
        finally:
            self.in_flight[partition] -= 1

    async def close(self) -> None:
        self.closed = True

    @property
    def records(self) -> list[Record]:
        return [record for _, records in self.entries for record in records]


def post(path: str, body: bytes, key: str = "WRITE_KEY", **headers: str) -> Request:
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    if key:
        sent[b"authorization"] = f"Bearer {key}".encode()
    return Request("POST", path, b"", sent, body)


def ask(request: Request, now_ms: int = NOW_MS) -> Response:
    """Return the answer of the door, whether it depends on the log or not."""
    done = handle(request, DOOR, now_ms * 1000)
    response = done.response if isinstance(done, Accepted) else done
    assert isinstance(response, Response), response
    return response


def taken(request: Request, now_ms: int = NOW_MS) -> tuple[list[Event], list[DeadLetter]]:
    done = handle(request, DOOR, now_ms * 1000)
    assert isinstance(done, Accepted), done
    return (
        [record for record in done.records if isinstance(record, Event)],
        [record for record in done.records if isinstance(record, DeadLetter)],
    )


def event_of(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Seen", "anonymousId": "a1", **fields}
