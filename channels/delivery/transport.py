"""Requests over HTTP: connections that are kept, one time limit, and how far a request got.

What a request came to is an answer, or one of two errors. Before the first byte of the body is
written the receiver cannot have the request, whatever happens; after it, only an answer tells.
There are no redirects, no proxies and no cookies, and no URL is ever logged: it may be a secret.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

import httpcore
import msgspec

from channels.delivery import urls
from channels.delivery.connections import Connections
from channels.delivery.pinned import ForbiddenError, NotSentError, Pinned, Resolve, resolved

LIMIT = 64 * 1024  # bytes of an answer that are worth keeping the connection for


class MaybeSentError(Exception):
    """The request was written, in part or whole, and nobody can tell what became of it."""


class Answer(msgspec.Struct, frozen=True):
    """What a receiver answered."""

    status: int
    headers: dict[str, str] = {}  # names in lower case
    body: bytes = b""  # its first bytes, up to the limit


class Transport:
    """The connections of one channel.

    Args:
        timeout: seconds, for a request and its answer together, names and handshakes included.
        limit: bytes of an answer that are read.
        resolve: from a name and a port to addresses.
        through: dials addresses.
        trust: whose certificates count; certifi's, if not given.

    >>> asyncio.run(Transport(1.0).post("http://hooks.example/x", {}, b"{}"))
    Traceback (most recent call last):
        ...
    channels.delivery.pinned.ForbiddenError: https was expected, found http
    """

    def __init__(
        self,
        timeout: float,
        *,
        limit: int = LIMIT,
        resolve: Resolve = resolved,
        through: httpcore.AsyncNetworkBackend | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._limit = limit
        self._connections = Connections(
            Pinned(resolve, through), trust or httpcore.default_ssl_context()
        )

    def __repr__(self) -> str:
        return f"Transport(timeout={self._timeout})"

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post a body of at least one byte.

        Args:
            url: where to; checked each time.
            headers: in ASCII; `Host` and `Content-Length` are added.
            body: without it the headers alone would be a request.

        Raises:
            ForbiddenError: the URL must not be called; final.
            NotSentError: the receiver surely does not have it.
            MaybeSentError: nobody can tell.
            ValueError: the body is empty.
        """
        if not body:
            raise ValueError("a body was expected")
        if problem := urls.refused(url):
            raise ForbiddenError(problem)
        sent = _Body(body)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(url, headers, sent)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise sent.failed("time-out") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise sent.failed(type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def _post(self, url: str, headers: Mapping[str, str], body: "_Body") -> Answer:
        given = {
            "host": urlsplit(url).netloc,  # httpcore would leave out the brackets of an IPv6
            "content-length": str(len(body.content)),
            "user-agent": "kairos",
            **headers,
        }
        target = httpcore.URL(url)
        async with (
            self._connections.one(target) as connection,
            connection.stream(
                "POST",
                target,
                headers=list(given.items()),
                content=body,
                extensions={"timeout": {"connect": self._timeout}},
            ) as answer,
        ):
            return Answer(answer.status, _headers(answer), await self._start_of(answer))

    async def _start_of(self, answer: httpcore.Response) -> bytes:
        """Read an answer to its end, so that the connection serves again, or to the limit."""
        found = b""
        async for chunk in answer.aiter_stream():
            found += chunk
            if len(found) > self._limit:
                break
        return found[: self._limit]


class _Body:
    """The bytes of a request, and whether they were asked for yet: the headers are out then."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.begun:
            raise StopAsyncIteration
        self.begun = True
        return self.content

    def failed(self, reason: str) -> NotSentError | MaybeSentError:
        return MaybeSentError(reason) if self.begun else NotSentError(reason)


def _headers(answer: httpcore.Response) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
    }
