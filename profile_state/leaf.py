"""A leaf: everything that one identifier's own events caused, and nothing else.

Facts never move to another leaf. A person is the union over leaves, so joining two people
counts nothing twice and parting them gives each side its own facts back.
"""

from typing import Any

import msgspec

from profile_state.reach import Known, Suppression

RUNS = 1_000  # of a leaf that wait at once
NEVER = 1 << 62  # ms; an instant that does not come


class Run(msgspec.Struct, array_like=True):
    """One entry of one person into one trigger, waiting for its time."""

    trigger: str
    key: str  # "" where the trigger is keyed by the person
    entry: str  # what caused it, unique for ever
    started: int  # ms; event time of the first entering event
    time: int  # ms; event time of the latest entering event
    message_id: str  # of that event
    due: int  # ms; when its step is taken
    step: str  # place of the step that it stands at, such as "2.then.0"; "" waits for an absence
    event: dict[str, Any]  # properties of the latest entering event
    accepted_us: int | None = None
    until: int | None = None  # ms; a held send is not worth sending later
    since: int | None = None  # ms; when it came to its step, None until that is taken
    look: int = NEVER  # ms; when time alone may make a condition of `exit_when` true
    messages: list[str] = []  # its activations
    chain: list[str] = []  # triggers that led to it
    awaits: str = ""  # message id of a record of its own that is to come out of the log
    version: str = ""  # of its trigger; "" follows the one in force
    done: list[str] = []  # channels that are decided, where a step sends on each
    beside: bool = False  # it goes side by side with others of its trigger and key
    tried: list[str] = []  # channels of a send that waits only for word that the last one failed

    @property
    def name(self) -> tuple[str, str, str]:
        """What a run is known by: of several with one name, which a merge brought together, one is active."""
        if self.tried:
            return self.trigger, self.key, f"{self.entry}!{self.step}"
        return self.trigger, self.key, self.entry if self.beside else ""

    @property
    def order(self) -> tuple[str, int, str]:
        """In which order runs of one trigger are asked: of one key the older first."""
        return self.key, self.started, self.entry


class Trial(msgspec.Struct, frozen=True, array_like=True):
    """An entry into a trigger with a goal, or into an arm, until it is reached or no longer can be."""

    trigger: str
    key: str
    time: int  # ms; event time of the entry
    until: int  # ms; later the goal does not count
    side: str  # of the hold-out: treated or held_out; or the arm of a split
    place: str = ""  # of the split
    messages: list[str] = []  # activations of the run since, where a receipt may be the aim
    counted: int = 0  # of what is added up, 10^-6


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A message that was decided: what caps and `explain` count."""

    time: int  # ms, by the log's clock
    channel: str
    purpose: str
    trigger: str
    activation: str


class Leaf(msgspec.Struct, array_like=True):
    """The facts of one identifier. Times are ms."""

    key: str
    first: int
    last: int
    total: int = 0
    traits: dict[str, tuple[int, str, Any]] = {}  # name -> (time, message id, value)
    addresses: dict[str, Known] = {}  # those that were vouched for, see `reach.py`
    cells: dict[str, Any] = {}  # slot -> aggregate
    consents: dict[str, tuple[int, str, bool]] = {}  # "purpose|channel" -> (time, id, granted)
    runs: list[Run] = []
    entries: dict[str, list[int]] = {}  # "trigger|key" -> log times of entries, oldest first
    sent: list[Sent] = []
    completed: dict[str, list[tuple[int, str, str]]] = {}  # trigger -> places of last steps
    arms: dict[str, tuple[int, bool]] = {}  # experiment -> (log time, held out)
    trials: list[Trial] = []
    suppressions: dict[str, Suppression] = {}  # of addresses that were lost or restored
    receipts: dict[str, dict[str, int]] = {}  # activation -> what came of it -> when first, ms
