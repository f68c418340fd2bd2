"""Lists of conditions, as `if` and `where` hold them."""

from typing import Any

from triggers.code import Code, Scope, Uses, compiled, every, negated, some
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
    if not isinstance(conditions, list):
        return condition(context, document, conditions, path, scope)
    parts = [condition(context, document, c, (*path, n), scope) for n, c in enumerate(conditions)]
    return every(parts)


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
