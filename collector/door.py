"""What the door knows, and how it answers. No I/O."""

from collections.abc import Sequence

import msgspec

from collector.inflate import Caps
from collector.keys import KeyRing
from collector.request import Response
from events.limits import Limits
from events.record import DeadLetter, Event, Item


class Door(msgspec.Struct, frozen=True):
    """What the door knows: who may send and how much.

    >>> Door(KeyRing()).ready
    True
    """

    keys: KeyRing
    caps: Caps = Caps()
    limits: Limits = Limits()
    ready: bool = True  # False while draining
    room: bool = True  # False while the log's disk is nearly full
    replayed: bool = False  # the log takes its time from the events, see events/sources/replayed.py


class Accepted(msgspec.Struct, frozen=True):
    """An answer that may only leave once its records are durable."""

    records: Sequence[Event | DeadLetter | Item]
    response: Response
    size: int  # bytes of JSON that the records came from
    rejected: int = 0  # how many of the records are dead letters


Answer = Response | Accepted
