"""HTTP as values: what came in and what goes out, whichever server carries it."""

from collections.abc import AsyncIterator, Mapping

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class Request(msgspec.Struct, frozen=True):
    """One request, its body read to the end.

    >>> Request("GET", "/healthz").header(b"origin")
    b''
    """

    method: str
    path: str  # decoded, without the query
    query: bytes = b""
    headers: Mapping[bytes, bytes] = {}  # names in lower case
    body: bytes = b""  # as on the wire, maybe compressed
    scheme: str = "http"  # or https, also where a proxy in front of us speaks it

    def header(self, name: bytes) -> bytes:
        """Return a header's value, `b""` where it was not sent."""
        return self.headers.get(name, b"")


class Response(msgspec.Struct, frozen=True):
    """An answer to a request."""

    status: int
    body: bytes = b""
    headers: Headers = ()


class Streaming(msgspec.Struct, frozen=True):
    """An answer that is sent as it comes into being, until it ends or the client leaves.

    Whoever sends it closes `parts` then, where they can be closed.
    """

    status: int
    parts: AsyncIterator[bytes]
    headers: Headers = ()


Answer = Response | Streaming
