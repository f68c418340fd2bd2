"""Who is who: people are the connected parts of a set of edges, a pure function of that set.

Were edges taken first come, first served, the same history in another order would end with
other people (measured: in 17 % of shuffled histories). So all edges of a neighbourhood are
applied anew, the most trusted and then the oldest first, and one that would break a limit is
left out.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from itertools import repeat
from typing import NamedTuple

import msgspec

from events.record import CLAIMED, OPERATOR

ANONYMOUS = "anonymous_id"
USER = "user_id"

SPARE = 8  # refused edges of one identifier to one type that are remembered
DEFAULT_LIMITS: Mapping[str, int] = {USER: 1, "email": 5, ANONYMOUS: 200, "phone": 3}


class Edge(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A statement that two identifiers belong to one person, or, as a cut, that they do not."""

    time: int  # ms
    message_id: str
    a: str  # the smaller identifier of the two
    b: str
    trust: int
    cut: bool = False  # an operator's alone


def edge(
    time: int, message_id: str, one: str, other: str, trust: int, *, cut: bool = False
) -> Edge:
    """Build an edge; the order of its two ends carries no meaning.

    >>> edge(5, "m1", "user_id:u1", "anonymous_id:a1", 0).a
    'anonymous_id:a1'
    """
    a, b = (one, other) if one <= other else (other, one)
    return Edge(time, message_id, a, b, trust, cut)


def merge_id(one: str, other: str) -> str:
    """Name what joins two identifiers, so that an operator can cut it.

    >>> merge_id("user_id:u1", "anonymous_id:a1") == merge_id("anonymous_id:a1", "user_id:u1")
    True
    """
    pair = "\n".join(sorted((one, other)))
    return "m_" + hashlib.blake2b(pair.encode(), digest_size=6).hexdigest()


def kind_of(identifier: str) -> str:
    """Return an identifier's type.

    >>> kind_of("user_id:u1")
    'user_id'
    """
    return identifier.partition(":")[0]


def person_id(leaf: str) -> str:
    """Name a person by their first leaf; opaque, so that it may stand in logs and URLs.

    >>> person_id("user_id:u1")
    'p_88947be4fb3cb43bfbd6'
    """
    return "p_" + hashlib.blake2b(leaf.encode(), digest_size=10).hexdigest()


PLACES = 4096  # of equal parts, over which people spread evenly


def place_of(person: str) -> int:
    """Return a person's place, by which sweeps go through everybody part by part.

    >>> place_of("p_88947be4fb3cb43bfbd6")
    2185
    """
    return int(person[2:5], 16)


class Grouping(NamedTuple):
    """What a set of edges makes of its identifiers."""

    groups: list[frozenset[str]]  # each one person's identifiers
    accepted: list[Edge]
    refused: list[Edge]
    shared: Set[str]  # anonymous ids of shared devices


