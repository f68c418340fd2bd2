"""Connections that wait for their next request, the one that was used last first.

httpcore's own pool looks at every connection it has, several times a request: with 64 of them a
request took 8 ms of CPU. Here it takes the latest, and looks at the oldest when it gives back.
"""

import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore

PATIENCE = 5.0  # seconds; receivers close what waits longer, and a request may meet that on its way


class Connections:
    """The open connections of one channel, by whom they lead to.

    Args:
        network: how to reach whom they lead to.
        trust: whose certificates count.
        patience: seconds that a connection may wait.
    """

    def __init__(
        self,
        network: httpcore.AsyncNetworkBackend,
        trust: ssl.SSLContext,
        patience: float = PATIENCE,
    ) -> None:
        self._network = network
        self._trust = trust
        self._patience = patience
        self._idle: defaultdict[tuple[bytes, bytes, int], deque[httpcore.AsyncHTTPConnection]]
        self._idle = defaultdict(deque)

    @asynccontextmanager
    async def one(self, url: httpcore.URL) -> AsyncIterator[httpcore.AsyncHTTPConnection]:
        """Lend a connection for one request; it is closed where it cannot serve another."""
        origin = url.origin
        idle = self._idle[origin.scheme, origin.host, origin.port]
        connection = await _latest(idle) or httpcore.AsyncHTTPConnection(
            origin,
            ssl_context=self._trust,
            keepalive_expiry=self._patience,
            network_backend=self._network,
        )
        try:
            yield connection
        finally:
            if connection.is_idle() and not connection.is_closed():
                idle.append(connection)
            else:
                await connection.aclose()
            while idle and idle[0].has_expired():
                await idle.popleft().aclose()

    async def close(self) -> None:
        """Close those that wait; none may be lent any more."""
        for idle in self._idle.values():
            while idle:
                await idle.pop().aclose()


async def _latest(
    idle: deque[httpcore.AsyncHTTPConnection],
) -> httpcore.AsyncHTTPConnection | None:
    """Take the connection that was used last, and that its other end has not closed."""
    while idle:
        connection = idle.pop()
        if not connection.has_expired():
            return connection
        await connection.aclose()
    return None
