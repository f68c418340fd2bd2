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
    why(version, features, day, options) -> list[str]
        what of a person moved their scores, what moved them most first
    daily(options) -> bool
        whether scores change by time alone otherwise than as events leave windows: then they are asked
        for again as a person's day turns
and, where it is fitted to everybody's histories,

    fit(see, now, options) -> Version | None
        what they say at an instant (ms), None where they say too little; pure, and the same for any
        order of the people

or, where it is fitted to examples, see `models.runtime.examples`,

    AT: str
        when something could be decided: "event", at each of a person's, or "day", once a day
    label(options) -> (str, int)
        a condition that says what came of it, and when it is asked, ms after the decision

Where the first feature is missing, the model knows nothing of the person.

A version is plain numbers by their names. It is all that a score is computed from beside the person's
own features, so whoever has the two has the score. Names that begin with `quality.` say how good it is. `made_for` says
of which features it is; of others it says nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from models.runtime.orders import Orders

Version = Mapping[str, float]
Value = float | str
Feature = Orders | str  # or a condition's expression, such as `count(product_viewed, last 30d)`


Read = Callable[[Version, tuple[Any, ...], int], Value | None]  # version, features, day


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
QUALITY = "quality."
MADE_FOR = "made_for"
