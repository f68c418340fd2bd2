"""Send people different ways by chance, and see which does best.

The way is drawn by a hash, so nobody's is remembered and the same log gives the same ways.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from events.names import slug
from kairos.durations import duration
from models.runtime import highest
from triggers import goals
from triggers.awaited import NOTHING, Awaited
from triggers.bandit import Bandit, name_of
from triggers.definitions import Trigger
from triggers.goals import Aim, Goal, Revenue
from triggers.loading.awaiting import amounts_of, awaiting
from triggers.loading.building import Building, Place
from triggers.runtime import share_of
from triggers.schema import Steps, Strict
from triggers.steps.base import Go, Outcome, Step, Turn

SIGNATURE = (
    "split: {arms: {NAME: {share: NUMBER, do: STEPS}, ...} [, aim: AIM] [, within: DURATION] "
    "[, winner: bandit]}"
)
EXAMPLE = """\
- split:
    aim: clicked
    within: 3d
    winner: bandit
    arms:
      short: {share: 50, do: [{send: {channels: [email], template: welcome}}]}
      pro: {share: 50, do: [{send: {channels: [email], template: welcome_pro}}]}"""
WITHIN = 7 * 86_400_000  # ms; where neither the split nor a goal says how long an aim may take
GOAL, BANDIT = "goal", "bandit"


class ArmOptions(Strict):
    """One way."""

    share: str
    do: Steps


class Options(Strict):
    """The ways, and what they are to be judged by."""

    arms: dict[str, Any]
    aim: str | None = None
    within: str | None = None
    winner: str | None = None


class Shape(Strict):
    """`split`."""

    split: Options


class Arm(msgspec.Struct, frozen=True):
    """One way."""

    name: str
    share: float
    first: str  # place of its first step


class Split(Step, frozen=True):
    """See the module."""

    arms: tuple[Arm, ...]
    learns: bool  # the better arm wins
    aim: Aim | None  # None where nobody asks which did best
    goal: bool  # the aim is the trigger's goal

    def take(self, turn: Turn) -> Outcome:
        """Draw a way: for each person the same, or for each entry where the better one shall win."""
        trigger, run = turn.trigger, turn.run
        weights = self._weights(turn)
        drawn_by = run.entry if self.learns else turn.person.id
        arm = self.drawn(trigger.name, drawn_by, weights)
        aim = self.judged_by(trigger)
        if aim is not None:
            goals.try_arm(turn, self.at, arm.name, aim)
        return Go(arm.first, way=arm.name)

    def drawn(self, trigger: str, drawn_by: str, weights: Sequence[float]) -> Arm:
        """Return the way that is drawn by a word, such as a person's id: always the same."""
        point = share_of(f"{trigger}/{self.at}/{drawn_by}") * sum(weights)
        return self.arms[highest.drawn(weights, point)]

    def judged_by(self, trigger: Trigger) -> Aim | None:
        """Return the aim, or the trigger's goal."""
        return trigger.goal if self.goal else self.aim

    def bandit(self, trigger: Trigger) -> Bandit | None:
        """Return what learns, where the better arm shall win."""
        if not self.learns:
            return None
        by_revenue = isinstance(self.judged_by(trigger), Revenue)
        return Bandit(trigger.name, self.at, tuple(arm.name for arm in self.arms), by_revenue)

    def _weights(self, turn: Turn) -> list[float]:
        shares = {arm.name: arm.share for arm in self.arms}
        if self.learns:
            learned = turn.work.state.learned.get(name_of(turn.trigger.name, self.at), {})
            if learned.keys() == shares.keys():
                shares = learned
        return [shares[arm.name] for arm in self.arms]


def build(building: Building, place: Place, written: Shape) -> Step:
    """Build it with the steps of each way."""
    options, path = written.split, (*place.path, "split")
    inside = place._replace(path=path).within("arms")
    arms: list[Arm] = []
    for name, said in options.arms.items():
        at = inside.within(name)
        arm = building.options(said, ArmOptions, at.path)
        if arm is None:
            continue
        share = _share(building, arm.share, at)
        arms.append(Arm(name, share, building.block(arm.do, at._replace(path=(*at.path, "do")))))
    if len(options.arms) < 2:
        building.say((*path, "arms"), "a split needs two arms at least")
    if options.winner not in (None, BANDIT):
        building.say((*path, "winner"), f"`bandit` was expected, found {options.winner!r}")
    if options.winner and options.aim is None:
        building.say((*path, "winner"), "by what shall an arm win? `aim: goal` says so")
    within = _within(building, options, path)
    aim = None if options.aim in (None, GOAL) else _aim(building, options.aim, within, path)
    if options.aim == GOAL and not building.has_goal:
        building.say((*path, "aim"), "there is no `goal: {event: .., within: ..}` to reach")
    return Split(
        at=place.at,
        next=place.next,
        arms=tuple(arms),
        learns=options.winner == BANDIT,
        aim=aim,
        goal=options.aim == GOAL,
        aims=() if aim is None else aim.events,
    )


def _share(building: Building, text: str, place: Place) -> float:
    try:
        share = float(text.removesuffix("%"))
    except ValueError:
        share = 0.0
    if not 0 < share <= 100:
        building.say((*place.path, "share"), f"a share such as 50 was expected, found {text!r}")
        return 1.0
    return share


def _within(building: Building, options: Options, path: Any) -> int:
    if options.within is None:
        return WITHIN
    if options.aim == GOAL:
        building.say((*path, "within"), "the goal says itself within what time it is to be reached")
    try:
        return duration(options.within)
    except ValueError as error:
        building.say((*path, "within"), str(error))
        return WITHIN


def _aim(building: Building, text: str | None, within: int, path: Any) -> Aim:
    """Read an aim: an event, a receipt of the run's own messages, or `EVENT.PROPERTY` to add up."""
    event, dot, field = str(text).partition(".")
    if dot:
        name = slug(event)
        cell = amounts_of(building.context, name, slug(field), within + goals.LATE)
        return Revenue(cell, within, (name,))
    awaited: Awaited = NOTHING
    try:
        channels = {channel for send in building.sends for channel in send.channels}
        awaited = awaiting(building.context, [event], building.key, channels)
    except ValueError as error:
        building.say((*path, "aim"), str(error))
    return Goal(awaited, within, behind=not building.moving.isdisjoint(awaited.events))
