"""The items that a model recommends to a person, the best first, as far as they are in stock."""

from events.names import slug
from triggers import ast
from triggers.code import Code, Scope, compiled
from triggers.expressions import ExpressionError
from triggers.recommended import RECOMMENDED

SIGNATURE = "recommended(NUMBER [, CATEGORY])"
EXAMPLE = "recommended(3, shoes) contains event.product_id"
TAKES = ("number",)
MOST = 100  # items, as many as the score has


def code(call: ast.Call, scope: Scope) -> Code:
    """Ask the catalogue now; a segment would not hear of its changes."""
    number = call.number
    if not isinstance(number, int) or not 1 <= number <= MOST:
        raise ExpressionError(
            f"recommended(...) takes a whole number from 1 to {MOST} first, "
            "such as recommended(3) or recommended(3, shoes)",
            call.column,
        )
    if call.where is not None or call.window is not None:
        raise ExpressionError("recommended(...) takes a number and a category alone", call.column)
    if not scope.has_event:
        raise ExpressionError(
            "recommended(...) goes by the catalogue, whose changes no segment hears of; ask for it in "
            "a trigger",
            call.column,
        )
    category = None if call.source is None else slug(call.source)
    stated = compiled(ast.Name(RECOMMENDED), scope)
    return Code(f"recommended(p, {stated.value}, {number}, {category!r})", stated.horizons)
