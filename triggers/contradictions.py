"""Contradictions: conditions that must all hold and of which nobody can ever meet all.

What each claims of a value is narrowed down one after the other: which texts and numbers it may be, and
whether it is there. Counts are compared across windows and filters too: who did something three times in
the last week did not do it less than twice in the last month.
"""

from collections.abc import Iterable, Sequence
from math import inf, isnan
from typing import Any, NamedTuple

import msgspec

from triggers import ast
from triggers.runtime import number_of

_TURNED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}  # by `not`, where nothing is missing


class Allowed(NamedTuple):
    """What a value may be."""

    values: frozenset[Any] | None = None  # one of these; None for any
    excluded: frozenset[Any] = frozenset()
    low: float = -inf
    high: float = inf
    above: bool = False  # more than `low`, not `low` itself
    below: bool = False
    there: bool | None = None  # it exists, or is missing

    def and_(self, other: "Allowed") -> "Allowed":
        """Return what both allow."""
        values = self.values if other.values is None else other.values
        if self.values is not None and other.values is not None:
            values = self.values & other.values
        low, above = max((self.low, self.above), (other.low, other.above))
        high, inside = min((self.high, not self.below), (other.high, not other.below))
        there = self.there if other.there is None else other.there
        if self.there is not None and other.there is not None and self.there != other.there:
            values = frozenset()
        return Allowed(values, self.excluded | other.excluded, low, high, above, not inside, there)

    @property
    def nothing(self) -> bool:
        """Whether no value is left."""
        if self.low > self.high or (self.low == self.high and (self.above or self.below)):
            return True
        if self.values is None:
            return False
        return not any(self._may_be(value) for value in self.values - self.excluded)

    def _may_be(self, value: Any) -> bool:
        if self.low == -inf and self.high == inf:
            return True
        number = number_of(value)
        over = number > self.low if self.above else number >= self.low
        return over and (number < self.high if self.below else number <= self.high)


class Counted(NamedTuple):
    """How often something happened, as a condition claims it."""

    event: str
    where: ast.Node | None
    window: ast.Window | None
    least: float
    most: float

    def within(self, other: "Counted") -> bool:
        """Say whether the other counts all that this one counts."""
        if self.event != other.event or other.where not in (None, self.where):
            return False
        if other.window is None or other.window == self.window:
            return True
        if self.window is None or self.window.start is None or other.window.start is None:
            return False
        return other.window.start >= self.window.start and other.window.end <= self.window.end


def contradiction(conditions: Sequence[ast.Node]) -> tuple[int, int] | None:
    """Find two of several conditions that never hold together.

    Returns:
        Their places, the later one second, and twice the same where one alone never holds; None
        where nothing is found.

    >>> from triggers.expressions import parse
    >>> contradiction([parse("plan = pro"), parse("age > 5"), parse("plan = free")])
    (0, 2)
    >>> contradiction([parse("never(a, last 7d)"), parse("count(a, last 1d) >= 1")])
    (0, 1)
    """
    claims = _Claims()
    for nth, condition in enumerate(conditions):
        for part in _parts(condition):
            if isinstance(part, ast.Some) and any(contradiction([one]) for one in part.of):
                return nth, nth
            against = claims.add(_bare(part), nth)
            if against is not None:
                return against, nth
    return None


class _Claims:
    """What has been claimed so far, and by which condition."""

    def __init__(self) -> None:
        self._allowed: dict[ast.Node, tuple[Allowed, int]] = {}
        self._counted: list[tuple[Counted, int]] = []
        self._said: dict[ast.Node, int] = {}

    def add(self, part: ast.Node, nth: int) -> int | None:
        """Add a condition; return the one that it contradicts."""
        opposite = part.inner if isinstance(part, ast.Not) else ast.Not(part)
        if opposite in self._said:
            return self._said[opposite]
        self._said.setdefault(part, nth)
        for counted in _counted(part):
            for other, before in [*self._counted, (counted, nth)]:
                if _never_both(counted, other) or _never_both(other, counted):
                    return before
            self._counted.append((counted, nth))
        subject, allowed = _claim(part)
        if subject is None:
            return None
        known, before = self._allowed.get(subject, (Allowed(), nth))
        both = known.and_(allowed)
        self._allowed[subject] = both, nth
        return before if both.nothing else None


