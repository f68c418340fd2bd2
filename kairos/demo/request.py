"""What the shop sends, as values: requests, and the truth about what is in them."""

from typing import Any, NamedTuple

from collector.keys import Kind


class Truth(NamedTuple):
    """What a request holds, known to the one who made it up.

    >>> Truth(distinct=2) + Truth(distinct=1, bad=1)
    Truth(distinct=3, duplicates=0, bad=1, conflicts=0)
    """

    distinct: int = 0  # good events that were never sent before
    duplicates: int = 0  # copies of good events
    bad: int = 0  # events that the door refuses and keeps
    conflicts: int = 0  # another content under a message id that was used

    def __add__(self, other: object) -> "Truth":
        if not isinstance(other, Truth):
            return NotImplemented
        return Truth(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def events(self) -> int:
        """How many events there are in all."""
        return sum(self)


class Request(NamedTuple):
    """One HTTP request, without the write key."""

    at: float  # seconds after the run's start
    key: Kind  # which write key it goes under
    path: str
    content_type: str
    body: bytes
    truth: Truth


class Call(NamedTuple):
    """One call of an SDK, waiting on its device to be sent."""

    fields: dict[str, Any]
    ago: float = 0  # seconds between the call and its sending


class Parcel(NamedTuple):
    """Calls that one device or server sends together."""

    key: Kind
    calls: list[Call]
    after: float = 0  # seconds until it is sent
    skew: float = 0  # seconds by which the device's clock is ahead
