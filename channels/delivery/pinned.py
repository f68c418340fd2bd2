"""Connections that go where was judged: a name is resolved once, and what it said is dialled.

Were a name judged first and resolved again by whoever connects, its owner would answer the
first question with an address of their own and the second with one of ours. TLS and the `Host`
header still go by the name.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore
from httpcore import SOCKET_OPTION

from channels.delivery import addresses, urls

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NotSentError(Exception):
    """Nothing was sent: the receiver has no request to act on."""


class ForbiddenError(NotSentError):
    """The URL, or where its name leads, must not be called: no packet left for it."""


async def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, in the order in which they should be tried.

    Raises:
        OSError, UnicodeError: when it has none, or nobody can tell.

    >>> asyncio.run(resolved("127.0.0.1", 80))
    ['127.0.0.1']
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def judged(host: str, found: Sequence[str]) -> Sequence[str]:
    """Return the addresses of a host where every one of them may be called.

    A host that is written as this machine itself leads to this machine, any other off it.

    Raises:
        ForbiddenError: naming the kind of address, never the address.

    >>> judged("localhost", ["127.0.0.1"]), judged("hooks.example", ["93.184.215.14"])
    (['127.0.0.1'], ['93.184.215.14'])
    >>> judged("hooks.example", ["93.184.215.14", "10.0.0.1"])
    Traceback (most recent call last):
        ...
    channels.delivery.pinned.ForbiddenError: the name leads to an address that is private
    """
    if urls.is_loopback(host):
        if not all(map(addresses.is_loopback, found)):
            raise ForbiddenError("the name leads off this machine")
        return found
    for address in found:
        if kind := addresses.refused(address):
            raise ForbiddenError(f"the name leads to an address that is {kind}")
    return found


class Pinned(httpcore.AsyncNetworkBackend):
    """How a pool of connections reaches the network.

    Args:
        resolve: asked once a connection.
        through: dials addresses; it is never given a name.
    """

    def __init__(
        self, resolve: Resolve = resolved, through: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._resolve = resolve
        self._through = through or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that answers, each having its share of time.

        Raises:
            ForbiddenError: one of them must not be called.
            NotSentError: there is none.
            httpcore.ConnectError, httpcore.ConnectTimeout: none answered.
        """
        try:
            found = judged(host, await self._resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise NotSentError("the name has no address") from error
        share = None if timeout is None else timeout / max(len(found), 1)
        failed: Exception = NotSentError("the name has no address")
        for address in found:
            try:
                return _Dialled(
                    await self._through.connect_tcp(
                        address, port, share, local_address, socket_options
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed


class _Dialled(httpcore.AsyncNetworkStream):
    """A connection that is closed where its handshake is given up.

    httpcore closes it when the handshake fails, not when a time limit around all of it ends: a
    receiver that takes connections and says nothing would then hold one open for each message.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
