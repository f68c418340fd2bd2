"""Send an event of the person's, as if an app had: it counts, and other triggers may start by it."""

from typing import Any

import msgspec

from events.names import slug
from events.record import STATEMENTS
from triggers.emitting import Said, Saying, value_of
from triggers.loading.building import Building, Place
from triggers.schema import Strict
from triggers.steps.base import Step, Turn

SIGNATURE = "emit: EVENT or {event: EVENT, properties: {NAME: VALUE, ...}}"
EXAMPLE = "- emit: {event: offer_accepted, properties: {offer: event.offer, by: journey}}"


class Options(Strict):
    """What is sent."""

    event: str
    properties: dict[str, str] = msgspec.field(default_factory=dict)


class Shape(Strict):
    """`emit`."""

    emit: str | dict[str, Any]


class Emit(Saying, frozen=True):
    """See the module."""

    event: str
    properties: tuple[tuple[str, str], ...]

    def said(self, turn: Turn) -> Said:
        """State the event."""
        event = turn.run.event
        return Said(self.event, {name: value_of(text, event) for name, text in self.properties}, {})


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    options = Options(event=written.emit) if isinstance(written.emit, str) else None
    if options is None:
        options = building.options(written.emit, Options, (*place.path, "emit"))
    if options is None or not options.event:
        building.say((*place.path, "emit"), "`emit: EVENT` was expected")
        options = Options(event="")
    if slug(options.event) in STATEMENTS:
        building.say((*place.path, "emit"), f"{options.event!r}: only people state their consent")
    properties = tuple((slug(name), text) for name, text in options.properties.items())
    building.reads(text for _, text in properties)
    return Emit(at=place.at, next=place.next, event=slug(options.event), properties=properties)
