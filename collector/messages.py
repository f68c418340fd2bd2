"""Events of the person whom a message went to, whoever tells what became of it."""

from typing import Any

from collector.mail.base import Told
from events.record import MARKETING, TRANSACTIONAL_PURPOSE, Event, own_event
from events.sealed import Sealed

CHANNEL = "email"
UNSUBSCRIBED = "unsubscribed"


def event_of(
    whose: Sealed, name: str, message_id: str, said: dict[str, Any], now_us: int, **fields: Any
) -> Event:
    """Make an event of a message's person, which counts as a server's would.

    Args:
        whose: the message.
        name: a slug.
        message_id: said again, the first one counts.
        said: its properties; what is "" or None is left out.
        now_us: when it was told, us.
        fields: `source`, `time` in ms, and what else `own_event` takes.

    >>> one = Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "news", "user_id:u1")
    >>> event_of(one, "email_opened", "m1", {"url": ""}, 5_000, source="kairos:mail", time=4).properties
    {}
    """
    properties = {key: value for key, value in said.items() if value not in ("", None)}
    return own_event(
        leaf=whose.leaf, message_id=message_id, name=name, properties=properties,
        accepted_us=now_us, **fields,
    )  # fmt: skip


def happened(whose: Sealed, told: Told, message_id: str, now_us: int, *, source: str) -> Event:
    """Say what became of a message, and whether a machine did it."""
    said = {
        "message": whose.activation,
        "purpose": whose.purpose,
        "machine": told.machine,
        "machine_reason": told.reason,
        "permanent": told.permanent,
        "url": told.url,
        "detail": told.detail,
    }
    return event_of(
        whose, f"{whose.channel}_{told.kind}", message_id, said, now_us,
        source=source,
        time=min(told.time_ms, now_us // 1000),
        flags=("machine",) if told.machine else (),
    )  # fmt: skip


def withdrawn(whose: Sealed) -> dict[str, str]:
    """Return what who wants no more of a message takes back: its purpose, on its channel.

    >>> withdrawn(Sealed("", "email", "transactional", "user_id:u1"))["purpose"]
    'marketing'
    """
    return {
        "channel": whose.channel,
        "purpose": MARKETING if whose.purpose in ("", TRANSACTIONAL_PURPOSE) else whose.purpose,
        "message": whose.activation,
    }
