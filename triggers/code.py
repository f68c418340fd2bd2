"""Conditions to Python source: closed syntax tree in, one expression out.

Generated code reads `c` (cells), `t` (traits), `m` (memberships), `e` (the event's properties)
and `now`, and calls only what `triggers.runtime` offers. Texts go in through repr alone.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache, singledispatch
from math import isnan
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from events.names import slug
from events.scores import is_score, remembered
from kairos.discovery import found_in
from models.base import Feature
from models.runtime.hours import Opened
from models.runtime.names import KEPT, Catalogue, Names, Offers
from models.runtime.orders import Orders
from profile_state.cells import MOST, Slot
from profile_state.surroundings import KINDS
from profile_state.surroundings import remembered as around
from triggers import ast
from triggers.catalog import ITEM
from triggers.definitions import Band, PurposeRule
from triggers.expressions import ExpressionError, parse
from triggers.modelled import Modelled
from triggers.runtime import number_of
from triggers.slots import Slots
from triggers.words import nearest

# What a condition reads beside `e`; a text that holds such a word makes it look dearer, no more.
_BEYOND = re.compile(r"\b[ctmp]\b|\bnow\b|\brun\b")
# Kinds of cells that fold a property of the event in.
OF_A_PROPERTY = frozenset(
    {"sum", "numbers", "least", "most", "amounts", "first", "last", "distinct", "events"}
)
_DEAR = {
    "e.get(": 1,
    "trait(": 2,
    " in m": 2,
    "c.get(": 4,
    "amount_since(": 8,
    "distinct_since(": 16,
    "scored(": 32,
}


class Code(msgspec.Struct, frozen=True):
    """A compiled condition.

    Attributes:
        value: Python source.
        horizons: sources of the instants (ms) at which time alone may change the value.
        number: the value is a number and never missing, so Python may compare it directly.
        sieve: source of the part that looks at the entering event alone; where it is false, so is
            the value.
    """

    value: str
    horizons: tuple[str, ...] = ()
    number: bool = False
    sieve: str = "True"

    @property
    def own(self) -> bool:
        """Whether it looks at the entering event alone.

        >>> Code("(number_of(e.get('price')) > 5)").own, Code("(c.get('total seen') or 0)").own
        (True, False)
        """
        return _BEYOND.search(self.value) is None

    @property
    def cost(self) -> int:
        """About how dear it is: what remembers more costs more to ask."""
        return sum(self.value.count(word) * dear for word, dear in _DEAR.items())


class Uses(msgspec.Struct):
    """What a condition looks at: the records that may change it."""

    events: set[str] = msgspec.field(default_factory=set)
    traits: set[str] = msgspec.field(default_factory=set)
    segments: set[str] = msgspec.field(default_factory=set)
    learnt: bool = False  # a share of all people by a score, or what a model says
    properties: set[str] = msgspec.field(default_factory=set)  # of the entering event


class Known(NamedTuple):
    """What the conditions of a workspace may name, and the slots that they share."""

    slots: Slots  # compiling adds to them
    segments: Collection[str]
    channels: Collection[str]
    purposes: Mapping[str, PurposeRule]
    timezone: str  # of people who state none
    bands: Mapping[str, Mapping[str, Band]]  # score -> word
    around: set[str]  # kinds of surroundings that are asked for; compiling adds to them
    scored: Mapping[str, Modelled]  # score -> the model that gives it
    opens: tuple[str, ...]  # cells that remember when people open messages


class Scope:
    """Where a condition stands: which names mean something.

    Args:
        known: of the workspace.
        has_event: `event.*` is the entering event; segments have none.
        has_item: `item.*` is an item of the catalogue, whose change is the occurrence.
        has_run: it is asked of a run, so `since entry` means something.
        counted: inside `where`, a bare name is the counted event's property.
    """

    def __init__(
        self,
        known: Known,
        *,
        has_event: bool,
        has_item: bool = False,
        has_run: bool = False,
        counted: bool = False,
    ) -> None:
        self.known = known
        self.has_event = has_event
        self.has_item = has_item
        self.has_run = has_run
        self.counted = counted
        self.uses = Uses()

    def of_run(self) -> "Scope":
        """Return the same scope for what is asked of a run."""
        asked = Scope(self.known, has_event=self.has_event, has_item=self.has_item, has_run=True)
        asked.uses = self.uses
        return asked

    def of_features(self) -> "Scope":
        """Return a scope for what a model looks at: what people did, and no model's scores."""
        asked = Scope(self.known._replace(scored={}), has_event=False)
        asked.uses = self.uses
        return asked

    def cell(
        self,
        kind: str,
        call: ast.Call,
        *,
        window: int | None = None,
        keep: int = MOST,
        by: str | None = None,
    ) -> str:
        """Ask for a slot and return the source that reads its cell.

        Conditions that remember the same share a slot.

        Args:
            kind: of cell.
            call: what it is for.
            window: ms for which events are remembered; None for ever.
            keep: how many at most.
            by: property whose values are kept apart, where the function asks for that itself.

        Raises:
            ExpressionError: the call names no event, or its filter cannot be kept.
        """
        event, field = self._source(kind, call)
        where, split = self._filter(call)
        words = [kind, event if field is None else f"{event}.{field}"]
        if where:
            words.append(f"where {where}")
        if split and by:
            raise ExpressionError(
                f"{call.function}(...) takes no filter that compares with event.*", call.column
            )
        if split or by:
            words.append(f"by {split[0] if split else by}")
        key = " ".join(words)
        fields = () if field is None else (field,)
        apart = split[0] if split else by
        slot = Slot(key, kind, event, fields, where, apart, window, keep)
        asked = None if call.window is None else call.window.start
        since_entry = call.window is not None and asked is None
        self.known.slots.ask(slot, reach=window or asked, before=not since_entry)
        self.uses.events.add(event)
        read = f"c.get({key!r})"
        return f"by({read}, {split[1]})" if split else read

    def _source(self, kind: str, call: ast.Call) -> tuple[str, str | None]:
        if call.source is None:
            raise ExpressionError(f"{call.function}(...) needs an event", call.column)
        event, _, field = call.source.partition(".")
        if kind in OF_A_PROPERTY:
            if not field:
                raise ExpressionError(
                    f"{call.function}(...) needs a property, such as "
                    f"{call.function}({event}.total)",
                    call.source_column,
                )
            if kind == "distinct":
                return slug(event), ".".join(map(_slugged, field.split(".")))
            if "[]" in field:
                raise ExpressionError(
                    f"a property of the event itself was expected, found {field!r}; "
                    "distinct(...) in a window that reaches until now follows a path",
                    call.source_column,
                )
            return slug(event), slug(field)
        if field:
            raise ExpressionError(
                f"{call.function}({event}) takes an event without a property, found {call.source!r}",
                call.source_column,
            )
        return slug(event), None

    def _filter(self, call: ast.Call) -> tuple[str, tuple[str, str] | None]:
        """Split a filter into the part that each counted event decides alone, and the split.

        The split is at most one equality with the entering event, such as
        `product_id = event.product_id`: the cell is kept apart by that property's values.
        """
        if call.where is None:
            return "", None
        inside = Scope(self.known, has_event=False, counted=True)
        parts = call.where.of if isinstance(call.where, ast.All) else (call.where,)
        alone: list[str] = []
        split: tuple[str, str] | None = None
        for part in parts:
            match part:
                case ast.Compare("=", ast.Name(own), ast.Name(path)) if path.startswith("event."):
                    if split is not None:
                        raise ExpressionError(
                            "one comparison with event.* fits into a filter", part.column
                        )
                    if not self.has_event:
                        raise ExpressionError("a segment has no event to compare with", part.column)
                    split = (slug(own), self.property(path))
                case _:
                    alone.append(compiled(part, inside).value)
        return " and ".join(sorted(alone)), split

    def zone(self) -> str:
        """Return the source of the person's time zone."""
        self.uses.traits.add("timezone")
        return f"zone_of(trait(t, 'timezone'), {self.known.timezone!r})"

    def property(self, path: str) -> str:
        """Return the source that reads `event.…` of the entering event."""
        self.uses.properties.add(_slugged(path.split(".")[1]).removesuffix("[]"))
        return _picked(path)


