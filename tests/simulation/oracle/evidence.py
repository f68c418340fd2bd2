"""What the recorders noted, in plain values."""

from dataclasses import dataclass, field
from typing import Any

from tests.simulation.history import Batch

Place = tuple[int, int]  # entry of the log, and the record's place in it
NOBODYS = -1  # number of what journeys put out: no client sent it


@dataclass(frozen=True, slots=True)
class Said:
    """An event as the log carries it."""

    place: Place
    at: int  # ms, the log's clock
    n: int  # of the message that it came from
    message_id: str
    source: str
    trust: int
    kind: str
    name: str
    leaf: str
    ids: tuple[str, ...]
    time: int  # ms
    accepted: int  # ms
    properties: dict[str, Any]
    traits: dict[str, Any]
    addresses: dict[str, str]

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells a copy from another message."""
        return self.source, self.leaf, self.message_id


@dataclass(frozen=True, slots=True)
class Word:
    """An operator joins two identifiers, or cuts them."""

    place: Place
    id: str
    time: int  # ms
    ends: tuple[str, str]
    cut: bool


@dataclass(frozen=True, slots=True)
class Erasure:
    """Somebody is to be forgotten: whoever an identifier belongs to when the record is read."""

    place: Place
    at: int  # ms, the log's clock
    identifier: str


@dataclass(frozen=True, slots=True)
class Decided:
    """An activation, and the entry of the log that it followed from."""

    id: str
    entry: int
    trigger: str
    channel: str
    purpose: str
    leaf: str
    address: str | None
    at: int  # ms
    n: int | None  # of the message that entered, where the activation tells


@dataclass(frozen=True, slots=True)
class Remembered:
    """A counter, a window or a last value that the definitions ask for."""

    kind: str
    event: str
    field: str
    by: str | None
    window: int | None  # ms
    keep: int
    since: Place  # what came before is not known, as where a version asked for it only then


@dataclass(frozen=True, slots=True)
class LeafFacts:
    """A leaf as stored."""

    total: int
    first: int
    last: int
    traits: dict[str, tuple[int, str, Any]]
    addresses: dict[str, tuple[int, str, int]]
    consents: dict[str, tuple[int, str, bool]]
    cells: dict[str, Any]  # what still counts at `People.now`


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """A person as stored."""

    id: str
    ids: frozenset[str]
    leaves: dict[str, LeafFacts]
    segments: frozenset[str]
    fresh: bool  # no time-out of a membership waits for its tick, and the definitions are those in force


@dataclass(frozen=True, slots=True)
class People:
    """Everybody after a prefix of the log."""

    upto: int  # entry, inclusive
    now: int  # ms, the log's clock
    people: list[PersonFacts]
    slots: dict[str, Remembered]


@dataclass(frozen=True, slots=True)
class Ending:
    """What a ledger holds after the whole log."""

    people: dict[str, str]  # id -> everything about a person, in words
    leads: dict[str, str]  # identifier or former id -> person
    counts: dict[str, int]
    dues: dict[str, int]
    withdrawals: dict[tuple[str, str, str], int]
    dead: dict[Place, str]  # code of a dead letter
    activations: dict[str, str]  # id -> the whole, in words
    facts: str  # hashes
    decisions: str


@dataclass(frozen=True, slots=True)
class Call:
    """A message that a worker handed to a provider."""

    us: int
    id: str
    withdrawn_us: int | None  # since when a withdrawal of it could be seen
    thawed_us: int  # when the worker was last frozen until


@dataclass(frozen=True, slots=True)
class Provided:
    """What one provider noted."""

    name: str
    keyed: bool
    calls: list[Call]
    accepted: list[tuple[int, str]]  # us, id


@dataclass(eq=False)
class Evidence:
    """Everything that the oracle is told."""

    records: int = 0  # of the log
    said: list[Said] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    letters: list[tuple[Place, int]] = field(default_factory=list)  # refused at the door: place, n
    settled: set[Place] = field(default_factory=set)  # letters that an operator is done with
    ticks: dict[int, int] = field(default_factory=dict)  # entry -> ms
    versions: list[int] = field(default_factory=list)  # of the workspace, ms
    sweeps: list[tuple[int, int, int]] = field(default_factory=list)  # ms, first and last place
    sent: list[Batch] = field(default_factory=list)
    accepted: list[tuple[Batch, int]] = field(default_factory=list)  # with the log's end at the 200
    prefixes: list[People] = field(default_factory=list)
    live: Ending | None = None
    again: Ending | None = None  # of a second, clean reading of the same log
    decided: list[Decided] = field(default_factory=list)  # in order
    remade: dict[str, set[str]] = field(
        default_factory=dict
    )  # id -> what was ever put out under it
    providers: list[Provided] = field(default_factory=list)
    rows: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> (state, detail)
    slots: range = range(64)
    fenced: list[str] = field(
        default_factory=list
    )  # calls by which a replaced writer changed something
    faults: dict[str, int] = field(default_factory=dict)
