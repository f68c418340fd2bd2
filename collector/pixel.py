"""Events as an image's address: `<img src=".../pixel/v1/page?writeKey=..&anonymousId=..&properties.path=/">`.

For pages that run no script, such as AMP. A dot in a name leads into an object.
"""

from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from collector.request import Request, Response

FIELDS = 500  # of one address
DEEPEST = 8
# A picture of one transparent point.
_POINT = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
SHOWN = Response(
    200, _POINT, ((b"content-type", b"image/gif"), (b"cache-control", b"no-store, private"))
)


def call(request: Request, now_us: int) -> bytes | None:
    """Return the call that an address makes, as JSON; None where a name is part of another one.

    Each showing is an event of its own: there is nothing in an address that tells a page seen twice
    from an image asked for twice.

    >>> asked = Request("GET", "/pixel/v1/page", b"writeKey=k&anonymousId=a1&properties.path=%2F")
    >>> msgspec.json.decode(call(asked, 5))["properties"]
    {'path': '/'}
    """
    said: dict[str, Any] = {}
    text = request.query.decode("latin-1")
    try:
        pairs = parse_qsl(text, max_num_fields=FIELDS, errors="strict")
    except ValueError:
        return None
    for name, value in pairs:
        if name != "writeKey" and not _put(said, name.split("."), value):
            return None
    context = said.setdefault("context", {})
    agent = request.header(b"user-agent").decode("latin-1")
    if isinstance(context, dict) and agent:
        context.setdefault("userAgent", agent)
    shown = blake2b(f"{now_us} {text}".encode(), digest_size=16).hexdigest()
    return msgspec.json.encode({"messageId": f"pixel-{shown}", **said})


def _put(into: dict[str, Any], path: list[str], value: str) -> bool:
    """Put a value at a path; False where something else is there, or it is too deep."""
    *above, last = path
    if len(above) >= DEEPEST:
        return False
    for part in above:
        inner = into.setdefault(part, {})
        if not isinstance(inner, dict):
            return False
        into = inner
    if isinstance(into.get(last), dict):
        return False
    into[last] = value
    return True