def _picked(path: str) -> str:
    parts = path.split(".")[1:]
    if len(parts) == 1 and not parts[0].endswith("[]"):
        return f"e.get({slug(parts[0])!r})"
    return f"pick(e, {', '.join(repr(_slugged(p)) for p in parts)})"


def _slugged(part: str) -> str:
    return slug(part[:-2]) + "[]" if part.endswith("[]") else slug(part)


def compiled(node: ast.Node, scope: Scope) -> Code:
    """Compile a condition.

    Raises:
        ExpressionError: a name or function means nothing here.
    """
    match node:
        case ast.Literal(value):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return Code(repr(value), number=is_number)
        case ast.Duration(ms):
            return Code(repr(ms), number=True)
        case ast.Name():
            return _name(node, scope)
        case ast.Many(values):
            return Code(repr(values))
        case ast.Call():
            return function_of(node, scope).code(node, scope)  # type: ignore[no-any-return]
        case ast.Compare():
            return _compare(node, scope)
        case ast.Exists(value):
            inner = compiled(value, scope)
            return Code(f"({inner.value} is not None)", inner.horizons)
        case ast.Band():
            return _band(node, scope)
        case ast.Arithmetic(op, left, right):
            a, b = compiled(left, scope), compiled(right, scope)
            return Code(f"arithmetic({op!r}, {a.value}, {b.value})", a.horizons + b.horizons)
        case ast.Not(inner_node):
            return negated(compiled(inner_node, scope))
        case ast.All(parts):
            return every([compiled(p, scope) for p in parts])
        case ast.Some(parts, least):
            return some([compiled(p, scope) for p in parts], least)
    raise AssertionError(f"no such node: {node!r}")


