"""What generated code calls. Every function is pure; a missing value is None.

A missing value makes every comparison false, `!=` too. Text that reads as a number compares
with numbers, since some SDKs send `"25"` for 25.
"""

from bisect import bisect_left
from heapq import nlargest
from typing import Any

from profile_state.cells import MICRO, Amounts
from profile_state.leaf import NEVER
from profile_state.naming import name_of

_NAN = float("nan")


def number_of(value: Any) -> float:
    """Return a value as a number to compare with one; NaN, which compares with nothing, for none.

    >>> number_of("25") >= 25, number_of(None) >= 25, number_of("dear") < 25
    (True, False, False)
    """
    kind = type(value)
    if kind is float or kind is int:
        return value  # type: ignore[no-any-return]
    value = _number(value)
    return value if isinstance(value, int | float) else _NAN


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    if isinstance(a, str) != isinstance(b, str):
        return _number(a), _number(b)
    return a, b


def _ordered(a: Any, b: Any) -> tuple[Any, Any] | None:
    a, b = _alike(a, b)
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a, b
    if isinstance(a, str) and isinstance(b, str):
        return a, b
    return None


def eq(a: Any, b: Any) -> bool:
    """`a = b`.

    >>> eq("25", 25), eq(None, None)
    (True, False)
    """
    if a is None or b is None:
        return False
    a, b = _alike(a, b)
    return a is not None and b is not None and bool(a == b)


def ne(a: Any, b: Any) -> bool:
    """`a != b`; false where a side is missing."""
    return a is not None and b is not None and not eq(a, b)


def lt(a: Any, b: Any) -> bool:
    """`a < b`."""
    pair = _ordered(a, b)
    return pair is not None and bool(pair[0] < pair[1])


def le(a: Any, b: Any) -> bool:
    """`a <= b`."""
    pair = _ordered(a, b)
    return pair is not None and bool(pair[0] <= pair[1])


def gt(a: Any, b: Any) -> bool:
    """`a > b`."""
    return lt(b, a)


def ge(a: Any, b: Any) -> bool:
    """`a >= b`."""
    return le(b, a)


def one_of(a: Any, values: tuple[Any, ...]) -> bool:
    """`a in [..]`."""
    return any(eq(a, v) for v in values)


def contains(a: Any, b: Any) -> bool:
    """`a contains b`: a part of a text, or a member of a list."""
    if isinstance(a, list | tuple):
        return any(eq(one, b) for one in a)
    return isinstance(a, str) and b is not None and str(b) in a


def starts_with(a: Any, b: Any) -> bool:
    """`a starts_with b`."""
    return isinstance(a, str) and b is not None and a.startswith(str(b))


def arithmetic(op: str, a: Any, b: Any) -> Any:
    """`a op b` for + - * /; missing where a side is, or no number, or the divisor is 0.

    Missing too where it is larger than any number that a property can be.

    >>> arithmetic("*", 6, "7"), arithmetic("/", 1, 0), arithmetic("/", 10**400, 3)
    (42.0, None, None)
    """
    a, b = _number(a), _number(b)
    if not isinstance(a, int | float) or not isinstance(b, int | float):
        return None
    try:
        match op:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
        return None if b == 0 else a / b
    except OverflowError:  # of integers, which Python lets grow without end
        return None


def trait(traits: dict[str, tuple[int, str, Any]], name: str) -> Any:
    """Return a trait's value, None where the person has none."""
    stated = traits.get(name)
    return None if stated is None else stated[2]


def pick(properties: Any, *path: str) -> Any:
    """Follow a path into properties; a part that ends in [] takes every element.

    >>> pick({"products": [{"id": 1}, {"id": 2}]}, "products[]", "id")
    [1, 2]
    """
    for nth, part in enumerate(path):
        if not isinstance(properties, dict):
            return None
        if part.endswith("[]"):
            many = properties.get(part[:-2])
            if not isinstance(many, list):
                return None
            found = [pick(one, *path[nth + 1 :]) for one in many] if path[nth + 1 :] else many
            return [one for one in found if one is not None]
        properties = properties.get(part)
    return properties


def by(cell: dict[str, Any] | None, value: Any) -> Any:
    """Return the part of a split cell that belongs to `value`."""
    return None if cell is None or value is None else cell.get(name_of(value))


def count_since(times: list[int] | None, floor: int) -> int:
    """Count the instants at or after `floor`."""
    return 0 if times is None else len(times) - bisect_left(times, floor)


def exit_of_times(times: list[int] | None, window: int, now: int) -> int:
    """Say when the next instant leaves the window: the first ms at which it is out.

    >>> exit_of_times([1000, 5000], 2000, 4000)
    7001
    """
    if times is None:
        return NEVER
    oldest = bisect_left(times, now - window)
    return times[oldest] + window + 1 if oldest < len(times) else NEVER


def amount(cell: int | None) -> float:
    """Return a sum kept in integers of 10^-6."""
    return 0.0 if cell is None else cell / MICRO


def amount_since(cell: Amounts | None, floor: int) -> float:
    """Return the sum of the values at or after `floor`."""
    return 0.0 if cell is None else cell.since(floor) / MICRO


def exit_of_amounts(cell: Amounts | None, window: int, now: int) -> int:
    """Say when the next value leaves the window."""
    if cell is None:
        return NEVER
    oldest = bisect_left(cell.entries, (now - window,))
    return cell.entries[oldest][0] + window + 1 if oldest < len(cell.entries) else NEVER


def since(newest: int | None, now: int) -> int | None:
    """Return how long ago something last happened, ms; missing if it never did."""
    return None if newest is None else now - newest


def not_since(newest: int | None, floor: int) -> bool:
    """Say that something did not happen at or after `floor`."""
    return newest is None or newest < floor


def instant_after(newest: int | None, delay: int, now: int) -> int:
    """Return `newest + delay` if that is still to come."""
    return NEVER if newest is None or newest + delay <= now else newest + delay


def value_of(cell: tuple[int, str, Any] | None) -> Any:
    """Return the latest value."""
    return None if cell is None else cell[2]


def distinct_since(cell: dict[str, int] | None, floor: int) -> int:
    """Count the values that occurred at or after `floor`."""
    return 0 if cell is None else sum(1 for time in cell.values() if time >= floor)


def newest_in(cell: dict[str, int] | None, other: dict[str, int] | None, number: int) -> bool:
    """Say whether the `number` values of a cell that occurred last all occurred in the other.

    >>> newest_in({"a": 1, "b": 3, "c": 2}, {"b": 9, "c": 9}, 2), newest_in({"a": 1}, {"a": 2}, 2)
    (True, False)
    """
    if cell is None or other is None or len(cell) < number:
        return False
    newest = nlargest(number, cell, key=lambda value: (cell[value], value))
    return all(value in other for value in newest)


def exit_of_distinct(cell: dict[str, int] | None, window: int, now: int) -> int:
    """Say when the next value leaves the window."""
    return exit_of_times(None if cell is None else sorted(cell.values()), window, now)
