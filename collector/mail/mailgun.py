"""Mailgun: one event a call, with an HMAC over a timestamp and a token, both in the body.

The event itself is not signed. What keeps a signature from carrying another event is that its
token is taken once, so here the replay cache is a part of the proof.
"""

from hashlib import sha256
from hmac import compare_digest
from hmac import new as hmac
from typing import Any

import msgspec

from collector.mail.base import (
    TOLERANCE,
    Meaning,
    Reading,
    Refused,
    Secret,
    Told,
    Verified,
)
from collector.mail.common.fields import (
    address,
    agent,
    decode,
    details,
    hashed,
    instant,
    plain_id,
    text,
    token,
    url,
    word,
)
from collector.mail.common.fresh import seconds, stale
from collector.request import Request

NEEDS = ("signing_key", "tolerance_ms")

EVENTS = {
    "accepted": Meaning("sent"),
    "rejected": Meaning("dropped"),
    "delivered": Meaning("delivered"),
    "failed temporary": Meaning("deferred"),  # Mailgun goes on trying
    "failed permanent": Meaning("bounced", permanent=True),
    "failed soft": Meaning("bounced", permanent=False),  # given up, the address may be good
    "failed suppressed": Meaning("dropped"),  # not tried, because of what happened before
    "opened": Meaning("opened"),
    "clicked": Meaning("clicked"),
    "complained": Meaning("complained"),
    "unsubscribed": Meaning("unsubscribed"),
}


class _Signature(msgspec.Struct, frozen=True):
    timestamp: str
    token: str
    signature: str


class _Event(msgspec.Struct, frozen=True, rename="kebab"):
    event: str
    timestamp: Any
    id: Any = None
    recipient: Any = None
    severity: Any = None
    reason: Any = None
    url: Any = None
    user_variables: Any = None
    client_info: Any = None
    delivery_status: Any = None


class _Call(msgspec.Struct, frozen=True, rename="kebab"):
    signature: _Signature
    event_data: _Event


_call = msgspec.json.Decoder(_Call)


def verify(call: Request, secret: Secret, now_ms: int) -> Verified | Refused:
    """Check the signature of timestamp and token.

    >>> verify(Request("POST", "/", body=b"{}"), Secret(signing_key="k"), 0)
    Refused(reason='Object missing required field `signature`')
    """
    if not secret.signing_key:
        return Refused("no signing key is set")
    body = decode(_call, call.body)
    if isinstance(body, Refused):
        return body
    sent = body.signature
    signed_ms = seconds(sent.timestamp)
    if isinstance(signed_ms, Refused):
        return signed_ms
    late = stale(signed_ms, now_ms, secret.tolerance_ms, TOLERANCE)
    if late:
        return late
    signed = f"{sent.timestamp}{sent.token}"
    right = hmac(secret.signing_key.encode(), signed.encode(), sha256).hexdigest()
    if not sent.token or not compare_digest(right.encode(), sent.signature.encode()):
        return Refused("the signature does not fit timestamp, token and signing key")
    return Verified(hashed(signed), signed_ms + secret.tolerance_ms + 1)


def read(body: bytes) -> Reading | Refused:
    """Read the one event.

    >>> read(b'{"signature":{"timestamp":"","token":"","signature":""},'
    ...      b'"event-data":{"event":"stored","timestamp":1795500040.25}}').ignored
    ('stored',)
    """
    call = decode(_call, body)
    if isinstance(call, Refused):
        return call
    event = call.event_data
    meaning = EVENTS.get(_word(event))
    if meaning is None:
        return Reading(ignored=(word(event.event),))
    time_ms = instant(event.timestamp)
    if time_ms is None:
        return Reading(malformed=("event-data.timestamp: seconds since 1970 were expected",))
    return Reading((_told(event, meaning, time_ms),))


def _word(event: _Event) -> str:
    if event.event != "failed":
        return event.event
    if event.severity == "permanent":
        reason = text(event.reason)
        if reason.startswith("suppress-"):
            return "failed suppressed"
        # "old": tried for as long as Mailgun does, and never refused for good.
        if reason == "old" or _part(event.delivery_status, "bounce-type") == "soft":
            return "failed soft"
    return f"failed {text(event.severity)}"


def _told(event: _Event, meaning: Meaning, time_ms: int) -> Told:
    bot = _part(event.client_info, "bot") if meaning.kind in ("opened", "clicked") else None
    flagged = isinstance(bot, str)
    who, link, server = address(event.recipient), url(event.url), event.delivery_status
    own = plain_id(event.id)
    return Told(
        kind=meaning.kind,
        # Mailgun's ids are unique within a day.
        id=f"{own}.{time_ms}" if own else hashed(event.event, time_ms, who, link),
        time_ms=time_ms,
        token=token(event.user_variables),
        address=who,
        machine=bool(bot) if flagged else None,
        reason=f"client-info.bot {text(bot)}".strip() if flagged else "",
        permanent=meaning.permanent,
        url=link if meaning.kind == "clicked" else "",
        agent=agent(_part(event.client_info, "user-agent")),
        detail=details(event.reason, _part(server, "message"), _part(server, "description")),
    )


def _part(fields: Any, name: str) -> Any:
    return fields.get(name) if type(fields) is dict else None
