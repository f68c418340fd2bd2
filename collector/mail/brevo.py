"""Brevo: one event a call, and nothing signed."""

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

EVENTS = {
    "request": Meaning("sent"),
    "delivered": Meaning("delivered"),
    "deferred": Meaning("deferred"),
    "hard_bounce": Meaning("bounced", permanent=True),
    "soft_bounce": Meaning("bounced", permanent=False),
    "invalid_email": Meaning("bounced", permanent=True),
    "blocked": Meaning("dropped"),  # on Brevo's own list; not tried
    "error": Meaning("dropped"),
    "opened": Meaning("opened", machine=False),
    "unique_opened": Meaning("opened", machine=False),
    "proxy_open": Meaning("opened", machine=True),
    "unique_proxy_open": Meaning("opened", machine=True),
    "click": Meaning("clicked"),
    "spam": Meaning("complained"),
    "complaint": Meaning("complained"),
    "unsubscribed": Meaning("unsubscribed"),
    "unsubscribe": Meaning("unsubscribed"),
}


class _Event(msgspec.Struct, frozen=True):
    event: str
    email: Any = None
    message_id: Any = msgspec.field(default=None, name="message-id")
    custom: Any = msgspec.field(default=None, name="X-Mailin-custom")
    ts_epoch: Any = None
    ts_event: Any = None
    link: Any = None
    reason: Any = None
    user_agent: Any = None


_event = msgspec.json.Decoder(_Event)
_custom = msgspec.json.Decoder(dict[str, Any])


def verify(call: Request, secret: Secret, now_ms: int) -> Verified | Refused:  # noqa: ARG001 - nothing has a time
    """Check the password, token or header that is set.

    >>> verify(Request("POST", "/"), Secret(), 0).reason
    'nothing is set: a password, a bearer token or a header is needed'
    """
    return passwords.verify(call, secret)


def read(body: bytes) -> Reading | Refused:
    """Read the one event.

    >>> read(b'{"event":"list_addition"}').ignored
    ('list_addition',)
    """
    event = decode(_event, body)
    if isinstance(event, Refused):
        return event
    meaning = EVENTS.get(event.event)
    if meaning is None:
        return Reading(ignored=(word(event.event),))
    # `date` is in the account's time zone, and says not which. `ts_epoch` was seen in seconds.
    time_ms = instant(event.ts_epoch)
    if time_ms is None:
        time_ms = instant(event.ts_event)
    if time_ms is None:
        return Reading(malformed=("ts_epoch: milliseconds since 1970 were expected",))
    return Reading((_told(event, meaning, time_ms),))


def _told(event: _Event, meaning: Meaning, time_ms: int) -> Told:
    who, link = address(event.email), url(event.link)
    return Told(
        kind=meaning.kind,
        id=hashed(event.event, text(event.message_id), who, time_ms, link),
        time_ms=time_ms,
        token=_token(event.custom),
        address=who,
        machine=meaning.machine,
        reason="" if meaning.machine is None else event.event,
        permanent=meaning.permanent,
        url=link if meaning.kind == "clicked" else "",
        agent=agent(event.user_agent),
        detail=details(event.reason),
    )


def _token(custom: Any) -> str:
    """Return our token from the header's text, which is JSON where we wrote it."""
    if type(custom) is not str:
        return ""
    fields = decode(_custom, custom.encode(errors="replace"))
    return "" if isinstance(fields, Refused) else token(fields)
