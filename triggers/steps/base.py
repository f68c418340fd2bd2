"""What a step of `do` is.

A module named after its step (with `_` behind a word of Python's own), whose docstring is its entry
in docs/language.md, with `SIGNATURE`, an `EXAMPLE` in YAML, and

    Shape
        the step as it is written: a `schema.Strict` of which one key is the step's word
    build(building, place, written) -> Step
        checks what is written; `building` compiles its conditions and the steps within it

A run stands at one step. `take` is asked when the run comes there, and again whenever an event of
`wakes` arrives, people are joined, or the time comes that it named; it must say the same again as
long as nothing has changed. It is pure: no clock but `turn.now`, no chance but hashes of ids.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from models.send_time import everybody as hours_of
from profile_state.leaf import NEVER, Leaf, Run
from profile_state.person import Person
from triggers.arbitrate import Subject
from triggers.best_time import HOURS, SEND_TIME, best_instant, opens
from triggers.definitions import Trigger, Workspace
from triggers.local_time import zone_of

if TYPE_CHECKING:
    from triggers.bandit import Bandit
    from triggers.goals import Aim
    from triggers.work import Work


class Go(NamedTuple):
    """Go on to another step at once."""

    to: str  # its place; "" ends the run
    moved: int | None = None  # ms; when that happened which was waited for, None for nothing
    way: str = ""  # which of several was taken, such as `then`


class Rest(NamedTuple):
    """Stay at this step."""

    until: int = NEVER  # ms; asked again then
    reason: str = ""


class Leave(NamedTuple):
    """End the run."""

    outcome: str  # as `Work.explain` takes it
    reason: str


Outcome = Go | Rest | Leave


class Call(NamedTuple):
    """A trigger that a step starts."""

    trigger: str
    words: str  # what caused it, unique for ever
    event: dict[str, Any]
    chain: tuple[str, ...]  # triggers that led to it


class Turn(NamedTuple):
    """A run whose turn it is."""

    work: "Work"
    person: Person
    trigger: Trigger
    leaf: Leaf
    run: Run
    workspace: Workspace
    subject: Subject
    accepted_us: int | None  # of the event that caused it, None where time did
    again: bool  # the run stood here before
    arrived: bool  # what the step put into the log has come out of it
    calls: list[Call]  # what the runs of this record call, in order

    @property
    def now(self) -> int:
        """The log's clock, ms."""
        return self.work.state.now

    @property
    def since(self) -> int:
        """When the run came to its step, ms: when the event happened that moved it, or by the clock."""
        assert self.run.since is not None, "whoever takes a step says when the run came there"
        return self.run.since

    @property
    def zone(self) -> ZoneInfo:
        """The person's time zone."""
        return zone_of(self.subject.timezone, self.workspace.timezone)

    def best_instant(self, until: int, awake: Callable[[int], bool]) -> int:
        """Return the best instant to send from when the run came here until another, ms."""
        if SEND_TIME in self.workspace.models:
            known = self.person.learnt.models.get(self.workspace.models[SEND_TIME].key)
            everybody: Mapping[str, float] = hours_of(known)
        else:
            everybody = self.work.state.learned.get(HOURS, {})
        opened = opens(self.person.view.cells, self.workspace.opens)
        return best_instant(opened, everybody, self.since, until, self.zone, awake)

    def cause(self, at: str) -> str:
        """Return what makes a draw of a step at a place: for each entry another one."""
        return f"{self.trigger.name}/{at}/{self.run.entry}"

    def guarded(self) -> bool:
        """Say whether the trigger's `if` holds now."""
        guard = self.workspace.guards[self.trigger.nth]
        return guard(self.person, self.run.event, self.now, self.run)

    def holds(self, test: str) -> bool:
        """Say whether a condition of the trigger's own holds now."""
        return self.workspace.tests[test](self.person, self.run.event, self.now, self.run)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step, at a place that names it in ids for ever, such as `2.then.0`."""

    at: str
    next: str  # the place of the step behind it, "" where the run ends
    aims: tuple[str, ...] = ()  # slugs of events that say how well it went
    wakes: tuple[str, ...] = ()  # slugs of events; `trait:NAME` for whatever states that trait

    def take(self, turn: Turn) -> Outcome:
        """Say what becomes of a run that stands here."""
        raise NotImplementedError

    def judged_by(self, trigger: Trigger) -> "Aim | None":  # noqa: ARG002 - some steps ask it
        """Return what its ways are judged by; None where it has none."""
        return None

    def bandit(self, trigger: Trigger) -> "Bandit | None":  # noqa: ARG002 - the same
        """Return what learns which of its ways is the best; None where nothing does."""
        return None
