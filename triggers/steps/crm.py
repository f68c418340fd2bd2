"""Tell a CRM something: who a person is, or what somebody there is to do."""

from typing import Any

import msgspec

from kairos.durations import duration
from triggers.acting import Telling, telling
from triggers.loading.building import Building, Place
from triggers.schema import Strict
from triggers.steps.base import Step, Turn

SIGNATURE = "crm: {system: NAME [, upsert: OBJECT] [, task: TEXT] [, due: DURATION] [, fields: [NAME, ...]]}"
EXAMPLE = "- crm: {system: salesforce, task: \"Call {{ first_name | default: 'the customer' }}\", due: 2d}"


class Options(Strict):
    """What is told."""

    system: str
    upsert: str | None = None
    task: str | None = None
    due: str | None = None
    fields: list[str] = msgspec.field(default_factory=list)


class Shape(Strict):
    """`crm`."""

    crm: Options


class Crm(Telling, frozen=True):
    """See the module."""

    due: int | None  # ms from when it is decided

    def said(self, turn: Turn) -> dict[str, Any]:
        """Add when a task is due, as an instant."""
        due = {} if self.due is None else {"due": turn.now + self.due}
        return self.content | due


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    options, path = written.crm, (*place.path, "crm")
    if not (options.upsert or options.task):
        building.say(path, "what shall the CRM do? `upsert: contact` or `task: TEXT` says so")
    due = None
    if options.due is not None:
        try:
            due = duration(options.due)
        except ValueError as error:
            building.say((*path, "due"), str(error))
        if options.task is None:
            building.say((*path, "due"), "`due` goes with a `task`")
    said = {"upsert": options.upsert, "task": options.task}
    content = {name: text for name, text in said.items() if text is not None}
    what = telling(building, options.system, (*path, "system"), options.fields, content)
    building.told.append(what)
    return Crm(at=place.at, next=place.next, what=what, content=content, due=due)
