"""Write-behind: people reach the ledger in small chunks, after everything that they caused.

Changed people gather in a generation. When the one before has drained, the next one drains in
chunks, evenly over a period; when its last chunk is acknowledged, the offset up to which it holds
is sent, and counts as stored once that is acknowledged too. After a crash the log is read on from
there, and people who were written later skip what they contain.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from events.record import START, Offset
from profile_state.person import Person
from profile_state.stored import pack, pack_difference
from profile_state.stores.base import Chunk, Mark, Store

CHUNK = 64  # people; measured: one call stays below a millisecond
BYTES = 64 * 1024  # of people, where they are large: a busy one may have 200 KB
PACE = 3200  # people a second at least: a small generation need not take its whole period
PERIOD_S = 2.0  # between generations, so that a person who changes often is written less often


class WriteBehind:
    """Gathers changes of one partition and drains them into its store."""

    def __init__(
        self,
        store: Store,
        people: Mapping[str, Person],
        index: Mapping[str, str | None],
        gone: Mapping[str, Offset],
        packed_item: Callable[[str, Offset], bytes],
    ) -> None:
        self._store = store
        self._people = people
        self._index = index
        self._packed_item = packed_item  # of the catalogue, by its id and what is stored
        self._items: dict[str, None] = {}  # changed, in order
        self._stock: deque[str] = deque()  # of the generation that drains
        self._gone = gone  # people who are no more; whoever else is missing has left memory
        self._gathering: dict[str, None] = {}  # in order of first change
        self._draining: set[str] = set()
        self._order: deque[str] = deque()  # of the generation that drains
        self._groups: dict[str, set[str]] = {}  # whom one record touched together
        self._moved: dict[str, set[str]] = {}  # person -> identifiers that lead to them anew
        self._applied: dict[str, int] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._reached = Mark(START, {})  # up to where changes were gathered
        self._target: Mark | None = None  # of the generation that drains
        self._size = 0  # people and items in it when it began to drain
        self._drained_at = 0  # calls after which the target is reached
        self._swapped = 0.0  # when this generation began to drain, or the pump before that
        self._pumped: float | None = None
        self._marked = Mark(START, {})  # the one sent last
        self._marked_at = 0  # calls after which it is stored
        self.stored: Offset = START

    @property
    def pending(self) -> int:
        """How many people still have to be written."""
        return len(self._gathering) + len(self._draining)

    @property
    def idle(self) -> bool:
        """Whether everything gathered is written and its offset stored."""
        return not self.pending and self._target is None and self.stored == self._reached.offset

    def start(self, mark: Mark) -> None:
        """Start from a recovered mark."""
        self._reached = self._marked = mark
        self.stored = mark.offset

    def take(
        self,
        dirty: set[str],
        index: Mapping[str, str],
        together: list[set[str]],
        applied: Mapping[str, int],
        counts: Mapping[str, Mapping[str, int]],
        mark: Mark,
        items: Iterable[str] = (),
    ) -> None:
        """Gather a step's changes, whose outputs are sent.

        Somebody who was joined into another person stays where they wait: writing them means
        writing their group, and an offset that is stored stands for their changes too.
        """
        for person in sorted(dirty):
            if person not in self._draining:
                self._gathering[person] = None
        for group in together:
            self._join(group)
        for identifier, person in index.items():
            self._moved.setdefault(person, set()).add(identifier)
        for person, events in applied.items():
            self._applied[person] = self._applied.get(person, 0) + events
        for person, counted in counts.items():
            known = self._counts.get(person)
            if known is None:
                self._counts[person] = dict(counted)
                continue
            for what, by in counted.items():
                known[what] = known.get(what, 0) + by
        self._items |= dict.fromkeys(items)
        self._reached = mark

    def _join(self, group: set[str]) -> None:
        joined = set(group)
        for person in group:
            joined |= self._groups.get(person, set())
        for person in joined:
            self._groups[person] = joined

    def pump(self, now_s: float, *, period_s: float = PERIOD_S) -> bool:
        """Write what is due of a generation, and store its offset when all of it is acknowledged.

        Args:
            now_s: a monotonic clock.
            period_s: from one generation to the next, over which one is written; 0 writes all.

        Returns:
            Whether there is more to do.

        Raises:
            FencedError: another writer owns the partition.
            LedgerLostError: the ledger is away.
        """
        settled = self._settled()
        before = now_s if self._pumped is None else self._pumped
        self._pumped = now_s
        if self._target is None and self._reached.offset > self._marked.offset:
            if period_s and now_s - self._swapped < period_s:
                return True
            self._order, self._draining = deque(self._gathering), set(self._gathering)
            self._gathering = {}
            self._stock, self._items = deque(self._items), {}
            self._size = self._left
            self._target, self._swapped = self._reached, before
            self._drained_at = self._store.sent  # outputs that this offset stands for
        may_wait = self._may_wait(now_s - self._swapped, period_s)
        while self._left > may_wait:
            most = min(self._left - may_wait, CHUNK)
            self._store.write(self._chunk(most) if self._draining else self._stocked(most))
            self._drained_at = self._store.sent
        if self._target is not None and not self._left and settled >= self._drained_at:
            self._store.mark(self._target)
            self._marked, self._marked_at = self._target, self._store.sent
            self._target = None
            self._settled()
        return not self.idle

    @property
    def _left(self) -> int:
        """How many people and items of a generation are not written yet."""
        return len(self._draining) + len(self._stock)

    def _stocked(self, most: int) -> Chunk:
        """Write what changed of the catalogue: each value has all that anybody may read on from."""
        names = (self._stock.popleft() for _ in range(min(most, len(self._stock))))
        return Chunk(items=[(name, self._packed_item(name, self.stored)) for name in names])

    def _may_wait(self, passed_s: float, period_s: float) -> int:
        """Return how many people and items of a generation need not be written yet.

        By the time that has passed and not by the pump, so that a generation takes as long in
        the middle of load, and the load is as even as can be.
        """
        takes_s = min(period_s, self._size / PACE)
        if not period_s or passed_s >= takes_s:
            return 0
        return int(self._size * (1 - passed_s / takes_s))

    def _settled(self) -> int:
        """Return how many calls are acknowledged; the mark's may be among them."""
        settled = self._store.settled()
        if settled >= self._marked_at:
            self.stored = self._marked.offset
        return settled

    def _chunk(self, most: int) -> Chunk:
        chunk, size = Chunk(), 0
        while self._draining and chunk.persons < most and size < BYTES:
            person = self._order.popleft()
            if person not in self._draining:
                continue  # it went with somebody before
            self._draining.discard(person)
            for one in sorted(self._groups.get(person, {person})):
                self._draining.discard(one)
                self._gathering.pop(one, None)
                self._groups.pop(one, None)
                size += self._write(one, chunk)
        return chunk

    def _write(self, person: str, chunk: Chunk) -> int:
        """Add somebody to a chunk, with what moved and what they caused; returns their bytes."""
        known = self._people.get(person)
        size = 0
        if known is not None:
            size = _write_person(known, chunk)
        elif person in self._gone:
            chunk.removed.append(person)
        for identifier in self._moved.pop(person, ()):
            leads = self._index.get(identifier)
            if leads is None:
                chunk.forgotten.append(identifier)
            else:
                chunk.index.append((identifier, leads))
        if person in self._applied:
            chunk.counts["applied"] = chunk.counts.get("applied", 0) + self._applied.pop(person)
        for name, by in self._counts.pop(person, {}).items():
            chunk.counts[name] = chunk.counts.get(name, 0) + by
        return size


def _write_person(person: Person, chunk: Chunk) -> int:
    """Add somebody whole, or what is different of them, and when they are due; returns the bytes."""
    due = person.due if person.known_due is None else person.known_due
    if due != person.stored_due:
        chunk.dues.append((person.id, due))
    if person.whole or person.added >= person.packed:
        value = pack(person)
        chunk.people.append((person.id, value))
        person.written(due, packed=len(value))
    else:
        value = pack_difference(person)
        chunk.added.append((person.id, value))
        person.written(due, added=len(value))
    return len(value)
