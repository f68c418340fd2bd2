"""Choose an offer, for the messages behind this step: all of them speak of the same one."""

from triggers.loading.building import Building, Place
from triggers.loading.offers import wanted
from triggers.offers import Wanted, chosen
from triggers.schema import Strict
from triggers.steps.base import Go, Outcome, Step, Turn

SIGNATURE = "offer: next_best or NAME or TEXT"
EXAMPLE = '- offer: "10%"'


class Shape(Strict):
    """`offer`."""

    offer: str


class Choose(Step, frozen=True):
    """See the module."""

    what: Wanted

    def take(self, turn: Turn) -> Outcome:
        """Choose it now; where the person may have none, the run goes on without."""
        found = chosen(turn.workspace, turn.person, self.what, turn.now, turn.cause(self.at))
        if found is None:
            turn.work.explain(turn.person.id, turn.trigger.name, "refused", "no_offer", self.at)
            return Go(self.next)
        turn.run.event = {**turn.run.event, **found.beside}
        return Go(self.next, way=found.name)


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    path = (*place.path, "offer")
    what = wanted(building.context, building.document, written.offer, path)
    building.offered = True
    return Choose(at=place.at, next=place.next, what=what)
