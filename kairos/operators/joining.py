"""Join two people, or cut what joins them: tried on the real core, then said in the log."""

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from events.naming import candidates
from events.record import Join
from kairos.operators.picture import BEYOND, Change, change, picture, to_come
from kairos.operators.words import NotDoneError, say, speaker, statement
from kairos.profile.beside import Beside
from kairos.profile.links import Link, accepted, cut_pairs, link, way
from profile_state.identity import ANONYMOUS, USER, Edge, kind_of, merge_id
from profile_state.person import Person
from triggers.core import Batch, step
from triggers.state import State

SURE = {USER: 0, "email": 1, ANONYMOUS: 3}  # kinds that stay where they are; the others between
SHOWN = 20  # edges in an error


class Asked(msgspec.Struct, frozen=True):
    """How a word is to be said."""

    simulate: bool = False
    reason: str = ""
    by: str | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What was said, and what came of it."""

    merge: str  # the merge id of the pair
    one: str
    other: str
    cut: bool
    id: str  # of the statement; "" where there was nothing to say
    at: int
    by: str
    reason: str
    entry: int | None  # of the log; None where nothing was appended
    applied: bool  # the engine has come to it, and `change` shows what it did
    behind: bool  # before that: the log had more than the ledger, so `before` is older
    change: Change
    still: list[Link] = []  # what joins the two nevertheless


class TiedError(NotDoneError):
    """Two are tied, but not by what was named; these are the edges to choose from."""

    def __init__(self, reason: str, links: list[Link], who: str) -> None:
        self.links = links
        rows = [f"  {x.merge}  {x.one} - {x.other}  ({x.trust})" for x in links[:SHOWN]]
        rows += [f"  and {len(links) - SHOWN} more"] if len(links) > SHOWN else []
        rows += [f"cut one of these, such as `kairos unmerge {who} {links[0].merge}`"]
        super().__init__("\n".join([reason, *rows]))


class AlreadyError(Exception):
    """It is as was asked already."""


def merge(engine: Beside, one: str, other: str, asked: Asked) -> Outcome:
    """Join two people.

    Raises:
        AlreadyError: they are one person.
        NotDoneError: one of them is nobody, or even an operator's word does not join them.
    """
    behind = not engine.caught_up()
    left, right = _person(engine, one), _person(engine, other)
    if left.id == right.id:
        raise AlreadyError(f"{one} and {other} are one person already: {left.id}")
    joins = [
        _statement(engine, [left, right], a, b, asked, cut=False)
        for a in _spokesmen(left)
        for b in _spokesmen(right)
    ]
    everybody = left.ids | right.ids
    # What an operator joins comes first, and takes an anonymous id along that a browser gave to
    # somebody else: who is named decides. So it is tried who keeps both people whole.
    whole = (j for j in joins if _together(engine, j, everybody))
    linked = (j for j in joins if _together(engine, j, {j.one, j.other}))
    join = next(chain(whole, linked), None)
    if join is None:
        raise NotDoneError(
            f"{left.id} and {right.id} stay apart even by an operator's word: one of them is an "
            "anonymous id that operators gave to other users; `kairos profile` lists by what, "
            "and `kairos unmerge` cuts it"
        )
    return _said(engine, join, sorted(everybody), asked, behind=behind)


def unmerge(engine: Beside, who: str, what: str, asked: Asked) -> Outcome:
    """Cut a pair of identifiers.

    Args:
        engine: whose people they are.
        who: names the person.
        what: a merge id, or an identifier that one edge ties to the person's others.
        asked: how.

    Raises:
        AlreadyError: it is cut.
        NotDoneError: no such edge; the message lists those that there are.
    """
    behind = not engine.caught_up()
    person = _person(engine, who)
    a, b = _pair(person, who, what)
    if (a, b) in cut_pairs(person.refused):
        raise AlreadyError(f"{a} and {b} ({merge_id(a, b)}) are cut already")
    join = _statement(engine, [person], a, b, asked, cut=True)
    return _said(engine, join, sorted(person.ids | {a, b}), asked, behind=behind)


def _person(engine: Beside, who: str) -> Person:
    found = engine.person(who)
    if found is None:
        raise NotDoneError(f"nobody is {who!r}")
    return found


def _spokesmen(person: Person) -> list[str]:
    """Return one identifier of each kind, the surest kind first, of each the one seen first."""

    def order(identifier: str) -> tuple[int, bool, int, str]:
        leaf = person.leaves.get(identifier)
        first = leaf.first if leaf is not None else 0
        return SURE.get(kind_of(identifier), 2), leaf is None, first, identifier

    best: dict[str, str] = {}
    for identifier in sorted(person.ids, key=order):
        best.setdefault(kind_of(identifier), identifier)
    return list(best.values())


def _statement(
    engine: Beside, people: Iterable[Person], one: str, other: str, asked: Asked, *, cut: bool
) -> Join:
    known = [e for p in people for e in (*p.edges, *p.refused)]
    by = speaker(asked.by)
    return statement(known, one, other, engine.now(), cut=cut, by=by, reason=asked.reason)


def _together(engine: Beside, join: Join, identifiers: set[str]) -> bool:
    state = engine.around((join.one, join.other))
    _apply(engine, state, join)
    person = state.find(join.one)
    return person is not None and identifiers <= person.ids


def _apply(engine: Beside, state: State, join: Join) -> None:
    step(state, [Batch(BEYOND, engine.now(), [join])], engine.addresses)


def _said(
    engine: Beside, join: Join, identifiers: list[str], asked: Asked, *, behind: bool
) -> Outcome:
    """Say it, or try what would come of it, and compare."""
    state = engine.around(identifiers)
    before = picture(state)
    entry, applied = None, True
    if asked.simulate:
        _apply(engine, state, join)
    else:
        everybody = sorted({i for p in state.people.values() for i in p.ids})
        entry, applied = say(engine, [join])
        state = engine.around(everybody)
    after = picture(state)
    return Outcome(
        merge=merge_id(join.one, join.other),
        one=join.one,
        other=join.other,
        cut=join.cut,
        id=join.id,
        at=join.time,
        by=join.by,
        reason=join.reason,
        entry=entry,
        applied=applied,
        behind=behind,
        still=_still(state, join) if applied else [],
        change=change(before, after, to_come(state, engine.addresses)),
    )


def _still(state: State, join: Join) -> list[Link]:
    """Return the chain that joins two people who were to be parted."""
    person = state.find(join.one)
    if not join.cut or person is None or join.other not in person.ids:
        return []
    return [link(e) for e in way(person.edges, join.one, join.other)]


def _pair(person: Person, who: str, what: str) -> tuple[str, str]:
    """Find the two identifiers that a user means."""
    pairs = {(e.a, e.b): e for e in sorted((*person.refused, *person.edges))}
    by_merge = {merge_id(a, b): (a, b) for a, b in pairs}
    if what in by_merge:
        return by_merge[what]
    everybody = person.ids | set(chain(*pairs))
    named, others = _named(who, person.ids), _named(what, everybody)
    if not others:
        kind = "merge id" if what.startswith("m_") else "identifier"
        raise _none_such(person, who, f"{who} has no {kind} {what!r}")
    if len(others) > 1:
        raise NotDoneError(f"{what!r} could be {' or '.join(sorted(others))}; say which")
    (other,) = others
    if len(named) == 1 and named != others:
        return _direct(person, pairs, next(iter(named)), other, who)
    touching = [pair for pair in pairs if other in pair]
    tied = [pair for pair in touching if pairs[pair] in person.edges] or touching
    if not tied:
        raise _none_such(person, who, f"nothing ties {other} to anybody")
    if len(tied) > 1:
        links = [link(pairs[pair]) for pair in tied]
        raise TiedError(f"{len(tied)} edges tie {other} to others:", links, who)
    return tied[0]


def _direct(
    person: Person, pairs: dict[tuple[str, str], Edge], one: str, other: str, who: str
) -> tuple[str, str]:
    a, b = sorted((one, other))
    if (a, b) in pairs:
        return a, b
    chained = way(person.edges, a, b)
    if not chained:
        raise _none_such(person, who, f"{one} and {other} are not one person")
    raise TiedError(
        f"no edge ties {one} and {other} directly; this chain does:", [*map(link, chained)], who
    )


def _named(text: str, known: Iterable[str]) -> set[str]:
    return set(candidates(text)) & set(known)


def _none_such(person: Person, who: str, reason: str) -> NotDoneError:
    links = list({x.merge: x for x in accepted(person)}.values())
    if links:
        return TiedError(f"{reason}; what joins {person.id}:", links, who)
    return NotDoneError(f"{reason}, and nothing joins {person.id} with anybody")


def problems(outcome: Outcome) -> Iterator[str]:
    """Say what an operator must know beyond that it was done."""
    if outcome.behind:
        yield "the engine is behind: the log had more than this shows of before"
    if outcome.entry is not None and not outcome.applied:
        yield (
            f"it is in the log (entry {outcome.entry}), but the engine has not come to it yet; "
            "`kairos doctor` says how far behind it is"
        )
    if outcome.still:
        chained = ", ".join(f"{x.merge} ({x.one} - {x.other})" for x in outcome.still)
        yield f"{outcome.one} and {outcome.other} are still one person, by {chained}"
