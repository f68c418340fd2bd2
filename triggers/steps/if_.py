"""Go one way or another, by what holds at this moment."""

import msgspec

from triggers.loading.building import Building, Place
from triggers.schema import Conditions, Steps, Strict
from triggers.steps.base import Go, Outcome, Step, Turn

SIGNATURE = "if: CONDITIONS, then: STEPS [, else: STEPS]"
EXAMPLE = """\
- if: plan = pro
  then: [{send: {channels: [email], template: welcome_pro}}]
  else: [{send: {channels: [email], template: welcome}}]"""


class Shape(Strict):
    """`if`, `then` and `else`."""

    if_: Conditions = msgspec.field(name="if")
    then: Steps
    else_: Steps = msgspec.field(default_factory=list, name="else")


class If(Step, frozen=True):
    """See the module."""

    test: str
    then: str
    otherwise: str

    def take(self, turn: Turn) -> Outcome:
        """Ask now."""
        if turn.holds(self.test):
            return Go(self.then, way="then")
        return Go(self.otherwise, way="else")


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it with the steps within."""
    return If(
        at=place.at,
        next=place.next,
        test=building.test(written.if_, place.within("if")),
        then=building.block(written.then, place.within("then")),
        otherwise=building.block(written.else_, place.within("else")),
    )
