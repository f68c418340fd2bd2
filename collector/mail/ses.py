"""Amazon SES over SNS: one event a call, in an envelope that is signed with RSA."""

from collections.abc import Mapping
from typing import Any

import msgspec

from collector.mail.base import (
    Confirmation,
    Meaning,
    Reading,
    Refused,
    Secret,
    Told,
    Verified,
)
from collector.mail.common import sns
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
from collector.request import Request

NEEDS = ("topic", "certificate", "certificate_url", "tolerance_ms")

# An address on a suppression list is told as a bounce or a complaint, though nothing was sent. A
# complaint `not-spam` is somebody who takes a message out of their spam folder.
EVENTS = {
    "Send": Meaning("sent"),
    "Delivery": Meaning("delivered"),
    "DeliveryDelay": Meaning("deferred"),
    "Bounce Permanent": Meaning("bounced", permanent=True),
    "Bounce Transient": Meaning("bounced", permanent=False),
    "Bounce Undetermined": Meaning("bounced"),
    "Bounce suppressed": Meaning("dropped"),
    "Reject": Meaning("dropped"),
    "Rendering Failure": Meaning("dropped"),
    "Open": Meaning("opened"),
    "Click": Meaning("clicked"),
    "Complaint": Meaning("complained"),
    "Complaint suppressed": Meaning("dropped"),
    "Subscription out": Meaning("unsubscribed"),
    "Subscription in": Meaning("resubscribed"),
}

_SUPPRESSED = ("Suppressed", "OnAccountSuppressionList")
# Where each event keeps what is its own; `Send` has nothing but the message.
_OWN = {
    "Delivery": "delivery",
    "DeliveryDelay": "delivery_delay",
    "Bounce": "bounce",
    "Reject": "reject",
    "Rendering Failure": "failure",
    "Open": "open",
    "Click": "click",
    "Complaint": "complaint",
    "Subscription": "subscription",
}
_RECIPIENTS = {
    "Delivery": "recipients",
    "DeliveryDelay": "delayedRecipients",
    "Bounce": "bouncedRecipients",
    "Complaint": "complainedRecipients",
}
_MOST = 50  # recipients of one message, by SES's own bound

Fields = dict[str, Any]


class _Mail(msgspec.Struct, frozen=True):
    timestamp: Any = None
    message_id: Any = msgspec.field(default=None, name="messageId")
    destination: Any = None
    tags: Any = None


class _Event(msgspec.Struct, frozen=True, rename="camel"):
    mail: _Mail
    event_type: str | None = None
    notification_type: str | None = None  # of the older notifications
    delivery: Fields | None = None
    delivery_delay: Fields | None = None
    bounce: Fields | None = None
    reject: Fields | None = None
    failure: Fields | None = None
    open: Fields | None = None
    click: Fields | None = None
    complaint: Fields | None = None
    subscription: Fields | None = None


_event = msgspec.json.Decoder(_Event)


def verify(call: Request, secret: Secret, now_ms: int) -> Verified | Refused:
    """Check topic, time, certificate and signature; `Wanted` says which certificate it takes.

    >>> verify(Request("POST", "/"), Secret(), 0)
    Refused(reason='no topic is set; the ARN of the one that may post is needed')
    """
    return sns.verify(call.body, secret, now_ms)


def read(body: bytes) -> Reading | Confirmation | Refused:
    """Read the event in an envelope, or that SNS asks whether it may post.

    >>> read(b'{"Type":"Notification"}').reason
    'Object missing required field `MessageId`; raw message delivery must be off'
    """
    envelope = sns.opened(body)
    if isinstance(envelope, Refused):
        return envelope
    match envelope.type:
        case "SubscriptionConfirmation":
            return _confirmation(envelope.subscribe_url or "")
        case "Notification":
            return _event_in(envelope)
        case _:
            return Reading(ignored=(word(envelope.type),))


def _confirmation(url: str) -> Confirmation | Refused:
    if not sns.confirms(url):
        return Refused("SubscribeURL: https://sns.REGION.amazonaws.com/?Action=… was expected")
    return Confirmation(url)


