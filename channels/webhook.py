"""The webhook channel: the activation as JSON, signed as Standard Webhooks (v1) says.

The receiver drops a second request with the same `webhook-id`, so an answer that got lost is
asked for again.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from channels.base import Channel, Delivered, Later, Message, Outcome, Refused
from channels.delivery import urls
from channels.delivery.options import read
from channels.delivery.pinned import ForbiddenError, NotSentError, resolved
from channels.delivery.retry_after import PAUSE, TOO_MANY, later
from channels.delivery.transport import MaybeSentError, Transport

ADDRESS = None
KEYED = True

TRY_AGAIN = {408, 425, TOO_MANY}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `connect` takes."""

    url: str
    secret: str  # whsec_ and base64 of 24 to 64 bytes
    timeout: float = 10.0  # seconds, for everything together
    now: Any = time.time  # seconds since 1970
    resolve: Any = resolved  # from a name and a port to addresses


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
        self._now: Callable[[], float] = options.now
        self._transport = Transport(options.timeout, resolve=options.resolve)

    def __repr__(self) -> str:
        return f"Webhook(host={urlsplit(self._url).hostname!r})"

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
            answer = await self._transport.post(self._url, headers, body)
        except ForbiddenError as error:
            return Refused(reason=f"url: {error}")
        except (NotSentError, MaybeSentError) as error:  # the receiver drops a second one
            return Later(after=PAUSE, reason=str(error), whose="provider")
        return outcome(answer.status, answer.headers.get("retry-after"), self._now())

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


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
    (Delivered(provider_id=''), Refused(reason='http 410', whose='message'))
    >>> outcome(503, "120", 0.0)
    Later(after=120.0, reason='http 503', whose='provider')
    """
    reason = f"http {status}"
    if 200 <= status < 300:
        return Delivered()
    if status in TRY_AGAIN or status >= 500:
        return later(status, retry_after, now, reason)
    return Refused(reason=reason)


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
