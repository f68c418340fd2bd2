"""Resolve: which person an event belongs to, and what its identifiers join or part."""

from collections.abc import Iterable

from events.record import OPERATOR, Event, Join, Offset
from profile_state.identity import USER, Edge, crowded, edge, group, kind_of, person_id
from profile_state.leaf import Leaf
from profile_state.person import Person
from triggers.signs import CALENDAR
from triggers.state import State
from triggers.work import Work


def resolve(work: Work, event: Event, offset: Offset) -> tuple[Person | None, list[Person]]:
    """Find or make the event's person.

    Returns:
        The person, None where this record is already applied to them; and everybody else whom
        its edges changed.
    """
    state = work.state
    person = state.find(event.leaf)
    if person is not None and person.offset >= offset:
        return None, []
    if person is not None and _as_before(person, event):
        return person, []
    ids = joining(state, event)
    edges = _new_edges(state, person, event, ids)
    leaf = person.leaves.get(event.leaf) if person is not None else None
    if person is not None and leaf is not None:
        earlier = event.time < leaf.first
        leaf.first = min(leaf.first, event.time)  # the person is named by their first leaf
        if not edges and (not earlier or len(person.leaves) == 1):
            return person, []
    if person is None and len(ids) == 1:
        person = Person(person_id(event.leaf), {event.leaf}, {event.leaf: _leaf(event)})
        _admit(work, person, offset)
        work.count(person.id, "people")
        return person, []
    if leaf is None:
        leaf = _leaf(event)
    changed = _regroup(work, ids, edges, offset, leaf)
    person = state.find(event.leaf)
    assert person is not None, "regrouping places the event's leaf"
    return person, [p for p in changed if p is not person]


def rejoin(work: Work, join: Join, offset: Offset) -> list[Person]:
    """Take an operator's word on two identifiers.

    Returns:
        The people whom it changed; empty where it changed nobody, or is applied already.
    """
    state, ids = work.state, [join.one, join.other]
    found = [person for i in ids if (person := state.find(i)) is not None]
    if any(person.offset >= offset for person in found):
        return []
    said = edge(join.time, join.id, join.one, join.other, OPERATOR, cut=join.cut)
    changed = _regroup(work, ids, [said], offset)
    if changed:
        work.count(changed[0].id, "cuts" if join.cut else "joins")
    return changed


def admit_tombstone(work: Work, name: str, offset: Offset) -> Person:
    """Take the tombstone of an erased identifier into the state."""
    tomb = Person(name, set(), {})
    tomb.offset = offset
    work.state.admit(tomb)
    work.dirty.add(name)
    _lead(work, name, name)
    return tomb


def forget(work: Work, identifier: str, tombs: list[Person], offset: Offset) -> list[Person]:
    """Take out whom an identifier belongs to, with every edge and way that leads to them.

    Args:
        work: the step.
        identifier: which may be nobody's.
        tombs: what stays of all identifiers of the person.
        offset: of the record.

    Returns:
        Other people whom it changed.
    """
    state = work.state
    before = neighbourhood(state, [identifier, *tied_to(state, identifier)])
    person = state.find(identifier)
    identifiers = {identifier} if person is None else {identifier, *person.ids}
    ways = set(identifiers)
    if person is not None:
        ways |= person.ways
    rest = [p for p in before.values() if p is not person]
    leaves = {key: leaf for p in rest for key, leaf in p.leaves.items()}
    edges = [
        e
        for p in before.values()
        for e in (*p.edges, *p.refused)
        if e.a not in identifiers and e.b not in identifiers
    ]
    # What nobody else ever named, such as an address beyond the limit, goes along.
    stated = leaves.keys() | {end for e in edges for end in (e.a, e.b)}
    ways |= {way for p in rest if p.offset < offset and not stated & p.ids for way in p.ways}
    for way in ways:
        state.index[way] = None
        work.index[way] = tombs[0].id  # written with it
    changed = _settle(
        work,
        before,
        ids={i for p in rest for i in p.ids & stated},
        edges=edges,
        leaves=leaves,
        cause=tombs[0].id,
        offset=offset,
    )
    erased = set() if person is None else {person.id}
    work.together.append({tomb.id for tomb in tombs} | erased | {p.id for p in changed})
    return changed


