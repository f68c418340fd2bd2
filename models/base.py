"""What a model is.

A module with an entry in docs/models.md, and with

    class Options(msgspec.Struct)
        what workspace.yaml may say of it
    features(options) -> tuple[Feature, ...]
        what it looks at in a person
    FORM: int
        another one where a release reads other numbers from a version than the one before
    SCORES: dict[str, Score]
        that it gives, by the names that conditions and templates read them by
    shown(version, options) -> list[str]
        what a version says, in lines; where it is missing, its numbers are shown
    why(version, features, day, options) -> list[str]
        what of a person moved their scores, what moved them most first
    daily(options) -> bool
        whether scores change by time alone otherwise than as events leave windows: then they are asked
        for again as a person's day turns
    ALONE
        where there is one such model, under the name of its kind
and, where it is fitted to everybody's histories,

    fit(see, now, options) -> Version | None
        what they say at an instant (ms), None where they say too little; pure, and the same for any
        order of the people
    related(see, now, options) -> dict[str, tuple[tuple[str, int], ...]]
        where it is of items too: what goes with each, see `events.record.Related`

or, where it is fitted to examples, see `models.runtime.examples`,

    AT: str
        when something could be decided: EVENT, at each of a person's, or DAILY, once a day; or it was
        decided: DRAW, see `models.runtime.draws`
    label(options) -> (str, int)
        a condition that says what came of it, and when it is asked, ms after the decision
    click(options) -> float
        where it was decided: what a click is worth where that did not come, from 0 to 1

Where the first feature is missing, the model knows nothing of the person.

A version is plain numbers by their names. It is all that a score is computed from beside the person's
own features, so whoever has the two has the score. Names that begin with `quality.` say how good it is. `made_for` says
of which features it is; of others it says nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from models.runtime.hours import Opened
from models.runtime.names import Catalogue, Names, Offers
from models.runtime.orders import Orders

Version = Mapping[str, float]
WorkedOut = TypeVar("WorkedOut")
Value = float | str | list[str]
# Or a condition's expression, such as `count(product_viewed, last 30d)`.
Feature = Orders | Names | Catalogue | Opened | Offers | str


Read = Callable[[Version, tuple[Any, ...], int], Value | None]  # version, features, day


class InForce(dict[str, float]):
    """A version that the core goes by; what a model works out from it once is kept beside it."""

    __slots__ = ("opened",)

    def __init__(self, version: Version) -> None:
        super().__init__(version)
        self.opened: Any = None


def opened(version: Version, work_out: Callable[[Version], WorkedOut]) -> WorkedOut:
    """Return what is worked out from a version, as often as it is asked for by one model.

    >>> version = InForce({"a": 2.0})
    >>> opened(version, sorted) is opened(version, sorted)
    True
    """
    if not isinstance(version, InForce):
        return work_out(version)
    if version.opened is None:
        version.opened = work_out(version)
    found: WorkedOut = version.opened
    return found


class Score(NamedTuple):
    """One of the scores that a model gives."""

    read: Read
    about: str  # what it says, for docs/models.md


class Seen(NamedTuple):
    """A person, as a model sees them."""

    day: int  # days since 1970, see `models.runtime.days`
    features: tuple[Any, ...]


See = Callable[[int], list[Seen | None]]
"""Looks at everybody as of an instant (ms), always in one order; None for who had done nothing yet."""
EVENT, DAILY, DRAW = "event", "day", "draw"
QUALITY = "quality."
MADE_FOR = "made_for"
