"""A workspace as the core uses it: checked, resolved and compiled."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from events.record import Event
from events.scores import is_score
from profile_state.cells import Happened, Slot
from profile_state.fold import Folding
from profile_state.leaf import Run
from triggers.awaited import Awaited
from triggers.habits import Usual
from triggers.sequences import Sequence

if TYPE_CHECKING:
    from triggers.bandit import Bandit
    from triggers.calendars import Calendar
    from triggers.cases import Case
    from triggers.catalog import Happening
    from triggers.goals import Goal
    from triggers.modelled import Modelled
    from triggers.offers import Offer, Wanted
    from triggers.steps.base import Step

# What generated functions look like; `triggers/generate.py` writes them.
Entering = Callable[
    [Any, Event, int], list[tuple[int, Happened | None]]
]  # person, event, now -> (trigger, the event that enters it, None for this very one)
Guard = Callable[[Any, dict[str, Any], int, Run], bool]  # person, event, now, run
Leaving = Callable[[Any, dict[str, Any], int, Run], tuple[bool, int]]  # and may change at
Member = Callable[[Any, int], tuple[bool, int]]  # person, now -> (inside, may change at)

DAY = 86_400_000  # ms


class Cap(msgspec.Struct, frozen=True):
    """`3 per 7d`, rolling or by the calendar."""

    most: int
    per: int  # ms; whole days by the calendar
    calendar: bool = False  # counts the person's local days, today being the last

    @property
    def reach(self) -> int:
        """How long a send may be counted, ms; clocks that change make some days longer than others."""
        return self.per + DAY if self.calendar else self.per


class Quiet(msgspec.Struct, frozen=True):
    """Quiet hours, minutes after midnight, local to the person; `start` > `end` spans midnight."""

    start: int
    end: int


class Reentry(msgspec.Struct, frozen=True):
    """At most `most` entries within `per` ms; `per` None means ever, `most` None no limit."""

    most: int | None
    per: int | None


class Band(msgspec.Struct, frozen=True):
    """`>= 0.7` of a score, or `top 20%` and `bottom 10%` of all people by it."""

    op: str  # a comparison, or `top` or `bottom`
    than: float  # a number, or a share of people


class Ranked(msgspec.Struct, frozen=True):
    """A score whose bands are shares of all people."""

    value: Callable[[Any, int], tuple[Any, int]]  # person, now -> (score, may change at)
    events: frozenset[str]  # that may change it


class Seeing(msgspec.Struct, frozen=True):
    """What a model looks at in a person."""

    look: Callable[[Any, int], tuple[int, tuple[Any, ...]]]  # person, now -> their day, features
    slots: frozenset[str]  # that this needs
    mark: float  # of these features, see `triggers.modelled.Modelled.mark`
    label: (
        Callable[[Any, int], bool] | None
    )  # person, now -> what came of it, of a model of examples


class Changed(msgspec.Struct, frozen=True):
    """`changed: plan`, maybe `from: free`, `to: pro`; None takes any value, and none at all."""

    trait: str
    before: str | None
    after: str | None


class SendStep(msgspec.Struct, frozen=True):
    """One `send`."""

    channels: tuple[str, ...]
    template: str | None
    purpose: str
    require: tuple[str, ...]
    every: bool  # `all: true`
    facts: tuple[str, ...]  # traits that the templates read
    scores: tuple[str, ...]  # that they read, such as `rfm.monetary`
    offer: "Wanted | None"
    event_facts: tuple[str, ...] | None  # event properties that they read; None takes all


class Trigger(msgspec.Struct, frozen=True):
    """One trigger."""

    nth: int
    name: str
    version: str  # of all that decides in its file
    workspace: str  # hash of the one that it was last in force in; "" while it is
    files: tuple[str, ...]  # its own and its templates'
    migrate: bool  # runs of earlier versions go on with this one
    since: int  # ms; nothing older starts a run, NEVER while it is warming
    status: str
    events: tuple[str, ...]  # slugs; empty where a segment is the occurrence
    sequence: Sequence | None  # the events are its steps
    segment: tuple[str, str] | None  # ("entered" | "exited", name)
    include: str | None  # "changes" that no occurrence brought, or MEMBERS who are inside as well
    changed: Changed | None
    calendar: "Calendar | None"
    item: "Happening | None"  # of the catalogue
    absence: int | Usual | None  # ms to wait for one of `then_no`
    then_no: tuple[str, ...]
    ends: Awaited  # `then_no`, and the events of `exit_when`
    behind: bool  # an event of `then_no` enters too, so only a later one ends
    leaves: bool  # `exit_when` has conditions too
    key: str | None  # property that runs are keyed by
    while_active: str
    reentry: Reentry
    goal: "Goal | None"
    holdout: float  # share that is decided and never sent; 0 for nobody
    program: dict[str, "Step"]  # by their places
    first: str  # place of the first
    priority: int
    caps: dict[str, Cap]
    quiet: Quiet | None
    quiet_set: bool  # the trigger names its own quiet hours
    best_time: int | None  # ms; for so long a send may wait for the person's best hour
    valid_for: int | None  # ms
    until_end_of_day: bool
    recheck: bool
    on_quiet: str
    on_cap: str
    on_error: str


class Segment(msgspec.Struct, frozen=True):
    """One segment, in an order in which those that it asks for come first."""

    name: str
    events: frozenset[str]
    traits: bool  # looks at traits
    segments: frozenset[str]
    learnt: bool  # asks for a share of all people, or for what a model says
    warming: bool = False  # who is inside is not known yet


class PurposeRule(msgspec.Struct, frozen=True):
    """What holds for a consent purpose."""

    allowed: bool  # where the person never said
    capped: bool
    quiet: bool
    control: float = 0.0  # share of people who get nothing of this purpose
    excludes: bool = False  # `Workspace.excluded` has a condition for it
    label: str = ""  # as people are shown it


PARALLEL = "parallel"  # of `while_active`: a new entry goes side by side with those that are active
MEMBERS = "members"  # of `include`
ABSENCE = ""  # where a run stands that waits for an absence
TRANSACTIONAL = PurposeRule(allowed=True, capped=False, quiet=False)


class Workspace(msgspec.Struct, frozen=True):
    """Everything that decides, from one version of a workspace's files."""

    hash: str
    name: str
    timezone: str
    quiet: Quiet | None
    purposes: dict[str, PurposeRule]
    channel_caps: dict[str, dict[str, Cap]]  # channel -> purpose -> cap
    addresses: dict[str, str | None]  # channel -> kind of address
    limits: dict[str, int]  # identity: type -> most per person
    merging: frozenset[str]  # identifier types that join people
    forget_after: int  # ms; a visitor who stays away is let go of
    triggers: tuple[Trigger, ...]
    segments: tuple[Segment, ...]
    slots: dict[str, Slot]
    apart: frozenset[str]  # of these, what only waits for the past, see `profile_state.history`
    fold: dict[str, Folding]  # by the event's name
    entering: dict[str, Entering]
    alone: dict[str, tuple[tuple[int, Entering], ...]]  # the same, each trigger by itself
    guards: tuple[Guard, ...]
    members: dict[str, Member]
    version: str  # of these definitions with the former triggers that runs are on
    named: dict[str, Trigger]
    formers: dict[tuple[str, str], Trigger]  # by name and version
    on_edges: tuple[Trigger, ...]  # those whose occurrence is a segment's edge
    including: tuple[Trigger, ...]  # those of them with an `include`
    calendars: tuple[Trigger, ...]  # those that a calendar brings
    calendar_traits: frozenset[str]  # traits that these go by
    on_items: tuple[Trigger, ...]  # those that an item of the catalogue brings
    seeing: dict[str, tuple[tuple[str, str, str], ...]]  # event -> (how, property, cell) of items
    changing: dict[str, tuple[Trigger, ...]]  # trait -> those whose occurrence is its change
    ending: dict[str, frozenset[str]]  # event -> triggers whose runs it may end
    watched: frozenset[str]  # traits whose change concerns a calendar or starts a run
    around: tuple[str, ...]  # kinds of surroundings that conditions ask for
    opening: frozenset[str]  # events by which somebody's best time is known
    opens: tuple[str, ...]  # cells that remember them
    aims: frozenset[str]  # events of goals, and of the aims of splits
    bandits: tuple["Bandit", ...]
    lifted: tuple[str, ...]  # triggers with a goal and a hold-out, by name
    waking: frozenset[str]  # what may end a wait: see `Step.wakes`
    leaving: dict[int, Leaving]  # trigger's number -> the conditions of its `exit_when`
    tests: dict[str, Guard]  # conditions of steps
    excluded: dict[str, Callable[[Any, int], bool]]  # purpose -> whom nothing of it may reach
    ranked: dict[str, "Ranked"]  # scores of whose order bands are shares
    models: dict[str, "Modelled"]  # by name
    scored: dict[str, "Modelled"]  # score -> the model that gives it
    seen: dict[str, Seeing]  # by the model's name
    bands: dict[str, dict[str, Band]]  # score -> word
    cases: dict[str, "tuple[Case, ...]"]  # the tests of triggers; these decide nothing
    catalog: str | None  # a file beside workspace.yaml
    offers: dict[str, "Offer"]
    eligible: dict[str, Callable[[Any, int], bool]]  # offer -> who may have it
    longest_cap: int  # ms; older sends are let go
    unknown: frozenset[str]  # purposes of which it is not known yet whom nothing may reach
    warms_at: int  # ms; when so much time has passed that more is known, NEVER if it never has
    source: str  # the generated Python, for whoever wants to read it

    def is_score(self, path: str) -> bool:
        """Say whether a name in a condition or a template is a score."""
        return path in self.scored or is_score(path, self.bands)

    def trigger_of(self, run: Run) -> Trigger | None:
        """Return the trigger that a run goes on with: as it was when the run began."""
        trigger = self.named.get(run.trigger)
        if trigger is None or run.version in ("", trigger.version):
            return trigger
        return self.formers.get((run.trigger, run.version))
