"""End the run."""

from triggers.loading.building import Building, Place
from triggers.schema import Strict
from triggers.steps.base import Leave, Outcome, Step, Turn

SIGNATURE = "exit"
EXAMPLE = "- exit"


class Shape(Strict):
    """`exit`, which takes nothing."""

    exit: str


class Exit(Step, frozen=True):
    """See the module."""

    def take(self, turn: Turn) -> Outcome:  # noqa: ARG002 - it is the same for everybody
        """End it."""
        return Leave("ended", "exit")


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it; what stands behind it in its list is never reached."""
    if written.exit:
        building.say((*place.path, "exit"), f"`exit` takes nothing, found {written.exit!r}")
    building.nothing_behind(place)
    return Exit(at=place.at, next="")
