"""The webhook channel: the activation as JSON, signed as Standard Webhooks (v1) says.

The receiver drops a second request with the same `webhook-id`, so an answer that got lost is
asked for again.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx
import msgspec
import orjson

from channels.base import Channel, Delivered, Later, Message, Outcome, Refused
from channels.delivery import urls
from channels.delivery.options import read

ADDRESS = None
KEYED = True

DAY = 86_400.0  # seconds; no Retry-After holds longer
PAUSE = 5.0  # seconds to wait where the receiver names none; the worker's back-off comes on top
ANSWER_LIMIT = 64 * 1024  # bytes of an answer that are worth keeping the connection for
TOO_MANY = 429
TRY_AGAIN = {408, 425, TOO_MANY}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `connect` takes."""

    url: str
    secret: str  # whsec_ and base64 of 24 to 64 bytes
    timeout: float = 10.0  # seconds, for everything together
    now: Any = time.time  # seconds since 1970


def connect(options: Mapping[str, Any]) -> Channel:
    """Return the channel.

    Raises:
        ValueError: when an option is missing or wrong.
    """
    chosen = read("webhook", options, Options)
    if problem := urls.refused(chosen.url):
        raise ValueError(f"channel webhook: url: {problem}")
    return Webhook(chosen)


class Webhook:
    """One endpoint, its connections kept open."""

    def __init__(self, options: Options) -> None:
        self._url = options.url
        self._secret = _secret(options.secret)
        self._timeout = options.timeout
        self._now: Callable[[], float] = options.now
        self._client = httpx.AsyncClient(
            timeout=options.timeout,
            follow_redirects=False,  # a redirect would lead past the check of the URL
            trust_env=False,  # nor may a proxy from the environment see what we send
        )

    def __repr__(self) -> str:
        return f"Webhook(host={httpx.URL(self._url).host!r})"

    async def deliver(self, message: Message) -> Outcome:
        """Post the payload."""
        if not (message.id.isascii() and message.id.isprintable()):
            return Refused(reason="id cannot be a header")
        try:
            body = orjson.dumps(message.payload)
        except TypeError:
            return Refused(reason="payload is not JSON")
        at = int(self._now())
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(at),
            "webhook-signature": signature(self._secret, message.id, at, body),
        }
        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(headers, body)
        except (TimeoutError, httpx.TimeoutException):
            return Later(after=PAUSE, reason="time-out", whose="provider")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return Later(after=PAUSE, reason=type(error).__name__, whose="provider")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _post(self, headers: dict[str, str], body: bytes) -> Outcome:
        async with self._client.stream("POST", self._url, headers=headers, content=body) as answer:
            size = 0
            async for chunk in answer.aiter_raw():  # read to its end, the connection serves again
                size += len(chunk)
                if size > ANSWER_LIMIT:
                    break
            return outcome(answer.status_code, answer.headers.get("retry-after"), self._now())


def signature(secret: bytes, message_id: str, at: int, body: bytes) -> str:
    """Sign a request.

    >>> signature(b"k" * 24, "1", 0, b"{}")
    'v1,iZN8Uiv54EswuSjy24Ua0PM2JSU8sY1AztqHKwqccvE='
    """
    signed = b"%s.%d.%s" % (message_id.encode(), at, body)
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def outcome(status: int, retry_after: str | None, now: float) -> Outcome:
    """Say what an answer means.

    >>> outcome(204, None, 0.0), outcome(410, None, 0.0)
    (Delivered(provider_id=''), Refused(reason='http 410'))
    >>> outcome(503, "120", 0.0)
    Later(after=120.0, reason='http 503', whose='provider')
    """
    reason = f"http {status}"
    if 200 <= status < 300:
        return Delivered()
    if status in TRY_AGAIN or status >= 500:
        whose: Literal["pace", "provider"] = "pace" if status == TOO_MANY else "provider"
        return Later(after=pause(retry_after, now), reason=reason, whose=whose)
    return Refused(reason=reason)


def pause(retry_after: str | None, now: float) -> float:
    """Read a Retry-After header: seconds or an HTTP date, at most a day.

    >>> pause("Thu, 01 Jan 1970 00:02:00 GMT", 60.0), pause("999999", 0.0), pause("soon", 0.0)
    (60.0, 86400.0, 5.0)
    """
    if retry_after is None:
        return PAUSE
    if retry_after.isascii() and retry_after.strip().isdigit():
        return min(float(retry_after), DAY)
    try:
        wanted = parsedate_to_datetime(retry_after)
        seconds = wanted.replace(tzinfo=wanted.tzinfo or UTC).timestamp() - now
    except (ValueError, OverflowError):
        return PAUSE
    return min(max(seconds, 0.0), DAY)


def _secret(text: str) -> bytes:
    found = "`whsec_` and the base64 of 24 to 64 bytes were expected"
    if not text.startswith("whsec_"):
        raise ValueError(f"channel webhook: secret: {found}")
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError(f"channel webhook: secret: {found}") from error
    if not 24 <= len(secret) <= 64:
        raise ValueError(f"channel webhook: secret: {found}, found {len(secret)} bytes")
    return secret
