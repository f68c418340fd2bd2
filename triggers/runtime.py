"""What generated code calls. Every function is pure; a missing value is None.

A missing value makes every comparison false, `!=` too. Text that reads as a number compares
with numbers, since some SDKs send `"25"` for 25.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from hashlib import blake2b
from heapq import nlargest
from typing import Any

from profile_state.cells import MICRO, Amounts
from profile_state.consent import consent
from profile_state.leaf import NEVER
from profile_state.naming import name_of, names_of
from profile_state.person import Person

NAN = float("nan")


def number_of(value: Any) -> float:
    """Return a value as a number to compare with one; NaN, which compares with nothing, for none.

    >>> number_of("25") >= 25, number_of(None) >= 25, number_of("dear") < 25
    (True, False, False)
    """
    kind = type(value)
    if kind is float or kind is int:
        return value  # type: ignore[no-any-return]
    value = _number(value)
    return value if isinstance(value, int | float) else NAN


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


def count_between(times: list[int] | None, floor: int, ceiling: int) -> int:
    """Count the instants from `floor` to `ceiling`, both inside.

    >>> count_between([1, 2, 3, 4], 2, 3)
    2
    """
    return 0 if times is None else bisect_right(times, ceiling) - bisect_left(times, floor)


def instants(cell: list[Any] | Amounts | dict[str, int] | None) -> list[int]:
    """Return the instants of what a cell remembers, oldest first.

    >>> instants([3, 5]), instants({"a": 9, "b": 4}), instants(Amounts([(1, 5)]))
    ([3, 5], [4, 9], [1])
    """
    if cell is None:
        return []
    if isinstance(cell, dict):
        return sorted(cell.values())
    entries = cell.entries if isinstance(cell, Amounts) else cell
    return [one if isinstance(one, int) else one[0] for one in entries]


def next_change(instants: list[int], start: int, end: int, now: int) -> int:
    """Say when time alone next brings one of these instants into a window, or out of it.

    Args:
        instants: ms, oldest first.
        start: ms ago, from which on the window reaches.
        end: ms ago, to which it reaches.
        now: ms.

    >>> next_change([1000, 5000], 2000, 0, 4000), next_change([1000, 5000], 9000, 3000, 4000)
    (7001, 8000)
    """
    oldest = bisect_left(instants, now - start)
    change = instants[oldest] + start + 1 if oldest < len(instants) else NEVER
    if end:
        coming = bisect_right(instants, now - end)
        if coming < len(instants):
            change = min(change, instants[coming] + end)
    return change


def amounts_in(cell: Amounts | None, floor: int, ceiling: int) -> list[int]:
    """Return the values from `floor` to `ceiling`, in 10^-6, oldest first."""
    if cell is None:
        return []
    first = bisect_left(cell.entries, (floor,))
    return [amount for time, amount in cell.entries[first:] if time <= ceiling]


def values_in(cell: list[Any] | None, field: str, floor: int, ceiling: int) -> list[Any]:
    """Return a property's values at events from `floor` to `ceiling`, oldest first."""
    if cell is None:
        return []
    found = (
        e.properties.get(field) for e in cell[bisect_left(cell, (floor,)) :] if e.time <= ceiling
    )
    return [value for value in found if value is not None]


def total_of(amounts: list[int]) -> float:
    """Return the sum of values in 10^-6."""
    return sum(amounts) / MICRO


def mean_of(amounts: list[int]) -> float | None:
    """Return the average of values in 10^-6; missing where there is none."""
    return sum(amounts) / len(amounts) / MICRO if amounts else None


def ratio(total: int | None, number: int | None) -> float | None:
    """Return the average by a sum in 10^-6 and a count; missing where nothing was counted."""
    return None if total is None or not number else total / number / MICRO


def decimal(micros: int | None) -> float | None:
    """Return a value kept in 10^-6."""
    return None if micros is None else micros / MICRO


def least_of(amounts: list[int]) -> float | None:
    """Return the smallest of values in 10^-6; missing where there is none."""
    return decimal(min(amounts, default=None))


def most_of(amounts: list[int]) -> float | None:
    """Return the largest of values in 10^-6; missing where there is none."""
    return decimal(max(amounts, default=None))


def first_of(values: list[Any]) -> Any:
    """Return the first value; missing where there is none."""
    return values[0] if values else None


def last_of(values: list[Any]) -> Any:
    """Return the last value; missing where there is none."""
    return values[-1] if values else None


def different(values: list[Any]) -> int:
    """Count different values, as text; a list is several of them."""
    return len({name for value in values for name in names_of(value)})


def top_of(values: list[Any]) -> str | None:
    """Return the value that occurs most often, as text; of several the first in the alphabet.

    >>> top_of(["shoes", "hats", "shoes"]), top_of(["b", "a"]), top_of([])
    ('shoes', 'a', None)
    """
    return top(Counter(map(name_of, values)))


def top(counts: dict[str, int] | None) -> str | None:
    """Return the name that is counted most; of several the first in the alphabet."""
    named = {name: number for name, number in (counts or {}).items() if name}
    return min(named, key=lambda name: (-named[name], name), default=None)


def stated_at(cell: tuple[int, str, Any] | None) -> list[int]:
    """Return when the latest value was stated, if there is one."""
    return [] if cell is None else [cell[0]]


def stated_since(cell: tuple[int, str, Any] | None, floor: int) -> Any:
    """Return the latest value, if it was stated at `floor` or later."""
    return None if cell is None or cell[0] < floor else cell[2]


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


def come(instant: int | None, now: int) -> int | None:
    """Return an instant (ms) once it has come; missing before.

    >>> come(5, 5), come(6, 5), come(None, 5)
    (5, None, None)
    """
    return None if instant is None or instant > now else instant


def not_since(newest: int | None, floor: int) -> bool:
    """Say that something did not happen at or after `floor`."""
    return newest is None or newest < floor


def instant_after(newest: int | None, delay: int, now: int) -> int:
    """Return `newest + delay` if that is still to come."""
    return NEVER if newest is None or newest + delay <= now else newest + delay


def ends_of(cells: tuple[list[int] | None, ...], within: int) -> list[int]:
    """Return the instants at which a sequence was complete: of last events that the others lead up to.

    Args:
        cells: instants of each event, oldest first; one event may occur twice.
        within: ms from the first to the last.

    Of events at the same ms any may be the first; one event is only ever one of them.

    >>> ends_of(([1, 50], [20, 90]), 30)
    [20]
    >>> ends_of(([5],) * 2, 30), ends_of(([5, 6],) * 2, 30)
    ([], [6])
    """
    return [last for last in cells[-1] or () if _led_up_to(cells, last, within)]


def _led_up_to(cells: tuple[list[int] | None, ...], last: int, within: int) -> bool:
    at, after = last, cells[-1]
    for cell in cells[-2::-1]:
        if not cell:
            return False
        nth = bisect_left(cell, at) if cell is after else bisect_right(cell, at)
        if nth == 0:
            return False
        at, after = cell[nth - 1], cell
    return at >= last - within


def share_of(person: str) -> float:
    """Return where a person falls between 0 and 1, for ever and whoever asks.

    >>> share_of("p_1") == share_of("p_1") != share_of("p_2")
    True
    """
    return int.from_bytes(blake2b(person.encode(), digest_size=8).digest(), "big") / (1 << 64)


def allows(
    person: Person, purpose: str, channel: str, otherwise: bool, limits: dict[str, int]
) -> bool:
    """Say whether a person allows a purpose on a channel; `otherwise` where they never said."""
    said = consent(person, purpose, channel, limits)
    return otherwise if said is None else said


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
