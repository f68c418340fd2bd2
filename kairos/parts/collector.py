"""The collector: the HTTP door."""

import os
import socket

import uvicorn

from collector.asgi import Collector
from collector.handle import Door
from collector.keys import KeyRing
from flows.open import open_appender
from kairos.parts.base import Reporter, log_lines
from kairos.settings import Settings


def main(settings: Settings) -> int:
    """Serve until a signal comes, then finish what is in flight."""
    log_lines()
    door = Door(KeyRing.load(settings.collector.keys), replayed=settings.log.replayed)
    app = Collector(door, open_appender(settings.log))
    config = uvicorn.Config(
        app,
        host=settings.collector.host,
        port=settings.collector.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    with Reporter(settings.status, "collector", lambda: dict(app.counters)):
        uvicorn.Server(config).run(sockets=_inherited())
    return 0


def _inherited() -> list[socket.socket] | None:
    """Return the door that the stack holds open, None where we open one ourselves.

    Not through uvicorn's own `fd`: it takes every descriptor for a unix socket, and asyncio then
    leaves Nagle's algorithm on (measured: each answer 44 ms late).
    """
    inherited = os.environ.get("KAIROS_FD")
    return [socket.socket(fileno=int(inherited))] if inherited else None
