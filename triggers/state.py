"""The state of one partition: what the core's fold carries from record to record.

People, an index from identifiers and former person ids to people, the duplicates' window, due
times, and the workspace in force. Everything here can be rebuilt by reading the log.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush

import msgspec

from events.record import START, Build, Offset, Paused, Sweep
from models.base import InForce
from profile_state.history import WHOLE, History
from profile_state.identity import PLACES, place_of
from profile_state.leaf import NEVER
from profile_state.person import NOTHING_LEARNT, Learnt, Person
from triggers.catalog import Catalog
from triggers.definitions import Workspace

Due = tuple[int, str]  # ms, and a person
RANKS = "ranks"  # how a record names where bands begin
MODEL = "model "  # how it names a version of a model, before the model's name
STALE = 4  # entries of the heap for each that holds: who is active moves theirs with each event
NO_LIMITS: Mapping[str, int] = {}  # of identity, where no workspace is in force


class Failures(msgspec.Struct, frozen=True, array_like=True):
    """The latest failures of a trigger, see `triggers.failing`."""

    version: str  # of the trigger
    until: Offset  # of the record before the one at which it failed last
    times: list[int]  # ms, the log's clock; those of a minute up to the last
    place: str  # what was raised last, and where


class Dues:
    """When people are due next: a heap whose stale entries are passed over.

    It knows everybody in memory, and of the others who is due before `horizon`; the ledger has
    the rest.

    >>> dues = Dues()
    >>> dues.set("p_1", 500)
    >>> dues.next(), dues.until((499, "~")), dues.until((500, "~"))
    (0, [], [(500, 'p_1')])
    """

    def __init__(self) -> None:
        self.horizon = 0  # ms
        self._heap: list[Due] = []
        self._due: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, person: str) -> bool:
        return person in self._due

    def set(self, person: str, due: int) -> None:
        """Set when a person is due; NEVER takes them off."""
        if due >= NEVER:
            self._due.pop(person, None)
        elif self._due.get(person) != due:
            self._due[person] = due
            heappush(self._heap, (due, person))
            if len(self._heap) > STALE * len(self._due) + STALE:
                self._heap = [(at, one) for one, at in self._due.items()]
                heapify(self._heap)

    def release(self, person: str) -> None:
        """Leave somebody who leaves memory to the ledger, unless they are due soon."""
        if self._due.get(person, 0) >= self.horizon:
            self._due.pop(person, None)

    def next(self) -> int:
        """Return the earliest instant at which somebody is due, or the horizon if that is nearer."""
        self._pass_stale()
        return min(self._heap[0][0], self.horizon) if self._heap else self.horizon

    def _pass_stale(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)

    def until(self, last: Due, limit: int | None = None) -> list[Due]:
        """Return who is due up to and including `last`, in order; they stay due.

        Args:
            last: an instant (ms), and the last person of those due at it.
            limit: how many to return at most.
        """
        found: list[Due] = []
        while len(found) != limit:
            self._pass_stale()
            if not self._heap or self._heap[0] > last:
                break
            entry = heappop(self._heap)
            if not found or found[-1] != entry:  # the same instant may have been set twice
                found.append(entry)
        for entry in found:
            heappush(self._heap, entry)
        return found


class State:
    """One partition's state."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.now = 0  # ms, the log's clock
        self.offset: Offset = START  # of the last record applied
        self.workspace: Workspace | None = None
        self.files: dict[str, str] = {}  # of the workspace in force
        self.build: Build | None = None  # which decides
        self.people: dict[str, Person] = {}  # by id; changed through `admit` and `dismiss` alone
        self.gone: dict[
            str, Offset
        ] = {}  # people who are no more -> since when, as long as the ledger may have them
        self.expired: deque[tuple[Offset, set[str]]] = deque()  # since when nobody has these ways
        self.places: list[set[str]] = [set() for _ in range(PLACES)]  # ids of people, by place
        self.in_use: set[tuple[str, str]] = (
            set()
        )  # (trigger, version) of runs met by the sweep so far
        self.sweep: Sweep | None = None  # what is still to be swept for the workspace in force
        self.loaded: set[Sweep] = set()  # sweeps whose people are in memory, ahead of their step
        self.learned: dict[str, dict[str, float]] = {}  # what was worked out from all people
        self.learnt = NOTHING_LEARNT  # of it, what conditions read
        self.catalog = Catalog()
        self.failures: dict[str, Failures] = {}  # by trigger
        self.failed_before: Offset = START  # `failures` was recovered with all that came up to here
        self.paused: dict[str, Paused] = {}  # triggers that failed too often, by name
        self.history: History = WHOLE  # of the slots of the workspace in force
        self.begun = False  # whether an event was applied
        self.index: dict[str, str | None] = {}  # identifier or former id -> person, None: nobody
        self.absent: list[str] = []  # what was asked for and led to nobody
        self.dues = Dues()
        self.erasure_keys: tuple[bytes, ...] = ()  # of tombstones; empty where nobody was erased
        self.first_seen: dict[bytes, int] = {}  # event key -> first copy, see `copies.base.packed`
        self.older = False  # whether first copies that left memory are kept elsewhere
        self.asked: dict[bytes, int | None] = {}  # of the keys at hand, what is known there

    @property
    def limits(self) -> Mapping[str, int]:
        """The most identifiers of each type that one person may have."""
        return self.workspace.limits if self.workspace is not None else NO_LIMITS

    def learn(self, learned: dict[str, dict[str, float]]) -> None:
        """Take all that was worked out from all people."""
        self.learned = learned
        models = {
            what.removeprefix(MODEL): InForce(version)
            for what, version in learned.items()
            if what.startswith(MODEL)
        }
        learnt = Learnt(learned.get(RANKS, {}), models)
        if learnt != self.learnt:  # people tell by this very object whether they follow it
            self.learnt = learnt

    def find(self, identifier: str) -> Person | None:
        """Return the person that an identifier or former person id belongs to."""
        person = self.index.get(identifier)
        return None if person is None else self.people[person]

    def admit(self, person: Person) -> None:
        """Take a person into memory."""
        person.items = self.catalog
        self.people[person.id] = person
        self.places[place_of(person.id)].add(person.id)

    def dismiss(self, person: str, offset: Offset) -> None:
        """Take out a person who is no more since a record; until that is written the ledger has them."""
        self.gone[person] = offset
        self._take_out(person)
        self.dues.set(person, NEVER)

    def expire(self, person: Person, offset: Offset) -> None:
        """Take out a person who stayed away, with what led to them."""
        self.dismiss(person.id, offset)
        self.expired.append((offset, person.ways))

    def release(self, person: Person) -> None:
        """Let go of a person whom the ledger has as they are."""
        self._take_out(person.id)
        self.dues.release(person.id)
        for way in person.ways:
            if self.index.get(way) == person.id:
                del self.index[way]

    def _take_out(self, person: str) -> None:
        del self.people[person]
        self.places[place_of(person)].discard(person)

    def stored(self, offset: Offset) -> None:
        """Take note that the ledger has everything up to `offset`."""
        while self.gone and next(iter(self.gone.values())) <= offset:
            del self.gone[next(iter(self.gone))]
        while self.expired and self.expired[0][0] <= offset:
            for way in self.expired.popleft()[1]:
                if self.index.get(way, way) is None:
                    del self.index[way]

    def foresee(self, known: Iterable[Due], horizon: int) -> None:
        """Take from the ledger who is due from the horizon to a later one.

        Args:
            known: everybody whom the ledger has between the two.
            horizon: ms; the new one, exclusive.
        """
        for due, person in known:
            if person not in self.gone and person not in self.dues:
                here = self.people.get(person)
                self.dues.set(person, due if here is None else here.due)
        self.dues.horizon = horizon

    def within(self, sweep: Sweep) -> list[str]:
        """Return the ids of the people in memory whom a sweep is for, in order."""
        return sorted(p for place in self.places[sweep.first : sweep.last + 1] for p in place)

    def forget_absent(self) -> None:
        """Let go of what leads to nobody still: tombstones that are none, names that joined nobody."""
        for name in self.absent:
            if self.index.get(name, name) is None:
                del self.index[name]
        self.absent.clear()

    def first_copy(self, key: bytes) -> int | None:
        """Return an event's first copy, None where there was none."""
        first = self.first_seen.get(key)
        return self.asked.get(key) if first is None and self.asked else first