def _never_both(narrow: Counted, wide: Counted) -> bool:
    return narrow.least > wide.most and narrow.within(wide)


def _parts(condition: ast.Node) -> Iterable[ast.Node]:
    match condition:
        case ast.All(of):
            for part in of:
                yield from _parts(part)
        case ast.Some((only,), 1):
            yield from _parts(only)
        case _:
            yield condition


def _bare(node: Any) -> Any:
    """Return a node without its columns, so that the same words are equal wherever they stand."""
    if isinstance(node, tuple):
        return tuple(_bare(one) for one in node)
    if not isinstance(node, msgspec.Struct):
        return node
    fields = {name: _bare(getattr(node, name)) for name in node.__struct_fields__}
    return type(node)(**fields | ({"column": 0} if "column" in fields else {}))


def _claim(part: ast.Node) -> tuple[ast.Node | None, Allowed]:
    """Return which value a condition claims something of, and what."""
    match part:
        case ast.Exists(value):
            return value, Allowed(there=True)
        case ast.Not(ast.Exists(value)):
            return value, Allowed(there=False)
        case ast.Band(score):
            return score, Allowed(there=True)
        case ast.Compare(op, ast.Name() | ast.Call() as left, right):
            several = _values(right)
            if several is None:
                return left, Allowed(there=True)
            return left, _compared(op, several)
    return None, Allowed()


def _values(right: ast.Node) -> tuple[Any, ...] | None:
    match right:
        case ast.Literal(value):
            return (_plain(value),)
        case ast.Duration(ms):
            return (float(ms),)
        case ast.Name(path) if "." not in path:
            return (path,)
        case ast.Many(values):
            return tuple(map(_plain, values))
    return None


def _plain(value: Any) -> Any:
    """Return a number for what reads as one: `25` and "25" are equal."""
    number = number_of(value)
    return value if isinstance(value, bool) or isnan(number) else float(number)


def _compared(op: str, values: tuple[Any, ...]) -> Allowed:
    number = number_of(values[0])
    match op:
        case "=" | "in":
            return Allowed(values=frozenset(values), there=True)
        case "!=":
            return Allowed(excluded=frozenset(values), there=True)
        case "<" | "<=" if not isnan(number):
            return Allowed(high=number, below=op == "<", there=True)
        case ">" | ">=" if not isnan(number):
            return Allowed(low=number, above=op == ">", there=True)
    return Allowed(there=True)


def _counted(part: ast.Node) -> Iterable[Counted]:
    """Return what a condition claims about how often an event happened."""
    turned = False
    if isinstance(part, ast.Not):
        part, turned = part.inner, True
    match part:
        case ast.Call("never"):
            yield _times(part, ">=" if turned else "<=", 1 if turned else 0)
        case ast.Compare(op, ast.Call("count") as call, ast.Literal(int() | float() as number)):
            if not turned:
                yield _times(call, op, number)
            elif op in _TURNED:
                yield _times(call, _TURNED[op], number)
        case ast.Compare(op, ast.Call("since") as call, ast.Duration(ms)) if not turned:
            if call.source is not None and not call.source.startswith("trait."):
                reach = ast.Window(ms if op in (">", "<=") else ms - 1)
                of = msgspec.structs.replace(call, window=reach)
                yield _times(of, "<=" if op[0] == ">" else ">=", 0 if op[0] == ">" else 1)
                if op[0] == ">":  # it is missing where it never happened
                    yield _times(call, ">=", 1)


def _times(call: ast.Call, op: str, number: float) -> Counted:
    least, most = {
        "=": (number, number),
        ">=": (number, inf),
        ">": (number + 1, inf) if float(number).is_integer() else (number, inf),
        "<=": (0, number),
        "<": (0, number - 1) if float(number).is_integer() else (0, number),
    }.get(op, (0, inf))
    return Counted(str(call.source), call.where, call.window, max(least, 0), most)
