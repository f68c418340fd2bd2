"""Compressed bodies, opened without trusting them."""

import zlib

import msgspec

_GZIP = b"\x1f\x8b"
_FILE = 31  # of zlib: what it reads is a gzip file
_STEP = 64 * 1024  # bytes that are looked at together: what zlib leaves over, it copies
_MEMBERS = 16  # each one copies what follows it, so a body of empty ones would cost its square


class Caps(msgspec.Struct, frozen=True):
    """Bounds of one request.

    >>> Caps().body_bytes
    4194304
    """

    body_bytes: int = 4 * 1024 * 1024  # on the wire, and inflated
    ratio: int = (
        200  # inflated / compressed, also of a body's beginning; real batches stay below 50
    )
    ratio_from: int = 256 * 1024  # bytes inflated below which no ratio is suspicious
    events: int = 5_000


class TooLarge(msgspec.Struct, frozen=True):
    """The body is, or inflates to, more than is allowed."""

    reason: str


class Corrupt(msgspec.Struct, frozen=True):
    """The body is not what it says it is."""

    reason: str


def inflate(body: bytes, encoding: bytes, caps: Caps) -> bytes | TooLarge | Corrupt:
    """Return the body in the clear; never holds more than `caps.body_bytes` of it.

    gzip is known by its first bytes, because SDKs and proxies get the header wrong both ways.

    >>> import gzip
    >>> inflate(gzip.compress(b"{}"), b"", Caps())
    b'{}'
    >>> inflate(gzip.compress(bytes(10**7)), b"gzip", Caps())
    TooLarge(reason='the body inflates to more than 4194304 bytes or 200 times its size')
    """
    if len(body) > caps.body_bytes:
        return TooLarge(f"the body has more than {caps.body_bytes} bytes")
    if not body.startswith(_GZIP):
        if encoding.strip().lower() in (b"br", b"zstd", b"deflate", b"compress"):
            return Corrupt("Content-Encoding: gzip or none was expected")
        return body
    allowed = min(caps.body_bytes, max(len(body) * caps.ratio, caps.ratio_from))
    try:
        return _members(memoryview(body), allowed, caps)
    except zlib.error as error:
        return Corrupt(f"the gzip body is damaged: {error}")


def _members(body: memoryview, allowed: int, caps: Caps) -> bytes | TooLarge | Corrupt:
    """Inflate a gzip file, which may be several, one behind the other."""
    clear: list[bytes] = []
    size, members, stream = 0, 1, zlib.decompressobj(wbits=_FILE)
    for start in range(0, len(body), _STEP):
        rest: bytes | memoryview = body[start : start + _STEP]
        end, more = start + len(rest), False
        while rest or more:
            if stream.eof:
                members, stream = members + 1, zlib.decompressobj(wbits=_FILE)
                if members > _MEMBERS:
                    return Corrupt(f"the gzip body has more than {_MEMBERS} members")
            most = min(_STEP, allowed + 1 - size)
            clear.append(stream.decompress(rest, most))
            size += len(clear[-1])
            rest = stream.unused_data or stream.unconsumed_tail
            more = len(clear[-1]) == most and not stream.eof  # zlib may hold some back
            # By what was read so far: a bomb is known by its first bytes.
            if size > min(allowed, max((end - len(rest)) * caps.ratio, caps.ratio_from)):
                return TooLarge(
                    f"the body inflates to more than {caps.body_bytes} bytes"
                    f" or {caps.ratio} times its size"
                )
    if not stream.eof:
        return Corrupt("the gzip body ends early")
    return clear[0] if len(clear) == 1 else b"".join(clear)
