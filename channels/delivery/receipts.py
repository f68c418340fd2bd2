"""What a worker tells the log of a message: that it was sent, that nobody is there, that it failed.

A provider may say the same over its webhook; then it has the same message id, and counts once.
"""

from functools import cache
from typing import Any

from channels.base import Delivered, Outcome, Refused, addresses
from channels.delivery.gate import LOST
from channels.delivery.slot import Expired, Untold
from events.record import ADDRESS_LOST, DELIVERY_FAILED, OFFER_DRAWN, WORKER, Event, own_event

_kinds = cache(addresses)  # each message asks, and they are found by looking at a folder


def tells(channel: str, outcome: Outcome | Expired) -> bool:
    """Say whether the log is to hear of an outcome.

    What a person took back themselves is in the log already, and what reaches no person but a
    system was sent to nobody.

    >>> tells("email", Delivered()), tells("webhook", Delivered())
    (True, False)
    >>> tells("webhook", Refused("http 404")), tells("email", Refused("consent", "person"))
    (True, False)
    """
    match outcome:
        case Delivered():
            return _kinds().get(channel) is not None
        case Refused(whose=whose):
            return whose != "person"
    return False


def receipts(untold: Untold) -> list[Event]:
    """Return what is told of a message; said twice, it counts once."""
    a, at = untold.activation, untold.at
    about = {"message": a.id, "purpose": a.purpose}

    def said(message_id: str, name: str, properties: dict[str, Any]) -> Event:
        return own_event(WORKER, a.leaf, message_id, name, at, properties=properties)

    if untold.state == "delivered":
        if _kinds().get(a.channel) is None:
            return []
        sent = said(f"{a.id}/sent", f"{a.channel}_sent", about)
        if a.drawn is None:
            return [sent]
        return [sent, said(f"{a.id}/drawn", OFFER_DRAWN, {"message": a.id, **a.drawn})]
    failure = {"message": a.id, "channel": a.channel, "reason": untold.detail}
    failed = said(f"failed-{a.id}", DELIVERY_FAILED, failure)
    if untold.state != "bounced" or untold.detail == LOST or a.address is None:
        return [failed]
    bounced = {**about, "permanent": True, "detail": untold.detail}
    lost = {"kind": _kinds()[a.channel], "address": a.address, "reason": "bounced"}
    return [
        said(f"{a.id}/bounced", f"{a.channel}_bounced", bounced),
        said(f"{a.id}/lost", ADDRESS_LOST, lost),
        failed,
    ]