def group(
    identifiers: Iterable[str],
    edges: Iterable[Edge],
    limits: Mapping[str, int] = DEFAULT_LIMITS,
    apart: Set[str] = frozenset(),
) -> Grouping:
    """Group identifiers into people.

    Edges are applied in order of trust (highest first), time and message id. Left out is an
    edge that would give a person more identifiers of a type than `limits` allow, a claimed
    edge between two parts that are both identified, and every edge of a shared device: an
    anonymous id whose most trusted edges name two user ids stands alone. An operator's cut
    takes away every edge of its pair, earlier and later ones, until an operator joins the pair
    again; and what an operator joins, no limit parts.

    Args:
        identifiers: all identifiers to group, such as `user_id:u1`; those of edges are added.
        edges: in any order, with any repetition.
        limits: the most identifiers of each type that one person may have.
        apart: identifiers that others have for certain: edges to them say which devices are
            shared, join nobody, and are not forgotten.

    Returns:
        The groups; `refused` holds the cuts too, and what they took away.

    >>> both = [edge(1, "m1", "anonymous_id:a1", "user_id:u1", 0)]
    >>> [sorted(g) for g in group([], both).groups]
    [['anonymous_id:a1', 'user_id:u1']]
    >>> shared = [*both, edge(2, "m2", "anonymous_id:a1", "user_id:u2", 0)]
    >>> len(group([], shared).groups)
    3
    """
    standing, refused = _standing(edges, limits, apart)
    ordered = sorted(standing, key=lambda e: (-e.trust, e.time, e.message_id, e))
    shared = _shared_devices(ordered)
    members: dict[str, set[str]] = {i: {i} for i in identifiers}
    for e in refused:
        members.setdefault(e.a, {e.a})
        members.setdefault(e.b, {e.b})
    for other in apart:
        members.pop(other, None)
    accepted: list[Edge] = []
    for e in ordered:
        if e.a in apart or e.b in apart:
            refused.append(e)
            continue
        left = members.setdefault(e.a, {e.a})
        right = members.setdefault(e.b, {e.b})
        if e.a in shared and kind_of(e.b) == USER:
            refused.append(e)
        elif left is right:
            accepted.append(e)
        elif _allowed(e, left, right, limits):
            accepted.append(e)
            if len(left) < len(right):
                left, right = right, left
            left |= right
            for identifier in right:
                members[identifier] = left
        else:
            refused.append(e)
    distinct = {id(g): g for g in members.values()}
    groups = sorted((frozenset(g) for g in distinct.values()), key=min)
    return Grouping(groups, accepted, sorted(refused), shared)


def may_join(e: Edge, limits: Mapping[str, int]) -> bool:
    """Say whether an edge could ever join two people, whoever else there is.

    A browser's word ties no two identifiers that each identify somebody, and no limit of one lets
    in a second identifier of a type.

    >>> may_join(edge(1, "m1", "user_id:u", "anonymous_id:a", 0), {"user_id": 1})
    True
    >>> may_join(edge(1, "m1", "user_id:u", "user_id:v", 1), {"user_id": 1})
    False
    """
    if e.trust == OPERATOR:
        return True
    one, other = kind_of(e.a), kind_of(e.b)
    if e.trust == CLAIMED and one != ANONYMOUS != other:
        return False
    return one != other or limits.get(one, 2) > 1


def _bounded(edges: list[Edge], limits: Mapping[str, int], apart: Set[str]) -> list[Edge]:
    """Leave out what an identifier is tied to beyond all limits, the youngest edges first.

    A shared computer meets thousands of users, and a test address is in thousands of accounts. All
    but the first few are refused, whatever comes, and would lead everybody to everybody. Of each
    identifier's edges to one type and of one trust the oldest stay: as many as the limit lets in,
    or the default one if that is higher, and SPARE more, which matter when an operator cuts some.
    """
    if len(edges) <= SPARE:
        return edges
    tied: dict[tuple[str, str, int], list[Edge]] = {}
    for e in edges:
        tied.setdefault((e.a, kind_of(e.b), e.trust), []).append(e)
        tied.setdefault((e.b, kind_of(e.a), e.trust), []).append(e)
    beyond = {
        e
        for (_, kind, _), found in tied.items()
        if len(found) > (most := _remembered(kind, limits))
        for e in sorted(found, key=lambda e: (e.a not in apart and e.b not in apart, e))[most:]
    }
    return [e for e in edges if e not in beyond]


def crowded(edges: Iterable[Edge], new: Edge, end: str, limits: Mapping[str, int]) -> bool:
    """Say whether `group` would leave a new edge out again for what its one end is tied to.

    Args:
        edges: accepted and refused ones of the person who has that end.
        new: an edge.
        end: one of its two identifiers.
        limits: the most identifiers of each type that one person may have.
    """
    kind = kind_of(new.b if end == new.a else new.a)
    older = sum(
        1
        for e in edges
        if e.trust == new.trust
        and e < new
        and ((e.a == end and kind_of(e.b) == kind) or (e.b == end and kind_of(e.a) == kind))
    )
    return older >= _remembered(kind, limits)


