"""What became of a message, as its person's profile shows it: when each thing first happened."""

from events.record import DELIVERY_FAILED, Event
from profile_state.leaf import Leaf

MOST = 12  # kinds of receipts of a message
FAILED = "failed"


def note(leaf: Leaf, event: Event) -> None:
    """Remember a receipt of a message that is remembered, in place.

    Args:
        leaf: whose message it is.
        event: such as `email_opened {message}`; anything else changes nothing.
    """
    message = event.properties.get("message")
    if type(message) is not str:
        return
    for sent in reversed(leaf.sent):
        if sent.activation == message:
            break
    else:
        return
    if event.name == DELIVERY_FAILED:
        kind = FAILED
    elif event.name.startswith(f"{sent.channel}_"):
        kind = event.name[len(sent.channel) + 1 :]
    else:
        return
    if "machine" in event.flags:
        kind = f"machine_{kind}"
    known = leaf.receipts.setdefault(message, {})
    if kind in known or len(known) < MOST:
        known[kind] = min(event.time, known.get(kind, event.time))


def prune(leaf: Leaf) -> None:
    """Let go of the receipts of messages that are not remembered any more."""
    if leaf.receipts:
        kept = {sent.activation for sent in leaf.sent}
        leaf.receipts = {name: said for name, said in leaf.receipts.items() if name in kept}
