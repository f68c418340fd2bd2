"""Lists of conditions, as `if` and `where` hold them."""

from typing import Any

from triggers.code import Code, Scope, Uses, compiled, every, negated, some
from triggers.contradictions import contradiction
from triggers.expressions import ExpressionError
from triggers.loading.context import Context
from triggers.loading.mappings import Places, nested, read
from triggers.schema import Conditions
from triggers.slots import Asks
from triggers.yaml import Document, Path

FALSE = Code("False")  # stands in for a condition that has a problem, or is not to be asked


def all_of(
    context: Context, document: Document, conditions: Conditions, path: Path, scope: Scope
) -> Code:
    """Compile a list of conditions, of which all must hold; an empty one always does."""
    several = conditions if isinstance(conditions, list) else [conditions]
    paths = [(*path, n) for n in range(len(several))] if isinstance(conditions, list) else [path]
    found = len(context.problems)
    parts = [
        condition(context, document, one, at, scope) for one, at in zip(several, paths, strict=True)
    ]
    if len(context.problems) == found:
        _never_together(context, document, several, paths)
    return every(parts)


def _never_together(
    context: Context, document: Document, conditions: list[Any], paths: list[Path]
) -> None:
    """Refuse conditions of which nobody can ever meet all."""
    nodes = [read(one, at, Places(at)) for one, at in zip(conditions, paths, strict=True)]
    found = contradiction(nodes)
    if found is None:
        return
    first, second = found
    line = document.problem(paths[first], "").line
    other = "" if first == second else f" together with the condition of line {line}"
    context.say(document, paths[second], f"this never holds{other}: nobody could meet them all")


def of_anybody(
    context: Context, document: Document, conditions: Conditions, path: Path
) -> tuple[Code, Asks, Uses]:
    """Compile what is asked of a person without an event at hand, as segments are."""
    scope = context.scope(has_event=False)
    with context.slots.noted() as needs:
        code = all_of(context, document, conditions, path, scope)
    return code, Asks(tuple(needs), frozenset(scope.uses.segments)), scope.uses


def condition(context: Context, document: Document, written: Any, path: Path, scope: Scope) -> Code:
    """Compile one condition, which may be nested lists: of these each says its own mistakes."""
    places = Places(path)
    try:
        several = nested(written, path, places) if isinstance(written, dict) else None
        if several is None:
            return compiled(read(written, path, places), scope)
    except ExpressionError as error:
        at, shift = places.find(error.column)
        context.say(document, at, error.message, shift)
        return FALSE
    parts = [
        condition(context, document, one, (*path, several.word, nth), scope)
        for nth, one in enumerate(several.conditions)
    ]
    holding = some(parts, several.least)
    return negated(holding) if several.negated else holding
