"""People before and after an operator's word, and what became different."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from events.record import Tick
from kairos.profile.links import Link, accepted, over, refused
from kairos.profile.read import run_of
from profile_state.identity import kind_of
from triggers.core import Batch, step
from triggers.state import State

BEYOND = 1 << 62  # of an entry that is in no log: everything that is stored lies before it
Waiting = tuple[str, str, str, int]  # person, trigger, key, and when the run began (ms)
TICKS = 50  # instants that are tried; who has more runs to come is told of the first ones


class Someone(msgspec.Struct, frozen=True):
    """One person, in a few lines. Times are ms."""

    id: str
    identifiers: list[str]
    leaves: list[str]
    events: int
    first: int
    last: int
    segments: list[str]
    runs: list[dict[str, Any]]  # that are active
    joined: list[Link]
    refused: list[Link]
    sent: dict[str, str]  # activation -> "trigger on channel"


class Run(msgspec.Struct, frozen=True):
    """What becomes of a run that was active before."""

    trigger: str
    key: str
    person: str  # whose it is now
    due: int  # ms
    goes_on: bool
    outcome: str  # of a run that goes on: what its due time brings if nothing else happens


class SegmentEdge(msgspec.Struct, frozen=True):
    """A segment's edge."""

    person: str
    segment: str


class Change(msgspec.Struct, frozen=True):
    """What an operator's word did, or would do."""

    before: list[Someone]
    after: list[Someone]
    entered: list[SegmentEdge]
    left: list[SegmentEdge]
    runs: list[Run]
    messages: list[str]  # that the change decided
    overruled: list[str]  # limits that only an operator's word is above
    refused: list[Link]  # edges that held before


class Picture(NamedTuple):
    """A state's people as they are now, and its limits."""

    people: dict[str, Someone]
    limits: Mapping[str, int]


def picture(state: State) -> Picture:
    """Take down a state's people."""
    limits = state.workspace.limits if state.workspace is not None else {}
    people = {
        p.id: Someone(
            id=p.id,
            identifiers=sorted(p.ids),
            leaves=sorted(p.leaves),
            events=sum(leaf.total for leaf in p.leaves.values()),
            first=p.first,
            last=max((leaf.last for leaf in p.leaves.values()), default=0),
            segments=sorted(p.member),
            runs=[run_of(run) for _, run in p.runs()],
            joined=accepted(p),
            refused=refused(state, p),
            sent={s.activation: f"{s.trigger} on {s.channel}" for s in p.sent()},
        )
        for p in state.people.values()
    }
    return Picture(people, limits)


def change(before: Picture, after: Picture, outcomes: Mapping[Waiting, str]) -> Change:
    """Compare.

    Args:
        before: everybody whom the change could concern.
        after: the same, afterwards.
        outcomes: as `to_come` found them.
    """
    gone = _others(before, after)
    come = _others(after, before)
    was = {e for one in gone for e in one.joined}
    holds = {e for one in come for e in one.joined}
    parted = {(e.one, e.other) for e in was} - {(e.one, e.other) for e in holds}
    sent = {activation for one in gone for activation in one.sent}
    return Change(
        before=gone,
        after=come,
        entered=[
            SegmentEdge(p.id, s) for p in come for s in p.segments if s not in _segments(gone, p)
        ],
        left=[
            SegmentEdge(p.id, s) for p in come for s in sorted(_segments(gone, p) - set(p.segments))
        ],
        runs=_runs(gone, come, outcomes),
        messages=[
            said for one in come for activation, said in one.sent.items() if activation not in sent
        ],
        overruled=_overruled(gone, come, after.limits),
        refused=list({e: None for p in come for e in p.refused if (e.one, e.other) in parted}),
    )


def _others(here: Picture, there: Picture) -> list[Someone]:
    """List who is not the same there, by what they are rather than by what was refused."""
    found = []
    for one in here.people.values():
        same = there.people.get(one.id)
        if same is None or same.identifiers != one.identifiers or same.joined != one.joined:
            found.append(one)
    return sorted(found, key=lambda one: (one.first, one.id))


def _segments(gone: Iterable[Someone], person: Someone) -> set[str]:
    """Return the segments of those whom a person was, or was part of."""
    own = set(person.leaves)
    return {s for one in gone if own & set(one.leaves) for s in one.segments}


def _runs(
    gone: Iterable[Someone], come: Iterable[Someone], outcomes: Mapping[Waiting, str]
) -> list[Run]:
    active = {_name(run): (person, run) for person in come for run in person.runs}
    found = []
    for before in gone:
        for run in before.runs:
            now = active.get(_name(run))
            if now is None:
                whose = next((p.id for p in come if set(p.leaves) & set(before.leaves)), before.id)
                found.append(Run(run["trigger"], run["key"], whose, run["due"], False, ""))
            else:
                whose, due = now[0].id, now[1]["due"]
                outcome = outcomes.get((whose, *_name(run)), "")
                found.append(Run(run["trigger"], run["key"], whose, due, True, outcome))
    return found


def _name(run: Mapping[str, Any]) -> tuple[str, str, int]:
    return run["trigger"], run["key"], run["since"]


def _overruled(
    gone: Iterable[Someone], come: Iterable[Someone], limits: Mapping[str, int]
) -> list[str]:
    before = {said for one in gone for said in over(_kinds(one), limits)}
    return [said for one in come for said in over(_kinds(one), limits) if said not in before]


def _kinds(one: Someone) -> Counter[str]:
    return Counter(map(kind_of, one.identifiers))


def to_come(state: State, addresses: Mapping[str, str | None]) -> dict[Waiting, str]:
    """Ask the core what becomes of the runs that wait, if nothing else happens.

    Args:
        state: is led on to when the last one is due, so take it down before.
        addresses: channel -> kind of address.

    Returns:
        What is decided when a run is due, such as "sent email".
    """
    waiting = {
        (p.id, *_name(run_of(run))): run.due for p in state.people.values() for _, run in p.runs()
    }
    for person in state.people.values():
        state.dues.set(person.id, person.due)
    found: dict[Waiting, str] = {}
    for nth, instant in enumerate(sorted(set(waiting.values()))[:TICKS], start=1):
        tick = Batch(BEYOND + nth, instant, [Tick(instant)])
        said: dict[tuple[str, str], list[str]] = {}
        for e in step(state, [tick], addresses).explanations:
            said.setdefault((e.person, e.trigger), []).append(f"{e.outcome} {e.reason}".strip())
        for name, due in waiting.items():
            if due == instant:
                found[name] = ", ".join(said.get(name[:2], ()))
    return found
