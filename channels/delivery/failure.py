"""What a worker says in the log of a message that never will arrive."""

from events.record import DELIVERY_FAILED, WORKER, Event, own_event
from triggers.activation import Activation


def failure(activation: Activation, reason: str, now: int) -> Event:
    """Say that a message failed for good; said twice, it counts once.

    Args:
        activation: whose message it is.
        reason: of the delivery ledger; nothing personal.
        now: ms.
    """
    told = {"message": activation.id, "channel": activation.channel, "reason": reason}
    name = f"failed-{activation.id}"
    return own_event(WORKER, activation.leaf, name, DELIVERY_FAILED, now, properties=told)
