"""Sequences: did the steps happen in order? Asked of what is remembered, not of what arrives when.

Steps are in (time, message id) order. The event that arrives may be any step, also one that is
late: then the last step's event is already there, and is complete from now on. It is complete
once: who looks without the new event and finds the sequence whole has been there before.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from profile_state.cells import Happened
from profile_state.naming import name_of

LATE = 86_400_000  # ms; a last step older than this completes nothing, so nothing older is kept
AHEAD = 8  # last steps after a late step that it may complete: one event has bounded work

Place = tuple[int, str, str]  # (time, message id, source)
_Same = dict[str, tuple[str, bool]]  # field -> (its value, does the earliest that has one agree)


class Step(NamedTuple):
    """One step."""

    cell: str  # key of its slot
    same: str | None = None  # property that must be as in the first step that has it
    open: tuple[str, ...] = ()  # properties for which this step may be that first one


class Sequence(NamedTuple):
    """`sequence`, `without` and `within` of a trigger."""

    steps: tuple[Step, ...]  # two at least
    without: tuple[str, ...]  # keys of slots
    within: int  # ms from the first step to the last, inclusive
    plain: bool = False  # no step says `same`


def completed(
    sequence: Sequence,
    cells: Mapping[str, Any],
    place: Place,
    now: int,
    wanted: Callable[[dict[str, Any]], bool],
) -> list[Happened]:
    """Return the last steps' events that the event at `place` makes complete, oldest first.

    Args:
        sequence: what to look for.
        cells: the person's, the event folded in.
        place: of the event that has just arrived.
        now: ms, the log's clock.
        wanted: whether a last step with these properties is of interest at all.

    >>> visit, buy = Happened(1000, "m1", "web", {}), Happened(5000, "m2", "web", {})
    >>> both = Sequence((Step("events visit"), Step("events buy")), (), 4000)
    >>> cells = {"events visit": [visit], "events buy": [buy]}
    >>> [last.message_id for last in completed(both, cells, visit[:3], 6000, lambda properties: True)]
    ['m2']
    """
    lasts = cells.get(sequence.steps[-1].cell)
    if lasts is None or lasts[-1] < place:  # as for most events: the last step is still to come
        return []
    found = []
    start = bisect_left(lasts, place)
    for nth in range(start, min(start + AHEAD, len(lasts))):
        last = lasts[nth]
        if last.time > place[0] + sequence.within:
            break
        if (
            last.time >= now - LATE
            and wanted(last.properties)
            and _newly(sequence, cells, last, place)
        ):
            found.append(last)
    return found


def _newly(sequence: Sequence, cells: Mapping[str, Any], last: Happened, place: Place) -> bool:
    """Say whether the steps end in `last`, and would not without the event at `place`."""
    if sequence.plain:
        chain = _chain(sequence, cells, last)
        if chain is None or place not in chain:
            return False
    elif not _complete(sequence, cells, last, None):
        return False
    return last[:3] == place or not _complete(sequence, cells, last, place)


def _chain(sequence: Sequence, cells: Mapping[str, Any], last: Happened) -> list[Place] | None:
    """Return the places of the latest steps that end in `last`, None where they are not all there.

    Without `same` the latest of each step leaves the most room for those before it.
    """
    first = _first(sequence, cells, last, None)
    places, event = [last[:3]], last
    for step in sequence.steps[-2::-1]:
        latest = _latest(cells.get(step.cell), event, first, None)
        if latest is None:
            return None
        event = latest
        places.append(event[:3])
    return places


def _complete(
    sequence: Sequence, cells: Mapping[str, Any], last: Happened, apart: Place | None
) -> bool:
    """Say whether the steps end in `last`; the event at `apart` is looked away from."""
    first = _first(sequence, cells, last, apart)
    same = _agreeing(sequence.steps[-1], last, {})
    return same is not None and _search(
        sequence.steps, len(sequence.steps) - 2, cells, last, first, apart, same
    )


def _first(
    sequence: Sequence, cells: Mapping[str, Any], last: Happened, apart: Place | None
) -> tuple[Any, ...]:
    """Return the place before which nothing is a first step of what ends in `last`."""
    first: tuple[Any, ...] = (last.time - sequence.within,)
    for key in sequence.without:
        latest = _latest(cells.get(key), last, first, apart)
        if latest is not None:
            first = latest[:2]
    return first


def _search(
    steps: tuple[Step, ...],
    nth: int,
    cells: Mapping[str, Any],
    next_one: Happened,
    first: tuple[Any, ...],
    apart: Place | None,
    same: _Same,
) -> bool:
    """Find step `nth` and those before it, going back from the step after it.

    Of two events that mean the same for `same`, the later leaves more room for the steps before
    it, so the earlier need not be tried.
    """
    if nth < 0:
        return all(agrees for _, agrees in same.values())
    step = steps[nth]
    if step.same is None and not step.open:
        latest = _latest(cells.get(step.cell), next_one, first, apart)
        return latest is not None and _search(steps, nth - 1, cells, latest, first, apart, same)
    tried = set()
    for event in _before(cells.get(step.cell, []), next_one, first, apart):
        after = _agreeing(step, event, same)
        if after is None or (state := tuple(after.values())) in tried:
            continue
        if _search(steps, nth - 1, cells, event, first, apart, after):
            return True
        tried.add(state)
    return False


def _latest(
    cell: list[Happened] | None, event: Happened, first: tuple[Any, ...], apart: Place | None
) -> Happened | None:
    """Return the latest of `_before`, without a generator: most steps need no more."""
    nth = bisect_left(cell, event[:2]) if cell is not None else 0
    while cell is not None and nth > 0:
        nth -= 1
        if cell[nth] < first:
            break
        if apart is None or cell[nth][:3] != apart:
            return cell[nth]
    return None


def _before(
    cell: list[Happened], event: Happened, first: tuple[Any, ...], apart: Place | None
) -> Iterator[Happened]:
    """Yield what happened before an event, the latest first, back to `first`."""
    for nth in range(bisect_left(cell, event[:2]) - 1, -1, -1):
        found = cell[nth]
        if found < first:
            return
        if found[:3] != apart:
            yield found


def _agreeing(step: Step, event: Happened, same: _Same) -> _Same | None:
    """Take an event as a step; None where its `same` property is missing or another."""
    if step.same is None and not step.open:
        return same
    after = dict(same)
    if step.same is not None:
        value = event.properties.get(step.same)
        known = same.get(step.same)
        if value is None or (known is not None and known[0] != name_of(value)):
            return None
        after[step.same] = (name_of(value), False)
    for field in step.open:
        value = event.properties.get(field)
        if value is not None:
            after[field] = (after[field][0], after[field][0] == name_of(value))
    return after
