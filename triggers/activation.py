"""An activation: one decided message or action, with all that a worker needs to deliver it."""

import hashlib
from typing import Any

import msgspec

SLOTS = 64  # fixed for ever: an activation's delivery ledger follows from its id


class Activation(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One decided message. Its id follows from its cause alone, so a crash makes it again."""

    id: str  # 32 hex digits
    trigger: str
    version: str  # hash of the workspace that decided
    step: str  # place of the step in the trigger's `do`, such as "0"
    channel: str
    purpose: str
    template: str | None
    person: str
    leaf: str  # the leaf whose record caused it
    address: str | None  # None where the channel needs none
    facts: dict[str, Any]  # the traits that the template reads
    event: dict[str, Any]  # properties of the entering event
    decided: int  # ms, by the log's clock
    valid_until: int | None  # ms; not sent later
    accepted_us: int | None  # us; when the causing event was accepted, None where time caused it
    tell: bool = False  # whether a worker says in the log that it failed for good
    content: dict[str, Any] = {}  # what a system is told beside the facts; texts may be Liquid
    copy: bool = False  # for a seed address, filled with examples; made by workers
    drawn: dict[str, Any] | None = None  # how its offer was drawn, see `models.runtime.draws.Draw`


def activation_id(trigger: str, step: str, entry: str, iteration: int, channel: str) -> str:
    """Name an activation by its cause: never by a clock, a batch or a merged person's id.

    >>> activation_id("welcome", "0", "web/user_id:u1/m1", 0, "email")
    '0b60e56f61c32cf0576db310533ef66b'
    """
    cause = "\x1f".join((trigger, step, entry, str(iteration), channel))
    return hashlib.blake2b(cause.encode(), digest_size=16).hexdigest()


def slot_of(activation: str) -> int:
    """Return the delivery slot of an activation id, 0 to 63.

    >>> slot_of("ff" + "0" * 30)
    63
    """
    return int(activation[:2], 16) % SLOTS


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Activation])


def encode(activations: list[Activation]) -> bytes:
    """Pack activations into one entry of the activation stream."""
    return _encoder.encode(activations)


def decode(payload: bytes) -> list[Activation]:
    """Unpack one entry of the activation stream."""
    return _decoder.decode(payload)
