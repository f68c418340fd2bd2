"""The two shapes of an answer. Every SDK reads them; some crash on any other."""

from typing import Any

import msgspec

from collector.request import Response

JSON = (b"content-type", b"application/json")
RETRY_SECONDS = 5  # SDKs wait at most 300; the log's own restart takes less than this

_encode = msgspec.json.encode


def success(**fields: Any) -> Response:
    """Answer exactly 200: RudderStack's Python SDK sends again after a 202.

    >>> success(accepted=2).body
    b'{"success":true,"accepted":2}'
    """
    return Response(200, _encode({"success": True, **fields}), (JSON,))


def failure(status: int, code: str, message: str, *, after: int = RETRY_SECONDS) -> Response:
    """Answer an error; 429 and 503 carry Retry-After.

    Without `code` and `message` RudderStack's Python SDK fails on a KeyError and retries.

    >>> failure(404, "not_found", "no such path").body
    b'{"success":false,"code":"not_found","message":"no such path"}'
    """
    body = _encode({"success": False, "code": code, "message": message})
    retry = ((b"retry-after", str(after).encode()),) if status in (429, 503) else ()
    return Response(status, body, (JSON, *retry))
