"""Where SDKs put the write key: in four places, and some in two of them."""

import binascii
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

import msgspec

from collector.request import Request


class _Keyed(msgspec.Struct, frozen=True, rename="camel"):
    write_key: Any = None


_decode = msgspec.json.Decoder(_Keyed).decode


def from_head(request: Request) -> str:
    """Return the key from the Authorization header, else from `?writeKey=`, else `""`.

    Basic with or without the colon; Bearer.

    >>> from_head(Request("POST", "/v1/batch", headers={b"authorization": b"Basic V1JJVEVfS0VZOg=="}))
    'WRITE_KEY'
    >>> from_head(Request("POST", "/v1/batch", b"writeKey=WRITE_KEY"))
    'WRITE_KEY'
    """
    scheme, _, value = request.header(b"authorization").partition(b" ")
    key = ""
    if scheme.lower() == b"basic":
        key = _basic(value.strip())
    elif scheme.lower() == b"bearer":
        key = value.strip().decode("latin-1")
    if not key and b"writeKey=" in request.query:
        key = parse_qs(request.query.decode("latin-1")).get("writeKey", [""])[0]
    return key


def from_body(body: bytes | msgspec.Raw) -> str:
    """Return `writeKey` of a JSON object, `""` where it has none.

    >>> from_body(b'{"writeKey":"k1"}'), from_body(b'{"writeKey":7}'), from_body(b"no")
    ('k1', '', '')
    """
    try:
        key = _decode(body).write_key
    except (msgspec.DecodeError, ValueError, RecursionError):
        return ""  # whoever reads the body next says what is wrong with it
    return key if type(key) is str else ""


def _basic(value: bytes) -> str:
    try:
        return b64decode(value, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