def regroup(work: Work, person: Person, offset: Offset) -> list[Person]:
    """Apply the limits in force to somebody and all whom refused edges connect to them.

    Returns:
        The people whom it changed.
    """
    return _regroup(work, sorted(person.ids), [], offset)


def _as_before(person: Person, event: Event) -> bool:
    """Say whether the event states nothing about identity that the person does not hold already."""
    leaf = person.leaves.get(event.leaf)
    if leaf is None or (event.time < leaf.first and len(person.leaves) > 1):
        return False
    return len(event.ids) == 1 or not _stating(person.edges, event, event.ids[1:])


def _stating(known: list[Edge], event: Event, others: Iterable[str]) -> list[str]:
    """Return the other identifiers that the event ties to its leaf first, or earlier than known."""
    leaf, trust, place = event.leaf, event.trust, (event.time, event.message_id)
    new = []
    for other in others:
        a, b = (leaf, other) if leaf <= other else (other, leaf)
        for stated in known:
            if (
                stated.b == b
                and stated.a == a
                and stated.trust == trust
                and (stated.time, stated.message_id) <= place
            ):
                break
        else:
            new.append(other)
    return new


def _leaf(event: Event) -> Leaf:
    return Leaf(event.leaf, event.time, event.time)


def joining(state: State, event: Event) -> list[str]:
    """Return the event's identifiers whose type may join people in this workspace, its leaf first."""
    if len(event.ids) == 1 or state.workspace is None:
        return list(event.ids)
    merging = state.workspace.merging
    return [i for i in event.ids if i == event.leaf or kind_of(i) in merging]


def _new_edges(state: State, person: Person | None, event: Event, ids: list[str]) -> list[Edge]:
    """Return the edges that the event adds; SDKs repeat known ones with every event."""
    known = [] if person is None else person.edges + person.refused
    found = []
    for other in _stating(known, event, ids[1:]):
        new = edge(event.time, event.message_id, event.leaf, other, event.trust)
        beside = state.find(other)
        if beside is None or not crowded(beside.edges + beside.refused, new, other, state.limits):
            found.append(new)
    return found


def tied_to(state: State, identifier: str) -> list[str]:
    """Return every identifier that an edge ties to somebody in memory, whatever may come of it."""
    person = state.people.get(state.index.get(identifier) or "")
    return [] if person is None else [end for e in person.refused for end in (e.a, e.b)]


def neighbourhood(state: State, identifiers: list[str]) -> dict[str, Person]:
    """Return everybody whom edges that may join people connect to these identifiers."""
    found: dict[str, Person] = {}
    ahead = list(identifiers)
    while ahead:
        whom = state.index[ahead.pop()]  # `needs` asked for every one of them
        if whom is not None and whom not in found:
            person = found[whom] = state.people[whom]
            ahead += person.reach(state.limits)
    return found


def _regroup(
    work: Work, ids: list[str], edges: list[Edge], offset: Offset, leaf: Leaf | None = None
) -> list[Person]:
    """Apply all edges of the neighbourhood anew, and take the people that come out.

    Args:
        work: the step.
        ids: identifiers.
        edges: new ones.
        offset: of the record.
        leaf: the event's, which may be new.
    """
    before = neighbourhood(work.state, ids)
    leaves = {key: lf for p in before.values() for key, lf in p.leaves.items()}
    if leaf is not None:
        leaves.setdefault(leaf.key, leaf)
    return _settle(
        work,
        before,
        ids={i for p in before.values() for i in p.ids} | set(ids),
        edges=[e for p in before.values() for e in (*p.edges, *p.refused)] + edges,
        leaves=leaves,
        offset=offset,
    )