def _remembered(kind: str, limits: Mapping[str, int]) -> int:
    """Return how many identifiers of a type one may be tied to; a low limit may be lifted again."""
    return max(limits.get(kind, 1), DEFAULT_LIMITS.get(kind, 1)) + SPARE


def _standing(
    edges: Iterable[Edge], limits: Mapping[str, int], apart: Set[str]
) -> tuple[list[Edge], list[Edge]]:
    """Part the edges into those that stand and those that an operator's word took away.

    Of each pair and trust the oldest edge is kept, so that repetition carries no weight; of what
    operators said, everything, since the order of cuts and joins decides.
    """
    oldest: dict[tuple[str, str, int], Edge] = {}
    words: dict[tuple[str, str], set[Edge]] = {}  # of operators, by pair
    for e in edges:
        if e.trust == OPERATOR:
            words.setdefault((e.a, e.b), set()).add(e)
        elif (e.a, e.b, e.trust) not in oldest or e < oldest[e.a, e.b, e.trust]:
            oldest[e.a, e.b, e.trust] = e
    standing: list[Edge] = []
    taken: list[Edge] = []
    parted: set[tuple[str, str]] = set()  # once, even if joined again: from then on at the earliest
    for pair, said in words.items():
        ordered = sorted(said)
        last_cut = max((nth for nth, e in enumerate(ordered) if e.cut), default=-1)
        joins = ordered[last_cut + 1 :]
        standing += joins[:1]
        taken += ordered[: last_cut + 1] + joins[1:]
        if last_cut >= 0:
            parted.add(pair)
    for e in _bounded(list(oldest.values()), limits, apart):
        (taken if (e.a, e.b) in parted else standing).append(e)
    return standing, taken


def _shared_devices(ordered: list[Edge]) -> set[str]:
    """Find anonymous ids whose most trusted edges name more than one user id."""
    best: dict[str, tuple[int, set[str]]] = {}
    for e in ordered:  # the most trusted come first
        if kind_of(e.a) == ANONYMOUS and kind_of(e.b) == USER:
            trust, users = best.setdefault(e.a, (e.trust, set()))
            if e.trust == trust:
                users.add(e.b)
    return {device for device, (_, users) in best.items() if len(users) > 1}


def _allowed(e: Edge, left: set[str], right: set[str], limits: Mapping[str, int]) -> bool:
    if e.trust == OPERATOR:
        return True
    if e.trust == CLAIMED and _identified(left) and _identified(right):
        return False
    few, many = (left, right) if len(left) <= len(right) else (right, left)
    # Who exceeds a limit already, by an operator's word, may take in identifiers of other types.
    for kind, number in Counter(map(kind_of, few)).items():
        others = sum(map(str.startswith, many, repeat(f"{kind}:")))
        if others and number + others > limits.get(kind, number + others):
            return False
    return True


def _identified(part: set[str]) -> bool:
    return any(kind_of(identifier) != ANONYMOUS for identifier in part)


def joined_by(
    time: int,
    one: str,
    other: str,
    edges: Iterable[Edge],
    apart: Set[str] = frozenset(),
    limits: Mapping[str, int] = DEFAULT_LIMITS,
) -> bool:
    """Say whether the edges of an instant (ms) and before it make two identifiers one person.

    An operator's cut says that what it parts was never one person, whenever it is said.

    >>> tie = edge(7, "m", "anonymous_id:a", "user_id:u", 0)
    >>> [joined_by(time, "user_id:u", "anonymous_id:a", [tie]) for time in (6, 7)]
    [False, True]
    """
    if one == other:
        return True
    by_then = [e for e in edges if e.time <= time or e.cut]
    return any(one in g and other in g for g in group((one, other), by_then, limits, apart).groups)
