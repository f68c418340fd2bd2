"""Goals: whether those who entered a trigger came to what it is for, sent to or held out.

A trial begins when a person enters, and remembers on which side of the hold-out they are, so both
sides are counted alike: also who was never sent anything because they had not consented.
"""

from typing import TYPE_CHECKING

import msgspec

from profile_state.leaf import Leaf, Run, Trial
from profile_state.person import Person
from triggers.awaited import Awaited, when
from triggers.runtime import share_of

if TYPE_CHECKING:
    from triggers.definitions import Trigger, Workspace
    from triggers.work import Work

MOST = 200  # trials of a leaf; the latest stay
LATE = 86_400_000  # ms; so late an event of a goal may come
TREATED, HELD_OUT = "treated", "held_out"


class Goal(msgspec.Struct, frozen=True):
    """`goal: {event: first_project_created, within: 14d}`."""

    awaited: Awaited
    within: int  # ms
    behind: bool  # an event of the goal enters too, so only a later one reaches it


def held_out(person: str, experiment: str, share: float) -> bool:
    """Say whether a share of people that is held out has this one; the same for ever."""
    return share_of(f"{experiment}/{person}") < share


def settled(work: "Work", person: Person, leaf: Leaf, experiment: str, share: float) -> bool:
    """Say whether a person is held out; the verdict is given once, counted, and stays for ever."""
    known = person.arms().get(experiment)
    if known is not None:
        return known
    held = held_out(person.id, experiment, share)
    leaf.arms[experiment] = (work.state.now, held)
    work.count(person.id, f"{HELD_OUT if held else TREATED}:{experiment}")
    return held


def begin(work: "Work", person: Person, leaf: Leaf, trigger: "Trigger", run: Run) -> None:
    """Begin a trial for somebody who enters, if the trigger has a goal."""
    if trigger.goal is None:
        return
    held = trigger.holdout and settled(work, person, leaf, trigger.name, trigger.holdout)
    side = HELD_OUT if held else TREATED
    trial = Trial(trigger.name, run.key, run.time, run.time + trigger.goal.within, side)
    leaf.trials = [*leaf.trials, trial][-MOST:]
    work.count(person.id, f"tried:{trigger.name}:{side}")


def reached(work: "Work", person: Person, workspace: "Workspace") -> None:
    """Count the trials that have come to their goal, and let go of those that no longer can."""
    now = work.state.now
    for leaf in person.leaves.values():
        if not leaf.trials:
            continue
        left = []
        for trial in leaf.trials:
            trigger = workspace.named.get(trial.trigger)
            goal = trigger.goal if trigger is not None else None
            if goal is None or now > trial.until + LATE:
                continue
            happened = when(goal.awaited, person.view.cells, trial)
            if trial.time + goal.behind <= happened <= trial.until:
                work.count(person.id, f"goal:{trial.trigger}:{trial.side}")
            else:
                left.append(trial)
        leaf.trials = left
