"""Twilio SendGrid: an array of events, signed with ECDSA over a timestamp and the raw body."""

import binascii
from base64 import b64decode
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

NEEDS = ("public_key", "tolerance_ms")

EVENTS = {
    "processed": Meaning("sent"),
    "delivered": Meaning("delivered"),
    "deferred": Meaning("deferred"),
    "bounce": Meaning("bounced", permanent=True),
    "bounce blocked": Meaning("bounced", permanent=False),  # turned away; the address may be good
    "dropped": Meaning("dropped"),
    "open": Meaning("opened"),
    "click": Meaning("clicked"),
    "spamreport": Meaning("complained"),
    "unsubscribe": Meaning("unsubscribed"),
    "group_unsubscribe": Meaning("unsubscribed"),
    "group_resubscribe": Meaning("resubscribed"),
}

_SIGNATURE = b"x-twilio-email-event-webhook-signature"
_TIMESTAMP = b"x-twilio-email-event-webhook-timestamp"
_BLOCKED = ("bounce", "blocked")  # event and type
_MOST = 10_000  # events of one call; SendGrid sends a thousand or so


class _Event(msgspec.Struct, frozen=True):
    event: str
    timestamp: Any
    email: Any = None
    kairos_token: Any = None  # custom arguments stand among the fields
    send_id: Any = None
    sg_event_id: Any = None
    sg_message_id: Any = None
    sg_machine_open: Any = None
    type: Any = None
    url: Any = None
    useragent: Any = None
    status: Any = None
    reason: Any = None
    response: Any = None
    asm_group_id: Any = None


_events = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(_Event)


def verify(call: Request, secret: Secret, now_ms: int) -> Verified | Refused:
    """Check the signature over timestamp and body, to the last line break of it.

    >>> verify(Request("POST", "/"), Secret(), 0)
    Refused(reason='no public key is set')
    """
    if not secret.public_key:
        return Refused("no public key is set")
    sent = call.header(_TIMESTAMP)
    signed_ms = seconds(sent.decode("latin-1"))
    if isinstance(signed_ms, Refused):
        return signed_ms
    late = stale(signed_ms, now_ms, secret.tolerance_ms, TOLERANCE)
    if late:
        return late
    signed = sent + call.body
    wrong = _wrong(secret.public_key, call.header(_SIGNATURE), signed)
    if wrong:
        return wrong
    # Not of the signature: whoever has one can compute a second that is as good.
    return Verified(hashed(sent.decode(), call.body), signed_ms + secret.tolerance_ms + 1)


def _wrong(public_key: str, signature: bytes, signed: bytes) -> Refused | None:
    # Importing takes 20 ms, and whoever mails through another provider has no use for it.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        key = load_der_public_key(b64decode(public_key, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return Refused("the public key that is set cannot be read; copy it from SendGrid again")
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        return Refused("the public key that is set is none of the curve P-256")
    try:
        key.verify(b64decode(signature, validate=True), signed, ec.ECDSA(SHA256()))
    except (binascii.Error, ValueError, InvalidSignature):
        return Refused("the signature does not fit timestamp, body and public key")
    return None


def read(body: bytes) -> Reading | Refused:
    """Read each event for itself: one that is malformed takes none with it.

    >>> read(b'[{"event":"open","timestamp":1795500045,"email":"ana@shop.example"},7]').malformed
    ('event 1: Expected `object`, got `int`',)
    """
    events = decode(_events, body)
    if isinstance(events, Refused):
        return events
    if len(events) > _MOST:
        return Refused(f"{len(events)} events, at most {_MOST} were expected")
    told: list[Told] = []
    ignored: list[str] = []
    malformed: list[str] = []
    for number, raw in enumerate(events):
        event = decode(_event, raw)
        if isinstance(event, Refused):
            malformed.append(f"event {number}: {event.reason}")
            continue
        name = "bounce blocked" if (event.event, event.type) == _BLOCKED else event.event
        meaning = EVENTS.get(name)
        if meaning is None:
            ignored.append(word(event.event))
            continue
        time_ms = instant(event.timestamp)
        if time_ms is None:
            malformed.append(f"event {number}: timestamp: seconds since 1970 were expected")
            continue
        told.append(_told(event, meaning, time_ms))
    return Reading(tuple(told), tuple(ignored), tuple(malformed))


def _told(event: _Event, meaning: Meaning, time_ms: int) -> Told:
    said = event.sg_machine_open if meaning.kind == "opened" else None
    who, link = address(event.email), url(event.url)
    group = f"group {event.asm_group_id}" if type(event.asm_group_id) is int else None
    return Told(
        kind=meaning.kind,
        id=plain_id(event.sg_event_id)
        or hashed(event.event, text(event.sg_message_id), who, time_ms, link),
        time_ms=time_ms,
        token=token({"kairos_token": event.kairos_token, "send_id": event.send_id}),
        address=who,
        machine=said if type(said) is bool else None,
        reason="sg_machine_open" if type(said) is bool else "",
        permanent=meaning.permanent,
        url=link if meaning.kind == "clicked" else "",
        agent=agent(event.useragent),
        detail=details(event.status, event.reason, event.response, group),
    )
