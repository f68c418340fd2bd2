"""What joins people, and what does not, as people read it: each edge with its merge id and why."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping

import msgspec

from events.record import CLAIMED, OPERATOR, VERIFIED
from kairos.say import moment
from profile_state.identity import ANONYMOUS, USER, Edge, kind_of, merge_id
from profile_state.person import Person
from triggers.state import State

TRUST = {CLAIMED: "browser", VERIFIED: "server", OPERATOR: "operator"}

Pair = tuple[str, str]


class Link(msgspec.Struct, frozen=True):
    """An edge between two identifiers."""

    merge: str  # its merge id: `kairos unmerge` cuts by it
    one: str
    other: str
    at: int  # ms; when it was said
    trust: str  # who said it: browser, server or operator
    message_id: str  # of the event, or of the operator's word
    why: str = ""  # it does not join them; "" where it does


def link(e: Edge, why: str = "") -> Link:
    """Show an edge.

    >>> link(Edge(5, "m1", "anonymous_id:a", "user_id:u", CLAIMED)).trust
    'browser'
    """
    return Link(merge_id(e.a, e.b), e.a, e.b, e.time, TRUST[e.trust], e.message_id, why)


def line_of(found: Link) -> str:
    """Write an edge on a line.

    >>> line_of(link(Edge(5, "m1", "anonymous_id:a", "user_id:u", CLAIMED))).split()[:4]
    ['m_c5519167956c', 'anonymous_id:a', '-', 'user_id:u']
    """
    said = f"{found.merge}  {found.one} - {found.other}"
    by = f"{moment(found.at)}  {found.trust:<8}  {found.message_id}"
    return f"{said:<64}  {by}" + (f"  ({found.why})" if found.why else "")


def accepted(person: Person) -> list[Link]:
    """List what joins a person's identifiers, oldest first."""
    return [link(e) for e in sorted(person.edges)]


def refused(state: State, person: Person) -> list[Link]:
    """List what would join a person with others, or did, and why it does not.

    Args:
        state: with all whom refused edges connect to them.
        person: in it.
    """
    cut = cut_pairs(person.refused)
    holding = {(e.a, e.b) for e in person.edges}  # what was said again is no refusal
    found = [link(e, "cut by an operator") for e in cut.values()]
    found += [
        link(e, _why(state, e))
        for e in person.refused
        if not e.cut and (e.a, e.b) not in cut and (e.a, e.b) not in holding
    ]
    return sorted(found, key=lambda one: (one.at, one.message_id, one.merge))


def cut_pairs(edges: Iterable[Edge]) -> dict[Pair, Edge]:
    """Return the pairs whose last word of an operator is a cut, with that word.

    >>> said = Edge(5, "op1", "a", "b", OPERATOR), Edge(6, "op2", "a", "b", OPERATOR, cut=True)
    >>> list(cut_pairs(said))
    [('a', 'b')]
    """
    last: dict[Pair, Edge] = {}
    for e in sorted(edges):
        if e.trust == OPERATOR:
            last[e.a, e.b] = e
    return {pair: e for pair, e in last.items() if e.cut}


def _why(state: State, e: Edge) -> str:
    people = [p for end in (e.a, e.b) if (p := state.find(end)) is not None]
    users = _users_of(e.a, people) if kind_of(e.a) == ANONYMOUS and kind_of(e.b) == USER else set()
    if len(users) > 1:
        return f"a shared device: {len(users)} user ids are said to be its own"
    if len(people) == 2 and e.trust == CLAIMED and all(map(_identified, people)):
        return "a browser's word joins no two people who are both identified"
    if len(people) == 2 and state.workspace is not None:
        mine, theirs = (Counter(map(kind_of, p.ids)) for p in people)
        together = {kind: mine[kind] + theirs[kind] for kind in mine & theirs}
        if beyond := over(together, state.workspace.limits):
            return f"a limit: {', '.join(beyond)}"
    return "a limit, when it was applied"


def _users_of(device: str, people: Iterable[Person]) -> set[str]:
    """Return the user ids that the most trusted edges of an anonymous id name."""
    edges = {e for p in people for e in (*p.edges, *p.refused)}
    cut = cut_pairs(edges)
    named = [e for e in edges if e.a == device and kind_of(e.b) == USER and (e.a, e.b) not in cut]
    most = max((e.trust for e in named), default=0)
    return {e.b for e in named if e.trust == most}


def _identified(person: Person) -> bool:
    return any(kind_of(i) != ANONYMOUS for i in person.ids)


def over(kinds: Mapping[str, int], limits: Mapping[str, int]) -> list[str]:
    """Say which limits so many identifiers of each kind are over.

    >>> over({"user_id": 2, "email": 3}, {"user_id": 1, "email": 5})
    ['2 of user_id, at most 1']
    """
    return [
        f"{many} of {kind}, at most {limits[kind]}"
        for kind, many in sorted(kinds.items())
        if kind in limits and many > limits[kind]
    ]


def way(edges: Iterable[Edge], one: str, other: str) -> list[Edge]:
    """Return the shortest chain of edges that ties two identifiers, empty where none does.

    >>> [e.message_id for e in way([Edge(1, "m1", "a", "b", 0), Edge(2, "m2", "b", "c", 0)], "a", "c")]
    ['m1', 'm2']
    """
    by_end: dict[str, list[tuple[str, Edge]]] = {}
    for e in sorted(edges, key=lambda e: (-e.trust, e)):
        by_end.setdefault(e.a, []).append((e.b, e))
        by_end.setdefault(e.b, []).append((e.a, e))
    chains: dict[str, list[Edge]] = {one: []}
    ahead = deque([one])
    while ahead and other not in chains:
        end = ahead.popleft()
        for further, e in by_end.get(end, ()):
            if further not in chains:
                chains[further] = [*chains[end], e]
                ahead.append(further)
    return chains.get(other, [])