def _settle(
    work: Work,
    before: dict[str, Person],
    *,
    ids: set[str],
    edges: list[Edge],
    leaves: dict[str, Leaf],
    offset: Offset,
    cause: str = "",
) -> list[Person]:
    """Put the people that edges make of identifiers in the place of those who were before.

    What changes is counted with one of these people, or with `cause` where nobody is left: it
    must be somebody who is written in the same call.
    """
    # Read again after a crash, somebody may be ahead of this record. It changed nothing of them
    # then: whom one record changes are written together. So nothing of them is changed now, nor of
    # those to whom only edges lead that join nobody.
    ahead = {p.id for p in before.values() if p.offset > offset}
    apart = {end for e in edges for end in (e.a, e.b)} - ids
    apart |= {i for one in ahead for i in before[one].ids}
    if ahead:
        before = {one: p for one, p in before.items() if one not in ahead}
        edges = [e for e in edges if e.a not in apart or e.b not in apart]
    grouping = group(ids - apart, edges, work.state.limits, apart)
    shared = grouping.shared | ({d for p in before.values() for d in p.shared} & apart)
    # Who has no events is called after an identifier, until events come or others do.
    named = {n for p in before.values() for n in (p.named if p.leaves else {min(p.ids), *p.named})}
    changed: list[Person] = []
    after: set[str] = set()
    for identifiers in grouping.groups:
        person = _person_of(identifiers, leaves)
        person.edges = [e for e in grouping.accepted if e.a in identifiers]
        person.refused = [e for e in grouping.refused if e.a in identifiers or e.b in identifiers]
        person.shared = (
            frozenset(e.a for e in person.refused if e.a in shared and kind_of(e.b) == USER)
            - identifiers
        )
        person.named = frozenset(n for n in named & identifiers if person_id(n) != person.id)
        after.add(person.id)
        known = before.get(person.id)
        if known is None or _differs(known, person):
            changed.append(person)
    _replace(work, before, changed, after, cause, offset)
    return changed


def _person_of(identifiers: frozenset[str], leaves: dict[str, Leaf]) -> Person:
    own = {i: leaves[i] for i in sorted(identifiers) if i in leaves}
    first = min(own.values(), key=lambda lf: (lf.first, lf.key)).key if own else min(identifiers)
    return Person(person_id(first), set(identifiers), own)


def _differs(known: Person, person: Person) -> bool:
    return (
        known.ids != person.ids
        or known.leaves.keys() != person.leaves.keys()
        or known.edges != person.edges
        or known.refused != person.refused
        or known.shared != person.shared
    )


def _replace(
    work: Work,
    before: dict[str, Person],
    changed: list[Person],
    after: set[str],
    cause: str,
    offset: Offset,
) -> None:
    state = work.state
    in_force = state.workspace.version if state.workspace is not None else ""
    gone = [p for p in before.values() if p.id not in after]
    replaced = gone + [before[p.id] for p in changed if p.id in before]
    for person in changed:
        for old in replaced:
            if old.leaves.keys() & person.leaves.keys():
                person.seen = max(person.seen, old.seen)
                for segment, since in old.member.items():
                    person.member[segment] = min(since, person.member.get(segment, since))
                for name, at in old.recheck.items():
                    if name.startswith(CALENDAR):
                        person.recheck[name] = min(at, person.recheck.get(name, at))
                if not person.version or person.version == in_force:
                    person.version = old.version  # so that they adopt the one in force
    for old in gone:
        state.dismiss(old.id, offset)
        work.dirty.discard(old.id)
    for person in changed:
        _admit(work, person, offset)
        if len(after) > 1:
            _lead(work, person.id, person.id)  # it may be the former id of whom this one left
    work.together.append({p.id for p in changed} | {p.id for p in gone})
    _count_differences(work, changed[0].id if changed else cause, replaced, changed)


def _count_differences(
    work: Work, causing: str, replaced: list[Person], changed: list[Person]
) -> None:
    for sign, people in ((-1, replaced), (1, changed)):
        for person in people:
            if person.leaves:
                work.count(causing, "people", sign)
            for segment in person.member:
                work.count(causing, f"segment:{segment}", sign)
    known_refusals = {e for p in replaced for e in p.refused}
    refusals = {e for p in changed for e in p.refused} - known_refusals
    cut = {(e.a, e.b) for p in changed for e in p.refused if e.cut}
    number = sum((e.a, e.b) not in cut for e in refusals)
    if number:
        work.count(causing, "merge_refused", number)


def _admit(work: Work, person: Person, offset: Offset) -> None:
    """Take a person into the state, under every identifier and id that leads to them."""
    state = work.state
    person.offset = offset
    if state.workspace is not None:
        person.version = person.version or state.workspace.version
        person.learnt = state.learnt
        person.refresh(state.workspace.slots)
    state.admit(person)
    work.dirty.add(person.id)
    for way in person.ways - {person.id}:
        _lead(work, way, person.id)


def _lead(work: Work, way: str, person: str) -> None:
    """Let an identifier or a former id lead to a person."""
    if work.state.index.get(way) != person:
        work.state.index[way] = person
        work.index[way] = person
