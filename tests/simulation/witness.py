"""From a lived seed to evidence: our values become plain ones, and the log is read a second time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from channels.delivery.beside import rows_of
from events import record
from events.record import OWN, DeadLetter, Erase, Event, Join, Settled, Sweep, Tick, Version
from events.sources.base import Entry
from events.sources.memory import MemoryLog
from flows.engine import Engine
from profile_state import hashes
from profile_state.cells import Slot, copied, current
from profile_state.leaf import Leaf
from profile_state.person import Person
from profile_state.stored import unpack
from profile_state.stores.memory import MemoryStore, Shelf
from tests.simulation.oracle.evidence import (
    NOBODYS,
    Call,
    Decided,
    Ending,
    Erasure,
    Evidence,
    LeafFacts,
    People,
    PersonFacts,
    Place,
    Provided,
    Remembered,
    Said,
    Word,
)
from tests.simulation.run import Lived
from tests.simulation.shop import ADDRESSES
from triggers.activation import Activation, decode
from triggers.definitions import Workspace
from triggers.warming import own_slots

PREFIXES = 2  # of the log, after which people are looked at, beside its end


def evidence_of(lived: Lived) -> Evidence:
    """Gather what the recorders of a seed noted."""
    entries = lived.log.memory.read(0, -1, 1 << 30, 0)
    evidence = Evidence(
        sent=lived.batches,
        accepted=lived.clients.accepted,
        slots=lived.slots,
        fenced=lived.ledger.changed_by_fenced,
        faults=dict(lived.chaos.happened),
    )
    _read(evidence, entries)
    again = Again(entries)
    draw = lived.world.draw("prefixes")
    for upto in sorted(draw.sample(range(len(entries) // 4, len(entries)), PREFIXES)):
        evidence.prefixes.append(again.people_after(upto))
    evidence.prefixes.append(again.people_after(len(entries) - 1))
    again.engine.drain()
    evidence.live = _ending(lived.ledger.shelf, again.engine)
    evidence.again = _ending(again.shelf, again.engine)
    at = {entry.time: entry.id for entry in entries}
    evidence.decided = [
        _decided(a, at[a.decided]) for e in again.shelf.activations for a in decode(e)
    ]
    evidence.remade = {i: {repr(a) for a in said} for i, said in lived.ledger.decided.items()}
    for provider in lived.providers:
        calls = [Call(c.us, c.id, c.withdrawn_us, c.thawed_us) for c in provider.calls]
        evidence.providers.append(Provided(provider.name, provider.keyed, calls, provider.accepted))
    rows = rows_of(lived.workers.folder, [d.id for d in evidence.decided])
    evidence.rows = {row.id: (row.state, row.detail) for row in rows.values()}
    return evidence


def _read(evidence: Evidence, entries: Iterable[Entry]) -> None:
    """Note what the log says."""
    for entry in entries:
        for nth, one in enumerate(record.decode(entry.payload)):
            evidence.records += 1
            place = (entry.id, nth)
            match one:
                case Event():
                    evidence.said.append(_said(one, place, entry.time))
                case DeadLetter():
                    evidence.letters.append((place, _number(msgspec.json.decode(one.body))))
                case Join():
                    evidence.words.append(
                        Word(place, one.id, one.time, (one.one, one.other), one.cut)
                    )
                case Erase():
                    evidence.erasures.append(Erasure(place, entry.time, one.identifier))
                case Settled():
                    evidence.settled.add((one.entry, one.nth))
                case Tick():
                    evidence.ticks[entry.id] = entry.time
                case Sweep():
                    evidence.sweeps.append((entry.time, one.first, one.last))
                case Version():
                    evidence.versions.append(entry.time)


def _number(call: Mapping[str, Any]) -> int:
    number: int = (call.get("properties") or call["traits"])["n"]
    return number


def _number_of(event: Event) -> int:
    """Return the message's number; what journeys put out has none."""
    if event.source == OWN:
        return NOBODYS
    number: int = (event.traits if event.kind == "identify" else event.properties)["n"]
    return number


def _said(event: Event, place: Place, at: int) -> Said:
    return Said(
        place=place,
        at=at,
        n=_number_of(event),
        message_id=event.message_id,
        source=event.source,
        trust=event.trust,
        kind=event.kind,
        name=event.name,
        leaf=event.leaf,
        ids=event.ids,
        time=event.time,
        accepted=event.accepted_us // 1000,
        properties=event.properties,
        traits=event.traits,
        addresses=event.addresses,
    )


def _decided(a: Activation, entry: int) -> Decided:
    n = a.event.get("n")
    return Decided(a.id, entry, a.trigger, a.channel, a.purpose, a.leaf, a.address, a.decided, n)