def _event_in(envelope: sns.Envelope) -> Reading | Refused:
    event = decode(_event, envelope.message.encode(errors="replace"))
    if isinstance(event, Refused):
        return Refused(f"Message: {event.reason}")
    kind = event.event_type or event.notification_type or ""
    own: Fields = getattr(event, _OWN[kind]) or {} if kind in _OWN else {}
    name = _word(kind, own)
    meaning = EVENTS.get(name)
    if meaning is None:
        return Reading(ignored=(word(name),))
    time_ms = instant(own.get("timestamp", event.mail.timestamp))
    if time_ms is None:
        return Reading(malformed=(f"{kind}: its timestamp was expected, in ISO 8601",))
    base = plain_id(envelope.message_id) or hashed(envelope.message)
    told = Told(
        kind=meaning.kind,
        id=base,
        time_ms=time_ms,
        token=token(event.mail.tags),
        permanent=meaning.permanent,
        url=url(own.get("link")) if meaning.kind == "clicked" else "",
        agent=agent(own.get("userAgent")) if meaning.kind in ("opened", "clicked") else "",
        detail=_detail(own),
    )
    replace = msgspec.structs.replace
    return Reading(
        tuple(
            # SNS names the call; those behind the first recipient need a name of their own.
            replace(told, address=who, id=f"{base}.{n}" if n else base, detail=said or told.detail)
            for n, (who, said) in enumerate(_recipients(kind, own, event.mail))
        )
    )


def _word(kind: str, own: Fields) -> str:
    match kind:
        case "Bounce" if own.get("bounceSubType") in _SUPPRESSED:
            return "Bounce suppressed"
        case "Bounce":
            return f"Bounce {text(own.get('bounceType'))}"
        case "Complaint" if own.get("complaintSubType") in _SUPPRESSED:
            return "Complaint suppressed"
        case "Complaint" if own.get("complaintFeedbackType") == "not-spam":
            return "Complaint not-spam"
        case "Subscription":
            return f"Subscription {_direction(own)}".strip()
        case _:
            return kind


def _direction(own: Fields) -> str:
    """Say whether somebody left or came back; of both at once, that they left."""
    new, old = _preferences(own, "new"), _preferences(own, "old")
    if any(new[topic] and not old.get(topic) for topic in new):
        return "out"
    return "in" if any(not new[topic] and old.get(topic) for topic in new) else ""


def _preferences(own: Fields, which: str) -> Mapping[str, bool]:
    """Return whether somebody is out of each topic, and under `""` of everything."""
    said = own.get(f"{which}TopicPreferences")
    if type(said) is not dict:
        return {}
    topics = said.get("topicSubscriptionStatus")
    return {"": said.get("unsubscribeAll") is True} | {
        topic["topicName"]: topic.get("subscriptionStatus") == "OptOut"
        for topic in (topics if type(topics) is list else ())
        if type(topic) is dict and type(topic.get("topicName")) is str
    }


def _recipients(kind: str, own: Fields, mail: _Mail) -> list[tuple[str, str]]:
    """Return each address with what was said of it; one without a name where nobody can tell."""
    named = own.get(_RECIPIENTS.get(kind, ""))
    several = [_recipient(one) for one in named[:_MOST]] if type(named) is list else []
    if several:
        return several
    to = mail.destination[:_MOST] if type(mail.destination) is list else []
    if kind in ("Open", "Click", "Complaint", "Subscription") and len(to) != 1:
        return [("", "")]  # one of them, and SES does not say which
    return [(address(one), "") for one in to] or [("", "")]


def _recipient(one: Any) -> tuple[str, str]:
    if type(one) is not dict:
        return address(one), ""
    return address(one.get("emailAddress")), details(one.get("status"), one.get("diagnosticCode"))


def _detail(own: Fields) -> str:
    return details(
        own.get("smtpResponse"),
        own.get("bounceSubType"),
        own.get("delayType"),
        own.get("reason"),
        own.get("errorMessage"),
        own.get("complaintFeedbackType"),
        own.get("contactList"),
    )
