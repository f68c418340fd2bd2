"""A listening socket and its connections: deadlines, the date, and an end that loses nothing."""

import asyncio
import socket
from email.utils import formatdate

from collector.application import Application
from collector.bounds import Bounds
from collector.native.connection import Connection

_LOOK_S = 0.5  # between two looks at all deadlines; one timer costs less than one a request
_BACKLOG = 2048
LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Server:
    """Serves an application until it is stopped.

    Example (`app` being any Application):

        server = Server(app)
        await server.start("127.0.0.1", 8765)
        await stopped.wait()
        await server.stop()
    """

    def __init__(
        self,
        app: Application,
        bounds: Bounds = Bounds(),  # noqa: B008 - it is frozen
        trusted: frozenset[str] = LOOPBACK,
    ) -> None:
        """Prepare.

        Args:
            app: what answers; closed when the server stops.
            bounds: of the connections.
            trusted: addresses of proxies, whose X-Forwarded-Proto counts; `*` are all.
        """
        self.app = app
        self.bounds = bounds
        self.trusted = trusted
        self.now = 0.0
        self.date = b""
        self.port = 0  # that it listens on
        self._connections: set[Connection] = set()
        self._server: asyncio.Server
        self._timer: asyncio.TimerHandle
        self._stopping = False
        self._empty = asyncio.Event()

    async def start(self, host: str, port: int, *, sock: socket.socket | None = None) -> None:
        """Listen: at an address, or on a socket that listens already.

        Raises:
            OSError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._look()
        made = {"sock": sock} if sock is not None else {"host": host, "port": port}
        self._server = await loop.create_server(lambda: Connection(self), backlog=_BACKLOG, **made)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more, answer what is in flight, and close the application."""
        self._stopping = True
        self._server.close()
        for connection in list(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(self.bounds.drain_seconds):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
        self._timer.cancel()
        await self.app.close()

    def opened(self, connection: Connection) -> bool:
        """Note a connection; False where there are too many."""
        self._connections.add(connection)
        if self._stopping:
            connection.drain()
        return len(self._connections) <= self.bounds.connections

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            _LOOK_S, self._look
        )  # first, so that nothing ends the looking
        self.now = loop.time()
        self.date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        for connection in list(self._connections):
            connection.look(self.now)
