"""Wait for an event, for so long at most; what comes first decides, once."""

import msgspec

from kairos.durations import duration
from triggers.awaited import NOTHING, Awaited, when
from triggers.loading.awaiting import awaiting
from triggers.loading.building import Building, Place
from triggers.schema import Names, Steps, Strict
from triggers.steps.base import Go, Outcome, Rest, Step, Turn

SIGNATURE = "wait_for: {event: EVENT, timeout: DURATION [, then: STEPS] [, else: STEPS]}"
EXAMPLE = "- wait_for: {event: clicked, timeout: 22h, then: exit}"


class Options(Strict):
    """What is waited for, and what then."""

    event: Names
    timeout: str
    then: Steps = msgspec.field(default_factory=list)
    else_: Steps = msgspec.field(default_factory=list, name="else")


class Shape(Strict):
    """`wait_for`."""

    wait_for: Options


class WaitFor(Step, frozen=True):
    """See the module."""

    awaited: Awaited
    behind: bool  # an event at the very ms at which the run came here is the one that moved it
    timeout: int
    then: str
    otherwise: str

    def take(self, turn: Turn) -> Outcome:
        """Look at what happened since the run came here; what comes after the time-out is too late."""
        until = turn.since + self.timeout
        happened = when(self.awaited, turn.person.view.cells, turn.run)
        if turn.since + self.behind <= happened <= until:
            return Go(self.then, happened, "then")
        return Go(self.otherwise, turn.now, "else") if until <= turn.now else Rest(until)


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it with the steps within."""
    options, path = written.wait_for, (*place.path, "wait_for")
    names = [options.event] if isinstance(options.event, str) else options.event
    awaited, timeout = NOTHING, 0
    try:
        channels = {channel for send in building.sends for channel in send.channels}
        awaited = awaiting(building.context, names, building.key, channels)
    except ValueError as error:
        building.say((*path, "event"), str(error))
    try:
        timeout = duration(options.timeout)
    except ValueError as error:
        building.say((*path, "timeout"), str(error))
    behind = not building.moving.isdisjoint(awaited.events)
    building.moving.update(awaited.events)
    return WaitFor(
        at=place.at,
        next=place.next,
        wakes=awaited.events,
        awaited=awaited,
        behind=behind,
        timeout=timeout,
        then=building.block(options.then, place._replace(path=path).within("then")),
        otherwise=building.block(options.else_, place._replace(path=path).within("else")),
    )
