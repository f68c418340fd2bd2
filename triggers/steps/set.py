"""Set traits of the person: a segment that asks for them changes at once."""

from typing import Any

from events.names import slug
from triggers.emitting import Said, Saying, value_of
from triggers.loading.building import Building, Place
from triggers.schema import Strict
from triggers.steps.base import Step, Turn

SIGNATURE = "set: {TRAIT: VALUE, ...}"
EXAMPLE = "- set: {status: customer, tier: event.tier}"


class Shape(Strict):
    """`set`."""

    set: dict[str, str]


class Set(Saying, frozen=True):
    """See the module."""

    traits: tuple[tuple[str, str], ...]

    def said(self, turn: Turn) -> Said:
        """State the traits."""
        event = turn.run.event
        traits: dict[str, Any] = {name: value_of(text, event) for name, text in self.traits}
        return Said("traits_set", {}, traits)


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    if not written.set:
        building.say((*place.path, "set"), "`set: {status: customer}` was expected, found nothing")
    traits = tuple((slug(name), text) for name, text in written.set.items())
    building.reads(text for _, text in traits)
    return Set(at=place.at, next=place.next, traits=traits)