def _band(node: ast.Band, scope: Scope) -> Code:
    score = node.score.path if isinstance(node.score, ast.Name) else ""
    words = scope.known.bands.get(score)
    if words is None:
        known = ", ".join(sorted(scope.known.bands)) or "none yet"
        message = f"workspace.yaml sets no bands for {score!r}. It has bands for: {known}"
        raise ExpressionError(message, node.column)
    if node.band not in words:
        hint = nearest(node.band, words)
        known = ", ".join(sorted(words))
        message = f"{score!r} has no band {node.band!r}.{hint} Known: {known}"
        raise ExpressionError(message, node.column)
    band = words[node.band]
    if band.op not in ("top", "bottom"):
        than = ast.Literal(band.than)
        return compiled(ast.Compare(band.op, node.score, than, node.column), scope)
    scope.uses.learnt = True
    compare = ">=" if band.op == "top" else "<="
    where = f"p.learnt.ranks.get({rank_name(score, node.band)!r}, NAN)"
    value = compiled(node.score, scope)
    return Code(f"(number_of({value.value}) {compare} {where})", value.horizons)


def rank_name(score: str, band: str) -> str:
    """Name the place in the order of all people at which a band of a score begins.

    >>> rank_name("ltv", "high")
    'ltv is high'
    """
    return f"{score} is {band}"


def every(parts: list[Code]) -> Code:
    """Join conditions that must all hold; the cheapest is asked first, since most events fail."""
    joined = _joined(" and ", sorted(parts, key=lambda part: part.cost), "True")
    sieve = " and ".join(part.value for part in parts if part.own)
    return msgspec.structs.replace(joined, sieve=sieve or "True")


def any_of(parts: list[Code]) -> Code:
    """Join conditions of which one must hold."""
    return _joined(" or ", parts, "False")


def some(parts: list[Code], least: int) -> Code:
    """Join conditions of which so many must hold at least."""
    if least == 1:
        return any_of(parts)
    holding = " + ".join(f"bool({part.value})" for part in parts)
    return Code(f"({holding} >= {least})", tuple(h for p in parts for h in p.horizons))


def negated(part: Code) -> Code:
    """Turn a condition into its opposite."""
    return Code(f"(not {part.value})", part.horizons)


def _joined(word: str, parts: list[Code], empty: str) -> Code:
    horizons = tuple(h for p in parts for h in p.horizons)
    return Code(f"({word.join(p.value for p in parts) or empty})", horizons)


def _name(node: ast.Name, scope: Scope) -> Code:
    head, _, rest = node.path.partition(".")
    if scope.counted:
        if head == "event":
            raise ExpressionError(
                "inside a filter only `property = event.property` may look at event.*", node.column
            )
        return Code(_picked(f"counted.{node.path}"))
    if head == "event" and rest:
        if not scope.has_event:
            raise ExpressionError(
                "a segment has no event; it can count events, or ask for traits", node.column
            )
        return Code(scope.property(node.path))
    model = scope.known.scored.get(node.path)
    if model is not None:
        return _modelled(node.path, model, scope)
    if is_score(node.path, scope.known.bands):
        return Code(_told(node.path, scope))
    if head in KINDS and rest:
        scope.known.around.add(head)
        scope.uses.traits.add(around(head))
        parts = ", ".join(repr(_slugged(part)) for part in rest.split("."))
        return Code(f"pick(trait(t, {around(head)!r}), {parts})")
    if head == "item" and rest:
        if not scope.has_item:
            raise ExpressionError(
                "only where `when` is `item` there is one; a trait is written trait.item",
                node.column,
            )
        parts = ", ".join(repr(_slugged(part)) for part in rest.split("."))
        return Code(f"pick(e.get({ITEM!r}), {parts})")
    if head == "trait" and rest:
        head, _, rest = rest.partition(".")
    if rest:
        scope.uses.traits.add(slug(head))
        parts = ", ".join(repr(_slugged(p)) for p in rest.split("."))
        return Code(f"pick(trait(t, {slug(head)!r}), {parts})")
    scope.uses.traits.add(slug(head))
    return Code(f"trait(t, {slug(head)!r})")


