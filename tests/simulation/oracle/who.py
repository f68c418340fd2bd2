"""Who is who: DESIGN section 5, written down once more and as slowly as it reads."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b

from tests.simulation.oracle.evidence import Erasure, Evidence, Place, Said, Word
from tests.simulation.shop import LIMITS

OPERATOR = 2


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """Two identifiers belong together, says somebody."""

    time: int
    said_by: str
    a: str
    b: str
    trust: int


def kind(identifier: str) -> str:
    """Return an identifier's type."""
    return identifier.partition(":")[0]


def firsts(said: Iterable[Said]) -> list[Said]:
    """Return the first copy of each message; nothing else counts."""
    seen = set()
    found = []
    for one in said:
        if one.key not in seen:
            seen.add(one.key)
            found.append(one)
    return found


class Who:
    """Groups of identifiers, and the edges that were let in, after a prefix of the log."""

    def __init__(self, said: list[Said], words: list[Word]) -> None:
        """Group.

        Args:
            said: first copies.
            words: of operators.
        """
        self.group: dict[str, set[str]] = {}  # identifier -> its person's
        self.accepted: list[Edge] = []
        for i in {i for s in said for i in s.ids} | {i for w in words for i in w.ends}:
            self.group[i] = {i}
        edges = _standing(_edges(said, words), words)
        shared = _shared(edges)
        for edge in sorted(edges, key=lambda e: (-e.trust, e.time, e.said_by, e.a, e.b)):
            one, other = self.group[edge.a], self.group[edge.b]
            if edge.a in shared and kind(edge.b) == "user_id":
                continue
            if one is other:
                self.accepted.append(edge)
            elif _fits(edge, one, other):
                self.accepted.append(edge)
                one |= other
                self.group.update(dict.fromkeys(other, one))

    @property
    def groups(self) -> set[frozenset[str]]:
        """Return everybody's identifiers."""
        return {frozenset(group) for group in self.group.values()}

    def of(self, identifier: str) -> set[str]:
        """Return all identifiers of this one's person."""
        return self.group.get(identifier, {identifier})

    def vouched(self, identifier: str) -> set[str]:
        """Return those of this one's person whose grants are theirs: known, or tied to them by a server."""
        group = self.of(identifier)
        known = {i for i in group if kind(i) != "anonymous_id"}
        if not known:
            return group
        ties = [(e.a, e.b) for e in self.accepted if e.trust > 0]
        return known | {i for pair in ties for i in pair if i in group and known & set(pair)}

    def joined(self, one: str, other: str, by: int, least: int = 0) -> bool:
        """Say whether edges of an instant (ms) and before, and of so much trust, join two identifiers."""
        reached, grown = {one}, True
        while grown:
            ends = [
                (e.a, e.b)
                for e in self.accepted
                if e.time <= by and e.trust >= least and (e.a in reached) != (e.b in reached)
            ]
            grown = bool(ends)
            reached.update(i for pair in ends for i in pair)
        return other in reached


def _edges(said: list[Said], words: list[Word]) -> list[Edge]:
    """Return the oldest edge of each pair and trust."""
    oldest: dict[tuple[str, str, int], Edge] = {}
    for s in said:
        for other in s.ids[1:]:
            a, b = sorted((s.leaf, other))
            edge = Edge(s.time, s.message_id, a, b, s.trust)
            known = oldest.get((a, b, s.trust))
            if known is None or edge < known:
                oldest[a, b, s.trust] = edge
    for a, b in {_pair(w) for w in words}:
        joins = _after_last_cut(words, (a, b))
        if joins:
            oldest[a, b, OPERATOR] = Edge(joins[0].time, joins[0].id, a, b, OPERATOR)
    return list(oldest.values())


def _pair(word: Word) -> tuple[str, str]:
    one, other = word.ends
    return min(one, other), max(one, other)


def _after_last_cut(words: list[Word], pair: tuple[str, str]) -> list[Word]:
    """Return the joins of a pair that no cut takes back, oldest first."""
    about = sorted((w for w in words if _pair(w) == pair), key=lambda w: (w.time, w.id, w.cut))
    cuts = [nth for nth, w in enumerate(about) if w.cut]
    return about[cuts[-1] + 1 :] if cuts else about


def _standing(edges: list[Edge], words: list[Word]) -> list[Edge]:
    parted = {_pair(w) for w in words if w.cut}  # what joins them again, joins them anew
    return [e for e in edges if e.trust == OPERATOR or (e.a, e.b) not in parted]


def _shared(edges: list[Edge]) -> set[str]:
    """Return the devices whose most trusted edges name two users: they stand alone."""
    named: dict[str, dict[int, set[str]]] = {}  # device -> trust -> users
    for e in edges:
        if kind(e.a) == "anonymous_id" and kind(e.b) == "user_id":
            named.setdefault(e.a, {}).setdefault(e.trust, set()).add(e.b)
    return {device for device, users in named.items() if len(users[max(users)]) > 1}


