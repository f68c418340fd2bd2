"""A person: one component of the identity graph.

They carry the offset up to which their partition's log is applied to them, so that reading a
stretch of the log again changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple, Protocol

import msgspec

from events.record import START, Event, Offset
from profile_state.cells import Slot, copied, merge_cells
from profile_state.identity import ANONYMOUS, USER, Edge, kind_of, may_join, person_id
from profile_state.leaf import NEVER, Leaf, Run, Sent
from profile_state.reach import Known, Suppression, join
from profile_state.stated import Stated, stands

Differ = Callable[[dict[str, Any], int, Any], None]  # cells, since (ms), a LeafDifference
NOBODY: frozenset[str] = frozenset()  # of most people; an empty set takes 216 bytes


class Learnt(NamedTuple):
    """What was worked out from all people, as conditions read it."""

    ranks: Mapping[str, float]  # where bands begin that are shares of people
    models: Mapping[str, Mapping[str, float]]  # the version in force of each


NOTHING_LEARNT = Learnt({}, {})


class Items(Protocol):
    """The catalogue, as conditions read it."""

    def fields(self, name: str) -> Mapping[str, Any] | None:
        """Return what an item is like now; None where there is none."""
        ...

    def beside(self, name: str) -> Sequence[tuple[str, int]]:
        """Return what goes with an item, the most first, and how much."""
        ...

    def there(self, name: str) -> bool:
        """Say whether an item may be recommended."""
        ...


class _NoItems:
    def there(self, _name: str) -> bool:
        return True

    def fields(self, _name: str) -> None:
        return None

    def beside(self, _name: str) -> tuple[tuple[str, int], ...]:
        return ()


NO_ITEMS: Items = _NoItems()


class View(msgspec.Struct):
    """What conditions read of a person with several leaves; with one leaf, the leaf itself."""

    cells: dict[str, Any]
    traits: dict[str, tuple[int, str, Any]]
    addresses: dict[str, Known]
    suppressions: dict[str, Suppression]


class Touch:
    """What events did to a leaf since it was written.

    Args:
        since: ms; when the first of them happened.
        name: of the event.
        differ: says what is different of the cells that events of this name are folded into.
    """

    __slots__ = ("differs", "since")

    def __init__(self, since: int, name: str, differ: Differ) -> None:
        self.since = since
        self.differs = {name: differ}


class Person:
    """One person in memory."""

    __slots__ = (
        "_reach",
        "added",
        "decided",
        "edges",
        "id",
        "ids",
        "items",
        "known_due",
        "learnt",
        "leaves",
        "member",
        "named",
        "offset",
        "packed",
        "recheck",
        "refused",
        "seen",
        "shared",
        "slots",
        "stored_due",
        "touched",
        "version",
        "view",
        "whole",
    )

    def __init__(self, person: str, ids: set[str], leaves: dict[str, Leaf]) -> None:
        self.id = person
        self.ids = ids
        self.leaves = leaves
        self.edges: list[Edge] = []
        self.refused: list[Edge] = []  # edges to other people that broke a limit
        self.shared: Set[str] = NOBODY  # devices that these name, and others have as well
        self._reach: tuple[Mapping[str, int], list[str]] | None = None
        self.named: Set[str] = NOBODY  # identifiers without events, after which they were called
        self.seen = 0  # ms, the log's clock at their last event
        self.offset: Offset = START
        self.packed = 0  # bytes, when they were written whole
        self.added = 0  # bytes of differences since
        self.whole = True  # whether a difference cannot say what was changed since
        self.touched: dict[str, Touch] = {}  # leaves, by events since they were written
        self.decided = NEVER  # ms; the log's clock when something was first decided since
        self.known_due: int | None = None  # as it was when they were touched last
        self.stored_due: int | None = None  # as the ledger has it; None where that is not known
        self.member: dict[str, int] = {}  # segment -> ms since when
        self.recheck: dict[str, int] = {}  # segment -> ms at which time alone may change it
        self.version = ""  # of the definitions that `member` follows
        self.learnt = NOTHING_LEARNT  # that `member` follows
        self.items: Items = NO_ITEMS  # of the partition whose state has them
        self.slots: Mapping[str, Slot] = {}  # of the definitions that the view follows
        self.view: Leaf | View = (
            next(iter(leaves.values())) if len(leaves) == 1 else View({}, {}, {}, {})
        )

    def __repr__(self) -> str:
        return f"Person({self.id!r}, ids={sorted(self.ids)}, leaves={sorted(self.leaves)})"

    def touch(self, event: Event, differ: Differ) -> None:
        """Take note of an event that was folded into its leaf.

        Args:
            event: which changed nothing but its leaf's traits and cells.
            differ: of events of its name.
        """
        touch = self.touched.get(event.leaf)
        if touch is None:
            self.touched[event.leaf] = Touch(event.time, event.name, differ)
            return
        touch.since = min(touch.since, event.time)
        touch.differs[event.name] = differ

    def written(self, due: int, *, packed: int = 0, added: int = 0) -> None:
        """Take note of what is sent to the ledger: all of them in some bytes, or a difference."""
        self.packed, self.added = packed or self.packed, 0 if packed else self.added + added
        self.whole, self.touched, self.decided = False, {}, NEVER
        self.stored_due = due

    def refresh(self, slots: Mapping[str, Slot]) -> None:
        """Compute the view anew, after leaves were joined or parted, or for other definitions."""
        self.slots = slots
        if len(self.leaves) == 1:
            self.view = next(iter(self.leaves.values()))
            return
        self.view = View({}, {}, {}, {})
        for leaf in self.leaves.values():
            _take_newer(self.view.traits, leaf.traits)
            join(self.view, leaf)
        for slot in slots.values():
            self._refresh_cell(slot)

    def _refresh_cell(self, slot: Slot) -> None:
        """Join a slot's cells over the leaves; the view's own, into which events are folded too."""
        joined: Any = None
        for leaf in self.leaves.values():
            cell = leaf.cells.get(slot.key)
            if cell is not None:
                joined = copied(cell) if joined is None else merge_cells(slot, joined, cell)
        if joined is not None:
            self.view.cells[slot.key] = joined

    @property
    def ways(self) -> set[str]:
        """What leads to them: identifiers, their id, and the ids that they had when they were fewer."""
        return {self.id, *self.ids, *map(person_id, self.leaves), *map(person_id, self.named)}

    def reach(self, limits: Mapping[str, int]) -> list[str]:
        """Return identifiers of others whose people may change with this one.

        Not of what can never join, and not of shared devices: whether a device is shared is decided
        by what names it, and its own person leads to all whom that concerns. An anonymous person
        leads to everybody: an event of somebody erased may take them along.
        """
        if self._reach is None or self._reach[0] is not limits:
            anonymous = all(kind_of(i) == ANONYMOUS for i in self.ids)
            ends = {
                end
                for e in self.refused
                if anonymous or e.cut or (may_join(e, limits) and not self._knows_shared(e))
                for end in (e.a, e.b)
            }
            self._reach = (limits, sorted(ends - self.ids))
        return self._reach[1]

    def _knows_shared(self, e: Edge) -> bool:
        return e.a in self.shared and kind_of(e.b) == USER

    @property
    def first(self) -> int:
        """When the person was first seen, ms."""
        return min((leaf.first for leaf in self.leaves.values()), default=0)

    def runs(self) -> Iterator[tuple[Leaf, Run]]:
        """Yield the active runs.

        Of two of one name, which a merge brought together, the older one is active.
        """
        if len(self.leaves) == 1:
            leaf = next(iter(self.leaves.values()))
            for run in leaf.runs:
                yield leaf, run
            return
        oldest: dict[tuple[str, str, str], tuple[Leaf, Run]] = {}
        for leaf in self.leaves.values():
            for run in leaf.runs:
                name = run.name
                known = oldest.get(name)
                if known is None or (run.started, run.entry) < (known[1].started, known[1].entry):
                    oldest[name] = (leaf, run)
        yield from oldest.values()

    def end_run(self, ended: Run) -> None:
        """Take a run off its leaf, and those of its name off every other."""
        trigger, key, _ = name = ended.name
        for leaf in self.leaves.values():
            if leaf.runs:
                leaf.runs = [
                    r for r in leaf.runs if r.key != key or r.trigger != trigger or r.name != name
                ]

    def entries(self, entry_key: str) -> list[int]:
        """Return the log times (ms) at which the person entered, oldest first."""
        if len(self.leaves) == 1:
            return next(iter(self.leaves.values())).entries.get(entry_key, [])
        times = [t for leaf in self.leaves.values() for t in leaf.entries.get(entry_key, ())]
        return sorted(times)

    def sent(self) -> list[Sent]:
        """Return what was sent, oldest first."""
        found = [s for leaf in self.leaves.values() for s in leaf.sent]
        return sorted(found, key=lambda s: s.time)

    def receipts(self) -> dict[str, dict[str, int]]:
        """Return what is known of messages: activation -> what came of it -> when first, ms."""
        return {name: said for leaf in self.leaves.values() for name, said in leaf.receipts.items()}

    def arms(self) -> dict[str, bool]:
        """Return of which experiments the person is held out; the earliest verdict stands."""
        if len(self.leaves) == 1:
            return {n: held for n, (_, held) in next(iter(self.leaves.values())).arms.items()}
        found: dict[str, tuple[int, bool]] = {}
        for leaf in self.leaves.values():
            for name, verdict in leaf.arms.items():
                found[name] = min(verdict, found.get(name, verdict))
        return {name: held for name, (_, held) in found.items()}

    @property
    def waits(self) -> bool:
        """Whether a run of theirs is active."""
        # A loop: `any` over a generator takes three times as long, and each event asks.
        for leaf in self.leaves.values():  # noqa: SIM110
            if leaf.runs:
                return True
        return False

    @property
    def due(self) -> int:
        """When time alone concerns this person next, ms; NEVER if it does not."""
        due = min(self.recheck.values()) if self.recheck else NEVER
        if len(self.leaves) == 1:  # as most have
            for run in next(iter(self.leaves.values())).runs:
                due = min(due, run.due, run.look)
        elif self.waits:
            for _, run in self.runs():
                due = min(due, run.due, run.look)
        return due


def _take_newer(known: dict[str, Stated], others: Mapping[str, Stated]) -> None:
    for name, new in others.items():
        stated = known.get(name)
        if stated is None or stands(new, stated):
            known[name] = new
