"""The two servers that carry the collector's application, each on a socket on loopback."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import uvicorn

from collector.application import Application
from collector.asgi import Collector
from collector.bounded import Bounded
from collector.bounds import Bounds
from collector.door import Door
from collector.native.server import Server
from kairos.parts.http.serve import UvicornServer
from tests.collector.doubles import DOOR, MemoryLog, event_of

AUTH = {"authorization": "Bearer WRITE_KEY", "origin": "https://shop.example"}
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Serving(Protocol):
    """A server that runs."""

    port: int

    async def stop(self) -> None: ...


class ByUvicorn:
    def __init__(self, app: Application, bounds: Bounds) -> None:
        http = type("Shorter", (Bounded,), {"bounds": bounds})
        carried = Collector(app)
        config = uvicorn.Config(
            carried, port=0, http=http, log_level="critical", access_log=False,
            limit_concurrency=bounds.connections + 1,
        )  # fmt: skip
        self.server = UvicornServer(config, carried)
        self.port = 0

    async def start(self) -> None:
        self._task = asyncio.create_task(self.server.serve())
        while not self.server.started:
            assert not self._task.done(), "uvicorn did not start"
            await asyncio.sleep(0.005)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self.server.should_exit = True
        await self._task


class Natively:
    def __init__(self, app: Application, bounds: Bounds) -> None:
        self.server = Server(app, bounds)

    @property
    def port(self) -> int:
        return self.server.port

    async def start(self) -> None:
        await self.server.start("127.0.0.1", 0)

    async def stop(self) -> None:
        await self.server.stop()


DOORS: dict[str, Any] = {"uvicorn": ByUvicorn, "native": Natively}


@dataclass
class Got:
    """An answer as it came over the wire."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class Running:
    def __init__(self, app: Application, log: MemoryLog, door: Any) -> None:
        self.app, self.log, self.door, self.port = app, log, door, door.port
        self._writers: list[asyncio.StreamWriter] = []
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=AUTH)

    async def track(self, **fields: Any) -> httpx.Response:
        return await self.client.post("/v1/track", json=event_of(**fields))

    async def opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return reader, writer

    async def leave(self) -> None:
        await self.client.aclose()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def raw(self, *parts: bytes, pause: float = 0.0, half: bool = False) -> bytes:
        """Send parts over one connection and return all that comes until it is closed.

        Args:
            parts: of what is sent.
            pause: s, behind each.
            half: say that nothing more comes.
        """
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.setblocking(False)
            reading = asyncio.create_task(_all(client))
            # A server that has enough closes; what it said before is what counts.
            with suppress(ConnectionError):
                for part in parts:
                    if reading.done():
                        break
                    await loop.sock_sendall(client, part)
                    await asyncio.sleep(pause)
                if half:
                    client.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(10):
                return await reading


async def _all(client: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError):
        while part := await asyncio.get_running_loop().sock_recv(client, 65536):
            found += part
    return found


def answers(wire: bytes) -> list[Got]:
    """Take apart what came over one connection."""
    found: list[Got] = []
    while wire:
        head, _, wire = wire.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        fields = {n.lower(): v for n, _, v in (line.partition(b": ") for line in lines)}
        length = int(fields.get(b"content-length", b"0"))
        if fields.get(b"transfer-encoding") == b"chunked":
            length = wire.index(b"0\r\n\r\n") + 5
        body, wire = wire[:length], wire[length:]
        found.append(Got(int(status.split()[1]), fields, body))
    return found


@asynccontextmanager
async def running(
    name: str, log: MemoryLog, bounds: Bounds | None = None, door: Door = DOOR, **settings: Any
) -> AsyncIterator[Running]:
    app = Application(door, log, **settings)
    carries = DOORS[name](app, bounds or Bounds())
    await carries.start()
    one = Running(app, log, carries)
    try:
        yield one
    finally:
        if log.gate:
            log.gate.set()
        await one.leave()
        await carries.stop()


def told(
    name: str,
    story: Callable[[Running], Awaitable[None]],
    log: MemoryLog | None = None,
    bounds: Bounds | None = None,
    **settings: Any,
) -> None:
    async def whole() -> None:
        async with running(name, log or MemoryLog(), bounds, **settings) as one:
            await story(one)

    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(whole())


def posting(body: bytes, *fields: str, path: str = "/v1/batch", version: str = "1.1") -> bytes:
    """Write a request with a body."""
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
