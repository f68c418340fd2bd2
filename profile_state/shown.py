"""What a person's counters say, in values that people read: instants in ms, sums as decimals."""

from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from profile_state.cells import MICRO, Amounts, Slot

MANY = 20  # values of a split counter that are shown, those that counted most first


def _number(micros: int) -> str:
    """Write an exact sum without the zeros behind it."""
    return f"{(Decimal(micros) / MICRO).normalize():f}"


def _times(cell: list[int], floor: int) -> dict[str, Any]:
    inside = cell[bisect_left(cell, floor) :]
    return {"count": len(inside), "newest": inside[-1] if inside else None}


def _amounts(cell: Amounts, floor: int) -> dict[str, Any]:
    count = len(cell.entries) - bisect_left(cell.entries, (floor,))
    return {"count": count, "sum": _number(cell.since(floor))}


def _distinct(cell: dict[str, int], floor: int) -> dict[str, Any]:
    inside = {value: time for value, time in cell.items() if time >= floor}
    newest = sorted(inside, key=lambda value: (-inside[value], value))
    return {"count": len(inside), "newest": newest[:MANY]}


def _events(cell: list[Any], floor: int) -> dict[str, Any]:
    inside = [event[0] for event in cell if event[0] >= floor]
    return {"count": len(inside), "newest": inside[-1] if inside else None}


SHOWN: dict[str, Callable[[Any, int], Any]] = {
    "times": _times,
    "quarters": _times,
    "total": lambda cell, _: cell,
    "newest": lambda cell, _: {"newest": cell},
    "sum": lambda cell, _: _number(cell),
    "numbers": lambda cell, _: cell,
    "least": lambda cell, _: _number(cell),
    "most": lambda cell, _: _number(cell),
    "amounts": _amounts,
    "first": lambda cell, _: {"value": cell[2], "at": cell[0]},
    "last": lambda cell, _: {"value": cell[2], "at": cell[0]},
    "distinct": _distinct,
    "events": _events,
}


def shown(slot: Slot, cell: Any, now: int) -> Any:
    """Say what a cell holds, as of `now` (ms).

    >>> slot = Slot("times seen", "times", "seen", (), "", None, 1000, 10)
    >>> shown(slot, [100, 900, 1100], 1500)
    {'count': 2, 'newest': 1100}
    """
    floor = 0 if slot.window is None else now - slot.window
    say = SHOWN[slot.kind]
    if slot.by is None:
        return say(cell, floor)
    values = {value: say(inner, floor) for value, inner in cell.items()}
    return dict(sorted(values.items(), key=lambda kv: -_weight(kv[1]))[:MANY])


def _weight(said: Any) -> float:
    counted = said.get("count", 0) if isinstance(said, dict) else said
    return float(counted)
