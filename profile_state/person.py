"""A person: one component of the identity graph, stored as one value.

The value carries the offset up to which its partition's log is applied to it, so that reading
a stretch of the log again changes nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from events.record import START, Offset
from profile_state.cells import Slot, copied, later, merge_cells, plain, restored
from profile_state.identity import ANONYMOUS, USER, Edge, kind_of, may_join, person_id
from profile_state.leaf import Leaf, Run, Sent

VERSION = 1  # of the stored value, its first byte
NEVER = 1 << 62  # ms; an instant that does not come


class _Stored(msgspec.Struct, array_like=True):
    id: str
    ids: list[str]
    leaves: list[Leaf]
    edges: list[Edge]
    refused: list[Edge]
    offset: tuple[int, int]
    member: dict[str, int]
    recheck: dict[str, int]
    version: str
    named: list[str] = []
    shared: list[str] = []
    seen: int = 0


class View(msgspec.Struct):
    """What conditions read of a person with several leaves; with one leaf, the leaf itself."""

    cells: dict[str, Any]
    traits: dict[str, tuple[int, str, Any]]
    addresses: dict[str, tuple[int, str, str]]


class Person:
    """One person in memory."""

    __slots__ = (
        "_reach",
        "edges",
        "id",
        "ids",
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
        "version",
        "view",
    )

    def __init__(self, person: str, ids: set[str], leaves: dict[str, Leaf]) -> None:
        self.id = person
        self.ids = ids
        self.leaves = leaves
        self.edges: list[Edge] = []
        self.refused: list[Edge] = []  # edges to other people that broke a limit
        self.shared: set[str] = set()  # devices that these name, and others have as well
        self._reach: tuple[Mapping[str, int], list[str]] | None = None
        self.named: set[str] = set()  # identifiers without events, after which they were called
        self.seen = 0  # ms, the log's clock at their last event
        self.offset: Offset = START
        self.packed = 0  # bytes, when they were written or read last
        self.member: dict[str, int] = {}  # segment -> ms since when
        self.recheck: dict[str, int] = {}  # segment -> ms at which time alone may change it
        self.version = ""  # of the definitions that `member` follows
        self.slots: Mapping[str, Slot] = {}  # of the definitions that the view follows
        self.view: Leaf | View = (
            next(iter(leaves.values())) if len(leaves) == 1 else View({}, {}, {})
        )

    def __repr__(self) -> str:
        return f"Person({self.id!r}, ids={sorted(self.ids)}, leaves={sorted(self.leaves)})"

    def refresh(self, slots: Mapping[str, Slot]) -> None:
        """Compute the view anew, after leaves were joined or parted, or for other definitions."""
        self.slots = slots
        if len(self.leaves) == 1:
            self.view = next(iter(self.leaves.values()))
            return
        self.view = View({}, {}, {})
        for leaf in self.leaves.values():
            _take_newer(self.view.traits, leaf.traits)
            _take_newer(self.view.addresses, leaf.addresses)
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

        Of two of one trigger and key, which a merge brought together, the older one is active.
        """
        if len(self.leaves) == 1:
            leaf = next(iter(self.leaves.values()))
            for run in leaf.runs:
                yield leaf, run
            return
        oldest: dict[tuple[str, str], tuple[Leaf, Run]] = {}
        for leaf in self.leaves.values():
            for run in leaf.runs:
                known = oldest.get((run.trigger, run.key))
                if known is None or (run.started, run.entry) < (known[1].started, known[1].entry):
                    oldest[run.trigger, run.key] = (leaf, run)
        yield from oldest.values()

    def end_runs(self, trigger: str, key: str) -> None:
        """Take a trigger's run of this key off every leaf."""
        for leaf in self.leaves.values():
            if leaf.runs:
                leaf.runs = [r for r in leaf.runs if r.trigger != trigger or r.key != key]

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
        if self.waits:
            for _, run in self.runs():
                due = min(due, run.due)
        return due


def _take_newer(
    known: dict[str, tuple[int, str, Any]], others: Mapping[str, tuple[int, str, Any]]
) -> None:
    for name, stated in others.items():
        known[name] = later(known[name], stated) if name in known else stated


_encoder = msgspec.msgpack.Encoder(enc_hook=plain)
_decoder = msgspec.msgpack.Decoder(_Stored)


def pack(person: Person) -> bytes:
    """Encode a person; the first byte is the version."""
    stored = _Stored(
        person.id,
        sorted(person.ids),
        list(person.leaves.values()),
        person.edges,
        person.refused,
        person.offset,
        person.member,
        person.recheck,
        person.version,
        sorted(person.named),
        sorted(person.shared),
        person.seen,
    )
    value = bytes((VERSION,)) + _encoder.encode(stored)
    person.packed = len(value)
    return value


def unpack(value: bytes, slots: Mapping[str, Slot]) -> Person:
    """Decode a person.

    Raises:
        ValueError: the value was written by a version that this code does not know.
    """
    if value[0] != VERSION:
        raise ValueError(
            f"a stored person of version {VERSION} was expected, found {value[0]}: this ledger was "
            "written by another release; start the release that wrote it, or rebuild from the log"
        )
    stored = _decoder.decode(memoryview(value)[1:])
    for leaf in stored.leaves:
        leaf.cells = {key: restored(key, cell) for key, cell in leaf.cells.items()}
    person = Person(stored.id, set(stored.ids), {leaf.key: leaf for leaf in stored.leaves})
    person.packed = len(value)
    person.edges, person.refused = stored.edges, stored.refused
    person.named, person.shared = set(stored.named), set(stored.shared)
    person.offset, person.seen = Offset(*stored.offset), stored.seen
    person.member, person.recheck, person.version = stored.member, stored.recheck, stored.version
    person.refresh(slots)
    return person
