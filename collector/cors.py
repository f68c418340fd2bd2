"""Let every website send: a write key is public, and no answer reads anything back.

The headers are on errors too; without them a browser SDK sees a network failure and retries a 400.
"""

import re
from typing import TypeVar

import msgspec

from collector.request import Headers, Request, Response, Streaming

_A = TypeVar("_A", Response, Streaming)

_ECHOED = re.compile(rb"[\x20-\x7e]{1,1024}")  # a header's value must not break the answer


def preflight(request: Request) -> Response:
    """Answer OPTIONS: all that was asked for.

    `*` would not cover Authorization, so the list is echoed.

    >>> asked = {b"origin": b"https://shop.example", b"access-control-request-headers": b"sentat"}
    >>> dict(preflight(Request("OPTIONS", "/v1/t", headers=asked)).headers)[
    ...     b"access-control-allow-headers"
    ... ]
    b'sentat'
    """
    headers: Headers = (
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-max-age", b"7200"),  # seconds; Chromium's ceiling
    )
    wanted = request.header(b"access-control-request-headers")
    if _ECHOED.fullmatch(wanted):
        headers = (*headers, (b"access-control-allow-headers", wanted))
    return Response(200, b"", headers)


def with_cors(request: Request, answer: _A) -> _A:
    """Add what lets the asking page read the answer.

    >>> with_cors(Request("GET", "/healthz"), Response(200)).headers
    ((b'vary', b'Origin'),)
    """
    origin = request.header(b"origin")
    extra: Headers = ((b"vary", b"Origin"),)
    if _ECHOED.fullmatch(origin):
        extra = (
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"Retry-After"),
            *extra,
        )
    return msgspec.structs.replace(answer, headers=answer.headers + extra)