class _EndlessLog(MemoryLog):
    """The log of an engine that never comes to its end, and so appends nothing."""

    def last(self, partition: int) -> int:  # noqa: ARG002 - whichever it is
        return 1 << 62


class Again:
    """A second reading of a log: one engine, nothing goes wrong, other batches."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.shelf = Shelf()
        self._entries = entries
        self.engine = Engine(
            _EndlessLog(clock=lambda: 0),  # it is handed its entries
            MemoryStore(self.shelf),
            ADDRESSES,
            clock=lambda: 0,
            monotonic=lambda: 0.0,
        )
        self.engine.recover()

    def people_after(self, upto: int) -> People:
        """Read on to an entry, and look at everybody."""
        while self.engine.position < upto:
            start = self.engine.position + 1
            self.engine.process(self._entries[start : min(start + 100, upto + 1)])
        state = self.engine.state
        workspace = state.workspace
        assert workspace is not None
        since = self._known(workspace)
        slots = {key: workspace.slots[key] for key in since}
        people = [
            _person(p, slots, state.now, fresh=p.version == workspace.version)
            for p in state.people.values()
            if p.ids  # else it is a tombstone
        ]
        remembered = {key: _remembered(slot, since[key]) for key, slot in slots.items()}
        return People(upto, state.now, people, remembered)

    def _known(self, workspace: Workspace) -> dict[str, Place]:
        """Return since when each slot is known for everybody alike; not of what is filled just now."""
        since: dict[str, Place] = dict.fromkeys(own_slots(workspace), (-1, -1))
        for gap in self.engine.state.history.gaps:
            for key, had in gap.slots:
                if had is None and gap.next == 0:
                    since[key] = gap.at
                else:
                    del since[key]
        return since


def _remembered(slot: Slot, since: Place) -> Remembered:
    field = slot.fields[0] if slot.fields else ""
    return Remembered(slot.kind, slot.event, field, slot.by, slot.window, slot.keep, since)


def _person(person: Person, slots: Mapping[str, Slot], now: int, *, fresh: bool) -> PersonFacts:
    waiting = min(person.recheck.values(), default=now + 1) <= now
    return PersonFacts(
        person.id,
        frozenset(person.ids),
        {key: _leaf(leaf, slots, now) for key, leaf in person.leaves.items()},
        frozenset(person.member),
        fresh and not waiting,
    )


def _leaf(leaf: Leaf, slots: Mapping[str, Slot], now: int) -> LeafFacts:
    cells = {
        key: _plain(slots[key], kept)
        for key, cell in leaf.cells.items()
        if key in slots and (kept := copied(current(slots[key], cell, now))) is not None
    }
    return LeafFacts(
        leaf.total,
        leaf.first,
        leaf.last,
        dict(leaf.traits),
        dict(leaf.addresses),
        dict(leaf.consents),
        cells,
    )


def _plain(slot: Slot, cell: Any) -> Any:
    if slot.kind != "events":
        return cell
    return [event[:3] for event in cell]


def _ending(shelf: Shelf, engine: Engine) -> Ending:
    workspace = engine.state.workspace
    assert workspace is not None
    people = {person: unpack(value, workspace.slots) for person, value in shelf.people.items()}
    activations = [a for entry in shelf.activations for a in decode(entry)]
    return Ending(
        people={person: _words(p) for person, p in people.items()},
        leads=shelf.index,
        counts={name: n for name, n in shelf.counts.items() if n},
        dues=shelf.dues,
        withdrawals=shelf.withdrawals,
        dead={(entry, nth): _code(letter) for (entry, nth), letter in shelf.dead.items()},
        activations={a.id: repr(a) for a in activations},
        facts=hashes.facts(people.values(), workspace.slots, engine.state.now),
        decisions=hashes.decisions(people.values()),
    )


def _code(letter: bytes) -> str:
    return msgspec.msgpack.decode(letter, type=DeadLetter).code


def _in_order(leaf: Leaf) -> Leaf:
    """Cells come in the order in which they were made, or read; it says nothing."""
    return msgspec.structs.replace(leaf, cells=dict(sorted(leaf.cells.items())))


def _words(person: Person) -> str:
    """Say everything about a person; `offset` aside, which later copies move."""
    leaves = [repr(_in_order(leaf)) for _, leaf in sorted(person.leaves.items())]
    shared = sorted(person.shared)
    rest = (sorted(person.ids), person.edges, person.refused, shared, sorted(person.member.items()))
    return repr((rest, person.version, sorted(person.recheck.items()), leaves))