def _told(path: str, scope: Scope) -> str:
    """Return the source that reads a score which somebody tells."""
    name = remembered(path)
    scope.uses.traits.add(name)
    return f"trait(t, {name!r})"


def _modelled(score: str, model: Modelled, scope: Scope) -> Code:
    """Compile a score that a model gives."""
    scope.uses.learnt = True
    bare = scope.of_features()
    try:
        looked_at = [feature(one, bare) for one in model.features]
    except ExpressionError:  # it is said of the model itself, see `triggers.loading.models`
        return Code("None")
    sources = [one.value for one in looked_at]
    horizons = tuple(h for one in looked_at for h in one.horizons)
    if model.daily:
        horizons += (f"next_day(p, now, {sources[0]})",)
    told, mark = _told(score, scope), model.mark(sources)
    words = f"{model.key!r}, {model.kind!r}, {model.scores[score]!r}, {mark!r}"
    return Code(f"scored(p, {told}, {words}, now, {', '.join(sources)})", horizons)


@singledispatch
def feature(asked: Feature, scope: Scope) -> Code:
    """Compile what a model looks at in a person: a condition, or one of the kinds below."""
    assert isinstance(asked, str), "every other kind of feature has a function of its own"
    return compiled(parse(asked), scope)


@feature.register
def _orders(asked: Orders, scope: Scope) -> Code:
    call = ast.Call("orders", (ast.Source(f"{asked.event}.{asked.value}"),))
    cell = scope.cell("amounts", call)
    return Code(f"bought({cell}, now)", (f"next_order({cell}, now)",))


@feature.register
def _catalogue(_asked: Catalogue, _scope: Scope) -> Code:
    return Code("p.items")


@feature.register
def _offers(_asked: Offers, _scope: Scope) -> Code:
    return Code("OFFERS")


@feature.register
def _opened(_asked: Opened, scope: Scope) -> Code:
    for key in scope.known.opens:
        scope.known.slots.ask(scope.known.slots.by_key[key], reach=None, before=False)
    return Code(f"opened_at(c, {scope.known.opens!r}, {scope.zone()}, now)")


@feature.register
def _names(asked: Names, scope: Scope) -> Code:
    inside = f", last {asked.within}" if asked.within else ""
    named = parse(f"distinct({asked.path}{inside})")
    assert isinstance(named, ast.Call), "the model has checked its path"
    bounds = span(named, scope)
    cell = scope.cell("distinct", named, window=bounds.window, keep=KEPT)
    exits = () if bounds.window is None else (f"exit_of_distinct({cell}, {bounds.window}, now)",)
    return Code(f"names_between({cell}, {bounds.floor}, now)", exits)


_FUNCTIONS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "in": "one_of"}
_PYTHON = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def _compare(node: ast.Compare, scope: Scope) -> Code:
    right = node.right
    if isinstance(right, ast.Name) and "." not in right.path:
        right = ast.Literal(right.path, right.column)  # a bare word on the right is text
    if isinstance(right, ast.Arithmetic):
        _no_bare_words(right, node.column)
    if isinstance(node.left, ast.Call):
        compare = getattr(function_of(node.left, scope), "compare", None)
        special: Code | None = compare and compare(node.left, node.op, right, scope)
        if special is not None:
            return special
    a, b = compiled(node.left, scope), compiled(right, scope)
    horizons = a.horizons + b.horizons
    if a.number and b.number and node.op in _PYTHON:
        return Code(f"({a.value} {_PYTHON[node.op]} {b.value})", horizons)
    if b.number and node.op in _PYTHON and node.op != "!=":  # a missing value is not unequal
        return Code(f"(number_of({a.value}) {_PYTHON[node.op]} {b.value})", horizons)
    if _is_word(right) and node.op in ("=", "in"):  # nothing but the same text is equal to it
        return Code(f"({a.value} {_PYTHON.get(node.op, 'in')} {b.value})", horizons)
    return Code(f"{_FUNCTIONS.get(node.op, node.op)}({a.value}, {b.value})", horizons)


