"""Tell a system of yours that a run is here: the entering event, traits, and texts of your own."""

import msgspec

from triggers.acting import Telling, telling
from triggers.loading.building import Building, Place
from triggers.schema import Strict
from triggers.steps.base import Step

SIGNATURE = "webhook: {[fields: [NAME, ...]] [, body: {NAME: TEXT, ...}]}"
EXAMPLE = '- webhook: {fields: [plan, email], body: {note: "{{ plan }} since today"}}'


class Options(Strict):
    """What is told beside the event."""

    fields: list[str] = msgspec.field(default_factory=list)
    body: dict[str, str] = msgspec.field(default_factory=dict)


class Shape(Strict):
    """`webhook`."""

    webhook: Options


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    options, path = written.webhook, (*place.path, "webhook")
    what = telling(building, "webhook", path, options.fields, options.body)
    building.told.append(what)
    return Telling(at=place.at, next=place.next, what=what, content=options.body)
