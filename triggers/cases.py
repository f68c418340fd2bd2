"""A trigger's own tests: what is given, what happens and when, and what must come of it.

They decide nothing; a runner lives them through the engine. A test's clock stands on Monday 2 March
2026, local to the profile.
"""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from triggers.local_time import instant_at

MONDAY = date(2026, 3, 2)
REFUSED = frozenset(  # why a send may be refused; docs/language.md says what each means
    {
        "status", "expired", "missing", "consent", "excluded", "holdout", "control_group",
        "no_offer", "no_address", "suppressed", "quiet_hours", "cap", "condition",
    }
)  # fmt: skip
IDENTIFY = "identify"  # a line of that name states traits, as a browser would
CATALOG = "catalog"  # one of that name changes an item of the catalogue


class Moment(msgspec.Struct, frozen=True, order=True):
    """`14:05`, `-3d` or `+2d 09:00`.

    >>> from triggers.local_time import zone
    >>> Moment(0, 9 * 60).at(zone("UTC")) - Moment(-1, 8 * 60).at(zone("UTC"))
    90000000
    """

    days: int  # after Monday
    minute: int  # after midnight

    def at(self, where: ZoneInfo) -> int:
        """Return the instant (ms) in a time zone; a time that clocks skip is the first behind the gap."""
        return instant_at(MONDAY + timedelta(days=self.days), self.minute, where)


class Line(msgspec.Struct, frozen=True):
    """Something that happens."""

    moment: Moment
    event: str  # a slug
    properties: dict[str, Any]
    template: str = ""  # the receipt is that of the trigger's latest message from this template


class Banded(msgspec.Struct, frozen=True):
    """A score of which only the band is given."""

    word: str


class Given(msgspec.Struct, frozen=True):
    """How the person stands before anything happens."""

    traits: dict[str, Any]
    addresses: dict[str, str]  # kind -> address in normal form, vouched for by a server
    consent: tuple[tuple[str, str, bool], ...]  # purpose, channel ("" for all), granted
    scores: dict[str, Any]  # by their names in conditions; one may be Banded
    segments: tuple[str, ...]  # that the person is in, whatever these ask for
    history: tuple[Line, ...]  # in the order of time; counts, and starts nothing
    held_out: bool
    arms: frozenset[str]  # ways of splits; the first one of each split that none is said for


class Sends(msgspec.Struct, frozen=True):
    """Messages that must be sent, so many."""

    channel: str
    template: str | None  # None takes any
    moment: Moment | None  # None takes any; otherwise within this minute
    times: int


class Refusal(msgspec.Struct, frozen=True):
    """Sends that must be refused, so many."""

    reason: str
    times: int


class Case(msgspec.Struct, frozen=True):
    """One test. Whatever is sent and not expected fails it; other refusals do not."""

    name: str
    given: Given
    lines: tuple[Line, ...]  # in the order of time
    sends: tuple[Sends, ...]
    refusals: tuple[Refusal, ...]
