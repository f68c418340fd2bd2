"""Two ways to carry the collector's application over HTTP, until a signal comes."""

import asyncio
import os
import signal
import socket

import uvicorn

from collector.application import Application
from collector.asgi import Collector
from collector.bounded import Bounded
from collector.native.server import LOOPBACK, Server
from kairos import settings


class UvicornServer(uvicorn.Server):
    """Ends streaming answers as it stops; it would wait for them until its patience ends."""

    def __init__(self, config: uvicorn.Config, carried: Collector) -> None:
        super().__init__(config)
        self._carried = carried

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is in flight."""
        self._carried.end_streams()
        await super().shutdown(sockets)


def serve_by_uvicorn(app: Application, where: settings.Collector) -> None:
    """Serve by uvicorn."""
    carried = Collector(app)
    config = uvicorn.Config(
        carried,
        host=where.host,
        port=where.port,
        http=Bounded,
        access_log=False,
        log_level="warning",
        limit_concurrency=Bounded.bounds.connections,
        timeout_graceful_shutdown=round(Bounded.bounds.drain_seconds),
    )
    inherited = _inherited()
    UvicornServer(config, carried).run(sockets=None if inherited is None else [inherited])


def serve_natively(app: Application, where: settings.Collector) -> None:
    """Serve by our own connections, on uvicorn's choice of a loop: uvloop where it is installed."""
    with asyncio.Runner(loop_factory=uvicorn.Config(Collector(app)).get_loop_factory()) as runner:
        runner.run(_natively(app, where))


async def _natively(app: Application, where: settings.Collector) -> None:
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    proxies = os.environ.get("FORWARDED_ALLOW_IPS")  # as uvicorn has it
    trusted = LOOPBACK if proxies is None else frozenset(ip.strip() for ip in proxies.split(","))
    server = Server(app, trusted=trusted)
    await server.start(where.host, where.port, sock=_inherited())
    await stopped.wait()
    await server.stop()


def _inherited() -> socket.socket | None:
    """Return the door that the stack holds open, None where we open one ourselves.

    Not through uvicorn's own `fd`: it takes every descriptor for a unix socket, and asyncio then
    leaves Nagle's algorithm on (measured: each answer 44 ms late).
    """
    inherited = os.environ.get("KAIROS_FD")
    return socket.socket(fileno=int(inherited)) if inherited else None
