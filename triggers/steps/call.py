"""Start another trigger for the person, if its `if` holds and its `reentry` has room."""

from triggers.emitting import DEPTH, acts
from triggers.loading.building import Building, Place
from triggers.schema import Strict
from triggers.steps.base import Call as Calling
from triggers.steps.base import Go, Leave, Outcome, Step, Turn

SIGNATURE = "call: TRIGGER"
EXAMPLE = "- call: journey"


class Shape(Strict):
    """`call`."""

    call: str


class CallOther(Step, frozen=True):
    """See the module."""

    trigger: str

    def take(self, turn: Turn) -> Outcome:
        """Ask for it to be started behind the runs of this record."""
        if not acts(turn):
            return Go(self.next)
        chain = (*turn.run.chain, turn.trigger.name)
        if len(chain) > DEPTH:
            turn.work.bounded.append(chain)
            return Leave("ended", "too_deep")
        turn.calls.append(
            Calling(self.trigger, f"{turn.run.entry}/{self.at}", turn.run.event, chain)
        )
        return Go(self.next)


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it; whether there is such a trigger is known when all are read."""
    building.calls.append((written.call, (*place.path, "call")))
    return CallOther(at=place.at, next=place.next, trigger=written.call)
