"""Fields of a provider's event, each bounded and of one type whatever was sent."""

import json
import re
from hashlib import blake2b
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from collector.mail.base import Refused
from events.clock import parse_instant

TOKEN_KEYS = ("kairos_token", "send_id")  # where our token stands, the first that is there

_ADDRESS = 320  # characters; 64 before the @ and 255 behind it
_URL = 2_048  # characters; longer ones are data, not places
_DETAIL = 300  # characters; a diagnostic is a line or two
_AGENT = 512  # characters
_ID = 200  # characters; ids of ours have at most 255 bytes, with a provider's name before it
_WORD = 40  # characters

_TOKEN = re.compile(r"[A-Za-z0-9_.:-]{1,512}")
_PARTS = 8  # of a token, for a provider whose fields are short: Postmark's have 80 characters
_PLAIN_ID = re.compile(r"[!-~]+")  # ASCII that is seen

_encode = msgspec.json.Encoder().encode

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T | Refused:
    r"""Decode JSON, or say why it is none of the expected shape. Of equal keys the last one counts.

    >>> decode(msgspec.json.Decoder(list[int]), b'[1, 2]')
    [1, 2]
    >>> decode(msgspec.json.Decoder(list[str]), rb'["cut \ud83d"]')
    ['cut ?']
    >>> decode(msgspec.json.Decoder(list[int]), b'[1, NaN]').reason
    'JSON is malformed: invalid character (byte 4)'
    >>> decode(msgspec.json.Decoder(list[int]), b'[1, "2"]').reason
    'Expected `int`, got `str` - at `$[1]`'
    """
    answer = _decoded(decoder, body)
    if isinstance(answer, _NoJson):
        mended = _mended(bytes(body))
        if mended is not None:
            answer = _decoded(decoder, mended)
    return Refused(answer.reason) if isinstance(answer, _NoJson) else answer


class _NoJson(Refused, frozen=True):
    """What a second look might mend."""


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw) -> T | Refused:
    try:
        return decoder.decode(body)
    except RecursionError:
        return Refused("JSON is nested too deeply")
    except msgspec.ValidationError as error:
        return Refused(str(error))
    except UnicodeDecodeError as error:
        return Refused(f"not UTF-8: {error.reason}")
    except (msgspec.DecodeError, ValueError) as error:
        return _NoJson(str(error))


def _mended(body: bytes) -> bytes | None:
    """Return JSON without the halves of surrogate pairs; None where that is not what is wrong.

    A text that a provider cut in the middle of an emoji is no reason to lose a call, least of all
    the thousand events beside it.
    """
    if b"\\u" not in body:
        return None
    try:
        loaded = json.loads(body, parse_constant=_no_number)
        return json.dumps(loaded, ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):
        return None


def _no_number(name: str) -> None:
    raise ValueError(name)


def token(fields: Any) -> str:
    """Return our token from what we sent along, `""` where there is none.

    One that is longer than a provider's fields goes on in fields with a number behind the name.

    >>> token({"send_id": "s-77", "campaign": "sale"}), token({"kairos_token": "a b"}), token(None)
    ('s-77', '', '')
    >>> token({"send_id": ["s-77"]})  # SES has lists
    's-77'
    >>> token({"kairos_token": "begin", "kairos_token_2": "-end", "kairos_token_4": "other"})
    'begin-end'
    """
    if type(fields) is not dict:
        return ""
    for key in TOKEN_KEYS:
        found = _one_text(fields.get(key))
        for number in range(2, _PARTS + 1):
            more = _one_text(fields.get(f"{key}_{number}"))
            if not found or not more:
                break
            found += more
        if _TOKEN.fullmatch(found):
            return found
    return ""


def _one_text(value: Any) -> str:
    if type(value) is list and len(value) == 1:
        value = value[0]
    return value if type(value) is str else ""


def text(value: Any, most: int = _DETAIL) -> str:
    r"""Return a text as one line of at most `most` characters, `""` for what is no text.

    >>> text("550 5.1.1\r\nuser unknown"), text(None), text({"a": 1})
    ('550 5.1.1 user unknown', '', '')
    """
    if type(value) is not str:
        return ""
    head = value[: 2 * most]  # a long one is not worth looking at
    return " ".join("".join(c if c.isprintable() else " " for c in head).split())[:most].rstrip()


def agent(value: Any) -> str:
    """Return a user agent, `""` for what is no text."""
    return text(value, _AGENT)


def word(value: str) -> str:
    """Return a provider's word for a person's eyes, cut where it is none."""
    return text(value, _WORD)


def details(*values: Any) -> str:
    """Return what there is of several texts, as one.

    >>> details("5.1.1", None, "no such user")
    '5.1.1, no such user'
    """
    return ", ".join(filter(None, map(text, values)))[:_DETAIL]


def address(value: Any) -> str:
    r"""Return an address as written, `""` for what cannot be one.

    >>> address(" ana@shop.example "), address("ana"), address("a@b\r\nBcc: c@d")
    ('ana@shop.example', '', '')
    """
    if type(value) is not str or len(value) > _ADDRESS or "@" not in value:
        return ""
    bare = value.strip()
    return bare if bare.isprintable() else ""


def url(value: Any) -> str:
    """Return a link that a browser may be sent to, `""` for anything else.

    >>> url("https://shop.example/sale?a=1"), url("javascript:alert(1)"), url("https://[x")
    ('https://shop.example/sale?a=1', '', '')
    """
    if type(value) is not str or len(value) > _URL or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.netloc else ""


def instant(value: Any) -> int | None:
    """Return a time in ms since 1970, None where it is none; see `events.clock.parse_instant`.

    >>> instant(1795500040.25), instant("2026-11-24T06:00:40.5Z"), instant(True)
    (1795500040250, 1795500040500, None)
    """
    return parse_instant(value)


def plain_id(value: Any) -> str:
    """Return a provider's id, `""` where it is not one that can be kept.

    >>> plain_id("ZXZ0LTAx"), plain_id(9001), plain_id(""), plain_id("a b")
    ('ZXZ0LTAx', '9001', '', '')
    """
    if type(value) is int and 0 <= value < 2**63:
        value = str(value)
    return value if type(value) is str and len(value) <= _ID and _PLAIN_ID.fullmatch(value) else ""


def hashed(*parts: str | int | bytes) -> str:
    """Return a name of 32 hex digits for these parts, for events and calls without one.

    >>> hashed("open", 5) == hashed("open", 5), hashed("open", 5) == hashed("open5"), len(hashed())
    (True, False, 32)
    """
    return blake2b(_encode(parts), digest_size=16).hexdigest()
