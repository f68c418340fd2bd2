"""What a worker says in the log of a message that never will arrive."""

from events.record import DELIVERY_FAILED, VERIFIED, WORKER, Event, event_key
from triggers.activation import Activation

DIGEST = bytes(8)  # whatever a later copy says, the first one counts


def failure(activation: Activation, reason: str, now: int) -> Event:
    """Say that a message failed for good; said twice, it counts once.

    Args:
        activation: whose message it is.
        reason: of the delivery ledger; nothing personal.
        now: ms.
    """
    leaf, message_id = activation.leaf, f"failed-{activation.id}"
    return Event(
        message_id=message_id,
        source=WORKER,
        trust=VERIFIED,
        kind="track",
        name=DELIVERY_FAILED,
        leaf=leaf,
        ids=(leaf,),
        time=now,
        accepted_us=now * 1000,
        key=event_key(WORKER, leaf, message_id),
        digest=DIGEST,
        properties={"message": activation.id, "channel": activation.channel, "reason": reason},
    )
