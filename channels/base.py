"""What a channel is: one verb that turns a rendered message into an outcome."""

from typing import Any, Literal, Protocol

import msgspec

from kairos.discovery import found_in

# Channels that are still to come, by the kind of address that they will send to. Until then what is
# sent on them goes to the log under their names, see `channels/delivery/stand_in.py`.
PLANNED: dict[str, str | None] = {
    "hubspot": None,
    "push": "push_token",
    "salesforce": None,
    "sms": "phone",
    "whatsapp": "phone",
}


def addresses() -> dict[str, str | None]:
    """Return every channel that a workspace may name, with its kind of address.

    >>> addresses()["email"], addresses()["whatsapp"], addresses()["webhook"]
    ('email', 'phone', None)
    """
    return PLANNED | {name: channel.ADDRESS for name, channel in found_in("channels").items()}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message, ready for one provider."""

    id: str  # the activation's id; the idempotency key where the provider takes one
    channel: str
    to: str | None  # e-mail address, phone number, …; None where the channel needs none
    subject: str = ""
    text: str = ""
    html: str = ""
    template: str = ""  # its name
    until: int | None = None  # ms; not worth showing later
    token: str = ""  # sealed; comes home with what became of the message
    unsubscribe: str = ""  # URL of the one-click unsubscription (RFC 8058)
    payload: dict[str, Any] = {}  # the activation as a plain object, for machines


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """The provider accepted the message."""

    provider_id: str = ""


class Later(msgspec.Struct, frozen=True, tag="later"):
    """The provider surely did not take the message; try again after `after` seconds.

    Whose the trouble is decides what becomes of others: of a `provider` that many find in trouble
    everybody stays away for a while, and whoever was too fast (`pace`) sends nothing before `after`.
    """

    after: float
    reason: str
    whose: Literal["message", "provider", "pace"] = "message"


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The provider will never take this message as it is.

    What is wrong with the `message`, or with how we are set up, somebody can mend: it is kept as a
    dead letter. Not so where the `address` leads to nobody, or the `person` wants nothing any more.
    """

    reason: str
    whose: Literal["message", "address", "person"] = "message"


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """The provider may or may not have taken it: held and shown, never sent again blindly."""

    reason: str


Outcome = Delivered | Later | Refused | Unknown


class Channel(Protocol):
    """One way out. The file's name is the channel's name in the YAML.

    A channel's module offers `ADDRESS` (the kind of address it sends to: "email", "phone",
    or None), `KEYED` (True where the receiver drops a second message with the same id), and
    `connect(options)`, which returns a Channel. `deliver` keeps its own time limit and
    returns an outcome for whatever a provider does; exceptions are for bugs.
    """

    async def deliver(self, message: Message) -> Outcome:
        """Hand the message to the provider once, and say what came of it."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
