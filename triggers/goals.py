"""Goals: whether those who entered a trigger came to what it is for, sent to or held out.

A trial begins when a person enters, and remembers on which side of the hold-out they are, so both
sides are counted alike: also who was never sent anything because they had not consented.
"""

from typing import TYPE_CHECKING

import msgspec

from profile_state.leaf import Leaf, Run, Trial
from profile_state.person import Person
from triggers.awaited import Awaited, when
from triggers.bandit import CENT, counted
from triggers.runtime import amounts_in, share_of

if TYPE_CHECKING:
    from triggers.definitions import Trigger, Workspace
    from triggers.steps.base import Turn
    from triggers.work import Work

MOST = 200  # trials of a leaf; the latest stay
LATE = 86_400_000  # ms; so late an event of a goal may come
TREATED, HELD_OUT = "treated", "held_out"


class Goal(msgspec.Struct, frozen=True):
    """`goal: {event: first_project_created, within: 14d}`, or what an arm aims at."""

    awaited: Awaited
    within: int  # ms
    behind: bool  # an event of the goal enters too, so only a later one reaches it

    @property
    def events(self) -> tuple[str, ...]:
        """Slugs of those that may reach it."""
        return self.awaited.events


class Revenue(msgspec.Struct, frozen=True):
    """A property of an event, added up."""

    cell: str
    within: int  # ms
    events: tuple[str, ...]  # slugs


Aim = Goal | Revenue


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


def try_arm(turn: "Turn", place: str, arm: str, aim: Aim) -> None:
    """Begin a trial of an arm; not for who is held out, and gets nothing of any."""
    trigger, run = turn.trigger, turn.run
    if trigger.holdout and settled(
        turn.work, turn.person, turn.leaf, trigger.name, trigger.holdout
    ):
        return
    trial = Trial(trigger.name, run.key, turn.since, turn.since + aim.within, arm, place)
    turn.leaf.trials = [*turn.leaf.trials, trial][-MOST:]
    turn.work.count(turn.person.id, counted(trigger.name, place, arm, "tried"))


def note_message(leaf: Leaf, run: Run, activation: str) -> None:
    """Let the trials of a run know of its message, whose receipts may be their aim."""
    leaf.trials = [
        msgspec.structs.replace(trial, messages=[*trial.messages, activation])
        if trial.place and (trial.trigger, trial.key) == (run.trigger, run.key)
        else trial
        for trial in leaf.trials
    ]


def reached(work: "Work", person: Person, workspace: "Workspace") -> None:
    """Count the trials that have come to their goal, and let go of those that no longer can."""
    for leaf in person.leaves.values():
        if leaf.trials:
            looked = [_looked(work, person, workspace, trial) for trial in leaf.trials]
            leaf.trials = [trial for trial in looked if trial is not None]


def _looked(work: "Work", person: Person, workspace: "Workspace", trial: Trial) -> Trial | None:
    """Look at a trial; return it as long as more may come of it."""
    trigger = workspace.named.get(trial.trigger)
    aim = None if trigger is None else aim_of(trigger, trial.place)
    if aim is None or work.state.now > trial.until + LATE:
        return None
    if isinstance(aim, Revenue):
        return _added(work, person, aim, trial)
    happened = when(aim.awaited, person.view.cells, trial)
    if not trial.time + aim.behind <= happened <= trial.until:
        return trial
    if trial.place:
        what = counted(trial.trigger, trial.place, trial.side, "reached")
    else:
        what = f"goal:{trial.trigger}:{trial.side}"
    work.count(person.id, what)
    return None


def _added(work: "Work", person: Person, aim: Revenue, trial: Trial) -> Trial:
    """Count what an arm has brought since it was looked at last, and the square of all of it."""
    total = sum(amounts_in(person.view.cells.get(aim.cell), trial.time, trial.until))
    before, now = round(trial.counted / CENT), round(total / CENT)
    for what, by in (("cents", now - before), ("squares", now * now - before * before)):
        if by:
            work.count(person.id, counted(trial.trigger, trial.place, trial.side, what), by)
    return msgspec.structs.replace(trial, counted=total)


def aim_of(trigger: "Trigger", place: str) -> Aim | None:
    """Return what a trial is judged by: the trigger's goal, or the aim of a split."""
    if not place:
        return trigger.goal
    step = trigger.program.get(place)
    return step.judged_by(trigger) if step is not None else None
