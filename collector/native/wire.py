"""Bytes of answers, and what a request's target means. No I/O."""

from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

import httptools

from collector.request import Headers, Response

CLOSE = b"connection: close\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
_PLAIN = 256  # bytes of a target that is worth remembering


@lru_cache(maxsize=512)  # an installation gives few different answers; an origin is part of one
def _head(status: int, headers: Headers) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % field for field in headers)
    return b"HTTP/1.1 %d %b\r\n%b" % (status, HTTPStatus(status).phrase.encode(), lines)


def whole(answer: Response, date: bytes, *, head_only: bool, close: bool) -> bytes:
    r"""Write an answer.

    >>> whole(Response(200, b"{}"), b"date: D\r\n", head_only=False, close=False)
    b'HTTP/1.1 200 OK\r\ndate: D\r\ncontent-length: 2\r\n\r\n{}'
    """
    # A 204 has none, and that of a 304 would be the length of what it spares.
    bare = answer.status in (204, 304)
    length = b"" if bare else b"content-length: %d\r\n" % len(answer.body)
    body = b"" if head_only else answer.body
    end = CLOSE + b"\r\n" if close else b"\r\n"
    return b"".join((_head(answer.status, answer.headers), date, length, end, body))


def begun(status: int, headers: Headers, date: bytes, *, chunked: bool, close: bool) -> bytes:
    """Write the head of an answer whose length nobody knows."""
    coding = b"transfer-encoding: chunked\r\n" if chunked else b""
    return b"".join((_head(status, headers), date, coding, CLOSE if close else b"", b"\r\n"))


def chunk(part: bytes) -> bytes:
    r"""Write a part of such an answer.

    >>> chunk(b"abc")
    b'3\r\nabc\r\n'
    """
    return b"%x\r\n%b\r\n" % (len(part), part)


def target(url: bytes) -> tuple[str, bytes]:
    """Split a request's target into the path, decoded, and the query.

    Raises:
        httptools.HttpParserInvalidURLError: it is none.

    >>> target(b"/v1/t?writeKey=k"), target(b"http://host/a%20b")
    (('/v1/t', b'writeKey=k'), ('/a b', b''))
    """
    return _remembered(url) if len(url) <= _PLAIN else _target(url)


def _target(url: bytes) -> tuple[str, bytes]:
    parsed = httptools.parse_url(url)
    path = (parsed.path or b"").decode("ascii")
    return (unquote(path) if "%" in path else path), parsed.query or b""


_remembered = lru_cache(maxsize=512)(_target)
