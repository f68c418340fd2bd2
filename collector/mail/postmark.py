"""Postmark: one record a call, and nothing signed."""

from typing import Any

import msgspec

from collector.mail.base import Meaning, Reading, Refused, Secret, Told, Verified
from collector.mail.common import passwords
from collector.mail.common.fields import (
    address,
    agent,
    decode,
    details,
    hashed,
    instant,
    text,
    token,
    url,
    word,
)
from collector.request import Request

NEEDS = passwords.NEEDS

# Answers of other people's machines (`Bounce AutoResponder`, …) say nothing of the message. A
# suppression because of a bounce or a complaint is told by a record of its own beside this one.
EVENTS = {
    "Delivery": Meaning("delivered"),
    "Open": Meaning("opened"),
    "Click": Meaning("clicked"),
    "SpamComplaint": Meaning("complained"),
    "SubscriptionChange ManualSuppression": Meaning("unsubscribed"),
    "SubscriptionChange lifted": Meaning("resubscribed"),
    "Bounce HardBounce": Meaning("bounced", permanent=True),
    "Bounce BadEmailAddress": Meaning("bounced", permanent=True),
    "Bounce SoftBounce": Meaning("bounced", permanent=False),
    "Bounce Blocked": Meaning("bounced", permanent=False),
    "Bounce SpamNotification": Meaning("bounced", permanent=False),  # taken for spam by a server
    "Bounce VirusNotification": Meaning("bounced", permanent=False),
    "Bounce DMARCPolicy": Meaning("bounced", permanent=False),
    "Bounce Unknown": Meaning("bounced"),
    "Bounce Transient": Meaning("deferred"),
    "Bounce DnsError": Meaning("deferred"),
    "Bounce SpamComplaint": Meaning("complained"),
    "Bounce Unsubscribe": Meaning("unsubscribed"),
    "Bounce Subscribe": Meaning("resubscribed"),
    "Bounce ManuallyDeactivated": Meaning("dropped"),
    "Bounce Unconfirmed": Meaning("dropped"),
    "Bounce SMTPApiError": Meaning("dropped"),
    "Bounce TemplateRenderingFailed": Meaning("dropped"),
}


class _Record(msgspec.Struct, frozen=True, rename="pascal"):
    record_type: str
    message_id: Any = msgspec.field(default=None, name="MessageID")
    id: Any = msgspec.field(default=None, name="ID")
    metadata: Any = None
    recipient: Any = None
    email: Any = None  # of bounces and complaints
    type: Any = None
    delivered_at: Any = None
    received_at: Any = None
    bounced_at: Any = None
    changed_at: Any = None
    suppress_sending: Any = None
    suppression_reason: Any = None
    original_link: Any = None
    user_agent: Any = None
    details: Any = None
    description: Any = None
    origin: Any = None


_record = msgspec.json.Decoder(_Record)


def verify(call: Request, secret: Secret, now_ms: int) -> Verified | Refused:  # noqa: ARG001 - nothing has a time
    """Check the password, token or header that is set.

    >>> verify(Request("POST", "/"), Secret(), 0).reason
    'nothing is set: a password, a bearer token or a header is needed'
    """
    return passwords.verify(call, secret)


def read(body: bytes) -> Reading | Refused:
    """Read the one record.

    >>> read(b'{"RecordType":"Bounce","Type":"AutoResponder"}')
    Reading(told=(), ignored=('Bounce AutoResponder',), malformed=())
    """
    record = decode(_record, body)
    if isinstance(record, Refused):
        return record
    name = _word(record)
    meaning = EVENTS.get(name)
    if meaning is None:
        return Reading(ignored=(word(name),))
    sent = _time(record)
    time_ms = instant(sent)
    if time_ms is None:
        return Reading(malformed=(f"{record.record_type}: its time was expected, in ISO 8601",))
    return Reading((_told(record, name, meaning, time_ms),))


def _word(record: _Record) -> str:
    if record.record_type == "Bounce":
        return f"Bounce {text(record.type)}"
    if record.record_type == "SubscriptionChange":
        if record.suppress_sending is False:
            return "SubscriptionChange lifted"
        return f"SubscriptionChange {text(record.suppression_reason)}"
    return record.record_type


def _time(record: _Record) -> Any:
    match record.record_type:
        case "Delivery":
            return record.delivered_at
        case "Open" | "Click":
            return record.received_at
        case "SubscriptionChange":
            return record.changed_at
        case _:
            return record.bounced_at


def _told(record: _Record, name: str, meaning: Meaning, time_ms: int) -> Told:
    who = address(record.recipient) or address(record.email)
    link = url(record.original_link)
    client = agent(record.user_agent)
    message = text(record.message_id)
    number = record.id if type(record.id) is int else 0
    return Told(
        kind=meaning.kind,
        id=hashed(name, message, str(number), who, time_ms, link, client),
        time_ms=time_ms,
        token=token(record.metadata),
        address=who,
        permanent=meaning.permanent,
        url=link if meaning.kind == "clicked" else "",
        agent=client,
        detail=details(record.details, record.description, record.origin),
    )
