"""Differences: what is written of a person whom the ledger has already.

A busy person is 5 to 80 KB, and two seconds of theirs change a few hundred bytes. So a stored value
is the whole person, and behind it the differences since. Where a cell is in order of time, a
difference says how many entries from before the earliest new event are left, and which came from
there on: that is true for late events, for what was replaced, and for what left its window.
"""

from bisect import bisect_left
from typing import Any

import msgspec

from profile_state.cells import MOST, Amounts
from profile_state.leaf import Leaf, Run, Sent, Trial
from profile_state.person import Person, Touch
from profile_state.reach import Known, Suppression

Part = tuple[int, Any]  # how many entries of before `since` are left, and those from there on


class LeafDifference(msgspec.Struct, array_like=True):
    """What is different of a leaf."""

    key: str
    first: int
    last: int
    total: int
    runs: list[Run]  # all; there are few
    entries: dict[str, list[int]]  # of those that were added to
    sent: tuple[int, list[Sent]]  # as a Part, by the log's time
    completed: dict[str, list[tuple[int, str, str]]]  # all
    since: int = 0  # ms; before it events changed nothing
    traits: dict[str, tuple[int, str, Any]] = {}
    addresses: dict[str, Known] = {}
    cells: dict[str, Any] = {}  # whole
    parts: dict[str, Part] = {}
    splits: dict[str, dict[str, Part]] = {}
    arms: dict[str, tuple[int, bool]] = {}  # all
    trials: list[Trial] = []  # all
    suppressions: dict[str, Suppression] = {}
    receipts: dict[str, dict[str, int]] = {}  # all


class Difference(msgspec.Struct, array_like=True):
    """What is different of a person; identity and consents never are, they are written whole."""

    offset: tuple[int, int]
    seen: int
    member: dict[str, int]
    recheck: dict[str, int]
    now: int  # ms; the log's time from which on something was decided
    leaves: list[LeafDifference]


def of(person: Person) -> Difference:
    """Say what is different of somebody since they were written."""
    touched, now = person.touched, person.decided
    return Difference(
        person.offset,
        person.seen,
        person.member,
        person.recheck,
        now,
        [_of_leaf(leaf, touched.get(key), now) for key, leaf in person.leaves.items()],
    )


def _of_leaf(leaf: Leaf, touch: Touch | None, now: int) -> LeafDifference:
    sent = leaf.sent
    kept = bisect_left(sent, now, key=_sent_at) if sent else 0
    found = LeafDifference(
        leaf.key,
        leaf.first,
        leaf.last,
        leaf.total,
        leaf.runs,
        {name: times for name, times in leaf.entries.items() if times[-1] >= now},
        (kept, sent[kept:]),
        leaf.completed,
        arms=leaf.arms,
        trials=leaf.trials,
        receipts=leaf.receipts,
    )
    if touch is not None:
        since = found.since = touch.since
        found.traits = {name: said for name, said in leaf.traits.items() if said[0] >= since}
        found.addresses = {name: said for name, said in leaf.addresses.items() if said[0] >= since}
        found.suppressions = {
            name: said for name, said in leaf.suppressions.items() if said[0] >= since
        }
        for differ in touch.differs.values():
            differ(leaf.cells, since, found)
    return found


def _sent_at(sent: Sent) -> int:
    return sent.time


def split_parts(cell: dict[str, Any], since: int) -> dict[str, Part] | None:
    """Return the parts of a split cell that events added to; None where it is let go of values.

    >>> split_parts({"p1": [100, 300], "p2": [200]}, 250)
    {'p1': (1, [300])}
    """
    if len(cell) >= MOST:
        return None
    return {name: one for name, inner in cell.items() if (one := part(inner, since))[1]}


def newest_part(cell: dict[str, int], since: int) -> Part | None:
    """Return the part of a cell with the newest instant of each value; None where it lets go of some.

    Which one goes follows from the order in which they were met, and a part has none.
    """
    return None if len(cell) >= MOST else part(cell, since)


def part(cell: Any, since: int) -> Part:
    """Return what of a cell in order of time happened from an instant on (ms).

    >>> part([100, 200, 300], 200), part({"a": 100, "b": 300}, 200)
    ((1, [200, 300]), (1, {'b': 300}))
    """
    if type(cell) is dict:
        fresh = {value: time for value, time in cell.items() if time >= since}
        return len(cell) - len(fresh), fresh
    entries = cell.entries if type(cell) is Amounts else cell
    kept = _before(entries, since)
    return kept, entries[kept:]


def _before(entries: list[Any], since: int) -> int:
    """Count the entries before an instant: instants, or what begins with one."""
    kind = type(entries[-1])
    if kind is int:
        return bisect_left(entries, since)
    return bisect_left(entries, [since] if kind is list else (since,))  # a list as it is decoded


def joined(cell: Any, since: int, different: Part) -> Any:
    """Return a stored cell with a part of it put in its place.

    >>> joined([50, 100, 250], 200, (1, [200, 250, 300]))
    [100, 200, 250, 300]
    >>> joined({"a": 100, "b": 150}, 200, (1, {"c": 300}))
    {'b': 150, 'c': 300}
    """
    kept, fresh = different
    if isinstance(fresh, dict):
        before = {v: t for v, t in (cell or {}).items() if t < since or v in fresh}
        for _, value in sorted((t, v) for v, t in before.items() if v not in fresh)[
            : -kept or None
        ]:
            del before[value]  # there were more than a cell keeps
        return before | fresh
    before = cell[: _before(cell, since)] if cell else []
    return before[len(before) - kept :] + fresh


def apply(leaf: Leaf, different: LeafDifference, now: int) -> None:
    """Bring a stored leaf up to date, whose cells are as they were decoded."""
    leaf.first, leaf.last, leaf.total = different.first, different.last, different.total
    leaf.traits.update(different.traits)
    leaf.addresses.update(different.addresses)
    leaf.suppressions.update(different.suppressions)
    cells, since = leaf.cells, different.since
    cells.update(different.cells)
    for key, one in different.parts.items():
        cells[key] = joined(cells.get(key), since, one)
    for key, many in different.splits.items():
        split = cells.setdefault(key, {})
        for name, one in many.items():
            split[name] = joined(split.get(name), since, one)
    leaf.runs = different.runs
    leaf.entries.update(different.entries)
    kept, sent = different.sent
    before = [one for one in leaf.sent if one.time < now]
    leaf.sent = before[len(before) - kept :] + sent
    leaf.completed, leaf.arms = different.completed, different.arms
    leaf.trials, leaf.receipts = different.trials, different.receipts
