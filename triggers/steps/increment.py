"""Add to traits that are numbers; one that is none counts as 0."""

from events.names import slug
from profile_state.cells import MICRO, micros
from triggers.emitting import Said, Saying, value_of
from triggers.loading.building import Building, Place
from triggers.runtime import trait
from triggers.schema import Strict
from triggers.steps.base import Step, Turn

SIGNATURE = "increment: {TRAIT: NUMBER, ...}"
EXAMPLE = "- increment: {points: 10}"


class Shape(Strict):
    """`increment`."""

    increment: dict[str, str]


class Increment(Saying, frozen=True):
    """See the module."""

    by: tuple[tuple[str, str], ...]

    def said(self, turn: Turn) -> Said:
        """State the sums, with what other runs of the person have put out and not yet read."""
        known = turn.person.view.traits
        added = {name: self._amount(turn, text) for name, text in self.by}
        for _, run in turn.person.runs():
            trigger = turn.workspace.trigger_of(run)
            step = trigger.program.get(run.step) if trigger is not None else None
            if run is not turn.run and run.awaits and isinstance(step, Increment):
                for name, text in step.by:
                    if name in added:
                        added[name] += micros(value_of(text, run.event)) or 0
        sums = {name: (micros(trait(known, name)) or 0) + by for name, by in added.items()}
        traits = {
            name: total // MICRO if total % MICRO == 0 else total / MICRO
            for name, total in sums.items()
        }
        return Said("traits_set", {}, traits)

    def _amount(self, turn: Turn, text: str) -> int:
        return micros(value_of(text, turn.run.event)) or 0


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it."""
    by = tuple((slug(name), text) for name, text in written.increment.items())
    for name, text in written.increment.items():
        if not text.startswith("event.") and micros(text) is None:
            path = (*place.path, "increment", name)
            building.say(path, f"a number, or `event.PROPERTY`, was expected, found {text!r}")
    building.reads(text for _, text in by)
    return Increment(at=place.at, next=place.next, by=by)