def _fits(edge: Edge, one: set[str], other: set[str]) -> bool:
    if edge.trust == OPERATOR:
        return True
    mine, theirs = [kind(i) for i in one], [kind(i) for i in other]
    if edge.trust == 0 and all(set(kinds) - {"anonymous_id"} for kinds in (mine, theirs)):
        return False
    return all(mine.count(k) + theirs.count(k) <= LIMITS[k] for k in set(mine) & set(theirs))


@dataclass(frozen=True, slots=True)
class Gone:
    """Whom an erasure took: nothing that names one of these counts, before it or after."""

    place: Place
    at: int  # ms, the log's clock
    identifiers: frozenset[str]
    leaves: frozenset[str]
    along: bool  # by an event of somebody erased before


class Growing:
    """Who is who after any prefix of the log, which only records that say something new change."""

    def __init__(self, evidence: Evidence) -> None:
        self.erasures: list[Gone] = []  # that took somebody
        self.gone: dict[str, Gone] = {}  # by identifier
        self._words = evidence.words
        self._firsts = firsts(evidence.said)
        self._new: list[Said] = []
        oldest: dict[tuple[str, str, int], tuple[int, str]] = {}
        for s in self._firsts:
            told = (s.time, s.message_id) if len(s.ids) > 1 else (0, "")
            stated = [(s.leaf, other, s.trust) for other in s.ids[1:]] or [(s.leaf, "", 0)]
            if any(told < oldest.get(one, (told[0] + 1, "")) for one in stated):
                self._new.append(s)
                oldest.update({o: min(told, oldest.get(o, told)) for o in stated})
        self._kept: dict[tuple[int, int, int], Who] = {}
        records: list[Erasure | Said] = [*evidence.erasures, *evidence.said]
        for record in sorted(records, key=lambda r: r.place):
            if isinstance(record, Erasure):
                self._erase(record.place, record.at, record.identifier)
            elif record.leaf in self.gone:
                self._take_along(record)

    def _erase(self, place: Place, at: int, identifier: str, *, along: bool = False) -> None:
        if identifier in self.gone:
            return
        group = frozenset(self.after(place).of(identifier))
        leaves = {s.leaf for s in self._firsts if s.place <= place} & group
        taken = Gone(place, at, group, frozenset(leaves), along)
        self.erasures.append(taken)
        self.gone |= dict.fromkeys(group, taken)

    def _take_along(self, dropped: Said) -> None:
        """What an event of somebody erased says is theirs, and nobody else's yet, goes along."""
        for other in dropped.ids[1:]:
            group = self.after(dropped.place).group.get(other)
            if group is not None and all(kind(i) == "anonymous_id" for i in group):
                self._erase(dropped.place, dropped.at, other, along=True)

    def after(self, place: Place) -> Who:
        """Return who is who when the record at `place` has been read."""
        said, words = (
            bisect_right(records, place, key=lambda r: r.place)
            for records in (self._new, self._words)
        )
        prefix = (said, words, sum(gone.place <= place for gone in self.erasures))
        if prefix not in self._kept:
            self._kept[prefix] = Who(*self.standing(place, self._new[:said], self._words[:words]))
        return self._kept[prefix]

    def standing(
        self, place: Place, said: Iterable[Said], words: Iterable[Word]
    ) -> tuple[list[Said], list[Word]]:
        """Take away what nobody knows any more at `place`: whatever names somebody erased."""
        erased = self._erased(place)
        left = [self._without(erased, s) for s in said if s.leaf not in erased]
        return left, [w for w in words if erased.isdisjoint(w.ends)]

    def _without(self, erased: set[str], s: Said) -> Said:
        """Take the erased out of what others said, and their address out of what is said later."""
        address = f"email:{s.traits.get('email')}"
        if address in erased and self.dropped(s.place, address):
            traits = {name: value for name, value in s.traits.items() if name != "email"}
            s = replace(s, traits=traits, addresses={})
        if erased.isdisjoint(s.ids):
            return s
        return replace(s, ids=tuple(i for i in s.ids if i not in erased))

    def _erased(self, place: Place) -> set[str]:
        return {i for gone in self.erasures if gone.place <= place for i in gone.identifiers}

    def dropped(self, place: Place, *names: str) -> bool:
        """Say whether what is said at `place` about these identifiers comes after an erasure."""
        return any(i in self.gone and self.gone[i].place < place for i in names)

    def heard(self) -> list[Said]:
        """Return the first copies that counted when they were read."""
        return [s for s in self._firsts if not self.dropped(s.place, s.leaf)]


@lru_cache(maxsize=1)
def growing(evidence: Evidence) -> Growing:
    """Return who is who in a seed; most checks ask."""
    return Growing(evidence)


def person_id(group: set[str], said: list[Said]) -> str:
    """Return a person's id: that of the first leaf by (first time, leaf)."""
    first: dict[str, int] = {}
    for s in said:
        if s.leaf in group:
            first[s.leaf] = min(s.time, first.get(s.leaf, s.time))
    leaf = min((time, leaf) for leaf, time in first.items())[1] if first else min(group)
    return named(leaf)


def named(leaf: str) -> str:
    """Return the id of a person whose first leaf this is."""
    return "p_" + blake2b(leaf.encode(), digest_size=10).hexdigest()
