"""Go one of several ways, by a value: the first case that it equals."""

import msgspec

from triggers.loading.building import Building, Place
from triggers.schema import Steps, Strict
from triggers.steps.base import Go, Outcome, Step, Turn

SIGNATURE = "switch: VALUE, cases: {TEXT: STEPS, ...} [, else: STEPS]"
EXAMPLE = """\
- switch: plan
  cases:
    pro: [{send: {channels: [email], template: welcome_pro}}]
    team: [{send: {channels: [email], template: welcome_team}}]
  else: [{send: {channels: [email], template: welcome}}]"""


class Shape(Strict):
    """`switch`, `cases` and `else`."""

    switch: str
    cases: dict[str, Steps]
    else_: Steps = msgspec.field(default_factory=list, name="else")


class Switch(Step, frozen=True):
    """See the module."""

    cases: tuple[tuple[str, str, str], ...]  # (test, place, the case as it is written)
    otherwise: str

    def take(self, turn: Turn) -> Outcome:
        """Ask for one case after the other."""
        for test, place, value in self.cases:
            if turn.holds(test):
                return Go(place, way=f"cases.{value}")
        return Go(self.otherwise, way="else")


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it with the steps within each case."""
    if not written.cases:
        building.say((*place.path, "cases"), "a switch needs one case at least")
    cases = []
    for value, steps in written.cases.items():
        case = place.within("cases").within(value)
        test = building.equals(written.switch, value, case)
        cases.append((test, building.block(steps, case), value))
    return Switch(
        at=place.at,
        next=place.next,
        cases=tuple(cases),
        otherwise=building.block(written.else_, place.within("else")),
    )