def _is_word(node: ast.Node) -> bool:
    """Say whether a node is text, or several, of which none reads as a number.

    >>> _is_word(ast.Literal("red", 1)), _is_word(ast.Literal("7", 1)), _is_word(ast.Literal(7, 1))
    (True, False, False)
    """
    values = node.values if isinstance(node, ast.Many) else (getattr(node, "value", None),)
    return all(isinstance(value, str) and isnan(number_of(value)) for value in values)


def _no_bare_words(node: ast.Node, column: int) -> None:
    """Refuse `timezone = Europe/Berlin`: a bare word on the right is text, and text has no division."""
    match node:
        case ast.Arithmetic(_, left, right):
            _no_bare_words(left, column)
            _no_bare_words(right, column)
        case ast.Name(path) if "." not in path:
            message = (
                f"text with + - * or / in it needs quotes; a trait is written trait.{path} here"
            )
            raise ExpressionError(message, column)


@cache
def functions() -> dict[str, ModuleType]:
    """Find the functions once: a version that comes into force later reads no folder."""
    return found_in("triggers.conditions")


def function_of(call: ast.Call, scope: Scope) -> ModuleType:
    """Find the module of a function by its name.

    Raises:
        ExpressionError: with the nearest known function, or for a number that it does not take; or
            where no function may stand.
    """
    if scope.counted:
        raise ExpressionError(
            f"a filter looks at properties of the counted event alone; {call.function}(...) stands "
            "beside it, as a condition of its own",
            call.column,
        )
    known = functions()
    if call.function not in known:
        hint = nearest(call.function, known)
        raise ExpressionError(
            f"unknown function {call.function!r}.{hint} Known: {', '.join(sorted(known))}",
            call.column,
        )
    module = known[call.function]
    takes = getattr(module, "TAKES", ())
    given = {
        "number": call.number is not None,
        "within": call.within is not None,
        "sources": len(call.sources) > 1,
    }
    for what, is_given in given.items():
        if is_given and what not in takes:
            raise ExpressionError(f"{call.function}(...) takes no {_WORDS[what]}", call.column)
    return module


_WORDS = {"number": "number", "within": "`within`", "sources": "second event"}


class Span(NamedTuple):
    """The window of a call, as source."""

    floor: str  # ms; the first instant inside
    ceiling: str | None  # ms; the last one inside, None for now
    window: int | None  # ms for which events must be remembered

    def changes(self, instants: str) -> tuple[str, ...]:
        """Return the horizon of what happened at these instants, where time alone changes it."""
        if self.window is None:
            return ()
        end = "0" if self.ceiling is None else self.ceiling.removeprefix("now - ")
        return (f"next_change({instants}, {self.window}, {end}, now)",)


def span(call: ast.Call, scope: Scope) -> Span:
    """Return the window of a call; without one it reaches back for ever.

    Raises:
        ExpressionError: `since entry`, where there is no entry yet.
    """
    window = call.window
    if window is None:
        return Span("0", None, None)
    if window.start is None:
        if not scope.has_run:
            raise ExpressionError(
                "`since entry` has a meaning in steps, in `exit_when`, and in the `if` of an absence; "
                "here nobody has entered yet",
                call.column,
            )
        return Span("run.time", None, None)
    ceiling = f"now - {window.end}" if window.end else None
    return Span(f"now - {window.start}", ceiling, window.start)


def in_window(call: ast.Call, scope: Scope, kind: str) -> Code:
    """Return the values of a property inside the window, oldest first.

    Args:
        call: of a function that looks at them all.
        scope: of the condition.
        kind: "amounts" for numbers in 10^-6, "events" for values as they were sent.
    """
    inside = span(call, scope)
    cell = scope.cell(kind, call, window=inside.window)
    bounds = f"{inside.floor}, {inside.ceiling or 'NEVER'}"
    if kind == "amounts":
        return Code(f"amounts_in({cell}, {bounds})", inside.changes(f"instants({cell})"))
    field = slug(str(call.source).partition(".")[2])
    return Code(f"values_in({cell}, {field!r}, {bounds})", inside.changes(f"instants({cell})"))


def needed(op: str, right: ast.Node) -> int:
    """Return how many of the newest instants decide a comparison of their number.

    >>> needed(">=", ast.Literal(3)), needed("<=", ast.Literal(3))
    (3, 4)
    """
    value: Any = right.value if isinstance(right, ast.Literal) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MOST:
        return MOST
    return max(1, value if op in (">=", "<") else value + 1)
