"""What must be known of each leaf and person: recomputed from all first copies, every time anew."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.simulation.oracle.evidence import Evidence, LeafFacts, People, Place, Remembered, Said
from tests.simulation.oracle.who import Who, firsts, growing, person_id
from tests.simulation.shop import HOUR, OLDEST

STATEMENTS = ("consent_updated", "unsubscribed")


def counts(one: Said) -> bool:
    """Say whether an event counts: of one older than 30 days nobody knows whether it is a copy."""
    return one.time > one.at - OLDEST


def statements(one: Said) -> list[tuple[str, str, bool]]:
    """Return (purpose, channel, granted) of a consent; `*` is every channel."""
    said = one.properties
    if one.name not in STATEMENTS:
        return []
    granted = one.name == "consent_updated" and said.get("granted") is True
    return [(said.get("purpose", "marketing"), said.get("channel", "*"), granted)]


def leaf_facts(own: list[Said], slots: dict[str, Remembered], now: int) -> LeafFacts:
    """Recompute a leaf from its own first copies."""
    latest = sorted(own, key=lambda s: (s.time, s.message_id))
    traits = {
        k: (s.time, ("\x01" if s.trust else "") + s.message_id, v)
        for s in sorted(latest, key=lambda s: s.trust > 0)  # a server's word stands
        for k, v in s.traits.items()
    }
    addresses = {
        f"{k}:{v}": (s.time, s.message_id, 0) for s in latest for k, v in s.addresses.items()
    }
    ranked: dict[str, tuple[int, bool, str]] = {}  # of two at one time the withdrawal stands
    for s in own:
        for purpose, channel, granted in statements(s):
            rank = (s.time, not granted, s.message_id)
            ranked[f"{purpose}|{channel}"] = max(rank, ranked.get(f"{purpose}|{channel}", rank))
    consents = {name: (time, said_by, not no) for name, (time, no, said_by) in ranked.items()}
    cells = {
        key: cell for key, slot in slots.items() if (cell := _cell(own, slot, now)) is not None
    }
    times = [s.time for s in own]
    return LeafFacts(
        sum(map(counts, own)), min(times), max(times), traits, addresses, consents, cells
    )


def _cell(own: list[Said], slot: Remembered, now: int) -> Any:
    """Recompute what a leaf remembers for the definitions, as far as it counts at `now`."""
    events = [s for s in own if s.name == slot.event and counts(s) and s.place > slot.since]
    if slot.by is None:
        return _aggregate(events, slot, now)
    values = {_text(s.properties.get(slot.by)) for s in events}
    parts = {
        v: _aggregate([s for s in events if _text(s.properties.get(slot.by)) == v], slot, now)
        for v in values
    }
    return {value: part for value, part in parts.items() if part is not None} or None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _aggregate(events: list[Said], slot: Remembered, now: int) -> Any:
    floor = 0 if slot.window is None else now - slot.window
    match slot.kind:
        case "newest":
            return max((s.time for s in events), default=None)
        case "times":
            found: list[Any] = sorted(s.time for s in events)
        case "amounts":
            found = sorted(
                (s.time, round(float(s.properties[slot.field]) * 1_000_000)) for s in events
            )
        case "events":
            found = sorted((s.time, s.message_id, s.source) for s in events)
        case other:
            raise NotImplementedError(f"the oracle does not know how to keep {other!r}")
    inside = [f for f in found[-slot.keep :] if (f if isinstance(f, int) else f[0]) >= floor]
    return inside or None


def segments(own: list[Said], now: int) -> frozenset[str]:
    """Say which segments of the shop a person with these first copies is in."""

    def within(name: str, window: int) -> list[Said]:
        return [s for s in own if s.name == name and counts(s) and s.time >= now - window]

    found = set()
    if len(within("product_viewed", 6 * HOUR)) >= 3:
        found.add("warm")
    spent = sum(
        round(float(s.properties["total"]) * 1_000_000)
        for s in within("order_completed", 12 * HOUR)
    )
    if spent > 150_000_000 and not within("cart_emptied", 5 * HOUR):
        found.add("spender")
    tiers = [
        (s.trust > 0, s.time, s.message_id, s.traits["tier"]) for s in own if "tier" in s.traits
    ]
    if "warm" in found and tiers and max(tiers)[3] == "gold":
        found.add("chosen")
    return frozenset(found)


def allowed(who: Who, said: Iterable[Said], leaf: str, purpose: str, channel: str) -> bool | None:
    """Say whether the leaf's person allows a purpose on a channel; None where they never said.

    A denial is cancelled by a later grant of its own leaf, or of one that an edge not younger
    than the grant had joined to it. What a visitor grants, who is only said by browsers to be
    somebody known, counts for nobody else.
    """
    group = who.of(leaf)
    latest: list[tuple[int, bool, str]] = []
    for one in group:
        own = [s for s in said if s.leaf == one and s.name in STATEMENTS]
        if own:
            known = leaf_facts(own, {}, 0).consents
            found = [known.get(f"{purpose}|{c}") for c in (channel, "*")]
            latest += [(k[0], k[2], one) for k in found if k is not None]
    if not latest:
        return None
    vouched = who.vouched(leaf)
    grants = [(time, of) for time, granted, of in latest if granted]

    def cancels(g: int, of: str, denied: str) -> bool:
        visitor = of.startswith("anonymous_id:") and any(
            not i.startswith("anonymous_id:") for i in group
        )
        return of == denied or (of in vouched and who.joined(of, denied, g, least=int(visitor)))

    for time, granted, denied in latest:
        if not granted and not any(g > time and cancels(g, of, denied) for g, of in grants):
            return False
    return True if any(of in vouched for _, of in grants) else None


def wrong(people: People, evidence: Evidence) -> Iterator[str]:
    """Compare everybody after a prefix of the log with what must be known of them."""
    upto: Place = (people.upto + 1, -1)
    said, words = growing(evidence).standing(
        upto,
        (s for s in firsts(evidence.said) if s.place < upto),
        (w for w in evidence.words if w.place < upto),
    )
    who = Who(said, words)
    found = {p.ids: p for p in people.people}
    if found.keys() != who.groups:
        odd = sorted(map(sorted, found.keys() ^ who.groups))
        yield f"after entry {people.upto}: people differ in {odd[:4]}"
        return
    by_leaf: dict[str, list[Said]] = {}
    for s in said:
        by_leaf.setdefault(s.leaf, []).append(s)
    for person in people.people:
        leaves = by_leaf.keys() & person.ids
        own = [s for leaf in leaves for s in by_leaf[leaf]]
        if person.id != (name := person_id(set(person.ids), own)):
            yield f"after entry {people.upto}: {person.id} should be named {name}"
        if leaves != person.leaves.keys():
            yield f"after entry {people.upto}: {person.id} has the leaves {sorted(person.leaves)}"
            continue
        for leaf in sorted(leaves):
            right = leaf_facts(by_leaf[leaf], people.slots, people.now)
            yield from _differences(people.upto, leaf, person.leaves[leaf], right)
        if person.fresh and person.segments != (inside := segments(own, people.now)):
            yield (
                f"after entry {people.upto}: {sorted(person.ids)} should be in {sorted(inside)},"
                f" found {sorted(person.segments)}"
            )


def _differences(upto: int, leaf: str, found: LeafFacts, right: LeafFacts) -> Iterator[str]:
    for name in ("total", "first", "last", "traits", "addresses", "consents", "cells"):
        has, should = getattr(found, name), getattr(right, name)
        if has != should:
            yield f"after entry {upto}: {name} of {leaf} should be {should}, found {has}"
