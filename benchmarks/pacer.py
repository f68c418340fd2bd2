"""Batches over HTTP at instants that were fixed before the first of them, by one thread.

    python -m benchmarks.pacer PLAN.json

Open loop, as `benchmarks/generator.py`, but without threads, which at hundreds of batches a second
wait for each other. It sends no copies: every event is new.
"""

import asyncio
import base64
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec
import uvicorn

from benchmarks import wrk
from benchmarks.generator import BATCH, GAVE_UP, Answer, Plan
from benchmarks.workload import ROUND

CONNECTIONS = 64
PATIENCE_S = 30.0


class Line(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self, pacer: "Pacer") -> None:
        self._pacer = pacer
        self._transport: asyncio.Transport
        self._came = b""
        self._scheduled_us = self._sent_us = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, scheduled_us: int, request: bytes) -> None:
        """Send a request."""
        self._scheduled_us, self._sent_us = scheduled_us, _now_us()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer, and the next request once it is whole."""
        self._came += data
        head, found, body = self._came.partition(b"\r\n\r\n")
        if found and len(body) >= int(head.lower().partition(b"content-length: ")[2].split()[0]):
            self._came = b""
            self._end(int(head[9:12]))
            self._pacer.free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's contract
        """Note what got no answer."""
        if self._scheduled_us:
            self._end(GAVE_UP)

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _end(self, status: int) -> None:
        self._pacer.note(Answer(self._scheduled_us, self._sent_us, _now_us(), status, BATCH))
        self._scheduled_us = 0


class Pacer:
    """Sends what is due on whatever connection is free."""

    def __init__(self, plan: Plan) -> None:
        self.answers: list[Answer] = []
        self._plan = plan
        self._idle: deque[Line] = deque()
        self._late: deque[tuple[int, bytes]] = deque()
        self._over = asyncio.Event()
        user = base64.b64encode(f"{plan.key}:".encode())
        self._head = b"POST /v1/batch HTTP/1.1\r\nHost: door\r\nAuthorization: Basic " + user
        self._bodies = wrk.bodies(BATCH, _now_us() // 1000, plan.seed)

    def free(self, line: Line) -> None:
        """Give a connection what is late, or keep it for what comes next."""
        if self._late:
            line.send(*self._late.popleft())
        else:
            self._idle.append(line)

    def note(self, answer: Answer) -> None:
        """Note what came of a batch."""
        self.answers.append(answer)
        if len(self.answers) == self._plan.batches:
            self._over.set()

    async def run(self) -> None:
        """Send everything, and wait for the answers."""
        loop, plan = asyncio.get_running_loop(), self._plan
        for _ in range(CONNECTIONS):
            _, line = await loop.create_connection(lambda: Line(self), plan.host, plan.port)
            self._idle.append(line)
        lines = list(self._idle)
        start_us, gap_us = _now_us() + 100_000, BATCH / plan.rate * 1e6
        for nth in range(plan.batches):
            scheduled_us, request = start_us + int(nth * gap_us), self._request(nth)
            await asyncio.sleep((scheduled_us - _now_us()) / 1e6)
            if self._idle:
                self._idle.popleft().send(scheduled_us, request)
            else:
                self._late.append((scheduled_us, request))
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._over.wait()
        for line in lines:
            line.close()
        await asyncio.sleep(0)

    def _request(self, nth: int) -> bytes:
        body = self._bodies[nth % len(self._bodies)].replace(ROUND, b"-%d-" % nth)
        return b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body)


def _now_us() -> int:
    return time.time_ns() // 1000


def main() -> int:
    """Carry out a plan."""
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    pacer = Pacer(plan)
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(pacer.run())
    Path(plan.answers).write_bytes(msgspec.json.encode(pacer.answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
