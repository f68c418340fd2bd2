"""The value that a property had most often, ever or in a window; of several the first in the alphabet."""

from events.names import slug
from triggers import ast
from triggers.code import Code, Scope, in_window
from triggers.expressions import ExpressionError

SIGNATURE = "top(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "top(product_viewed.category, last 30d) = shoes"


def code(call: ast.Call, scope: Scope) -> Code:
    """Count by value."""
    event, _, field = (call.source or "").partition(".")
    if not field:
        raise ExpressionError(
            "top(...) needs a property, such as top(product_viewed.category)", call.source_column
        )
    if call.window is None:
        of_event = ast.Call("top", (ast.Source(event, call.source_column),), call.where)
        return Code(f"top({scope.cell('total', of_event, by=slug(field))})")
    values = in_window(call, scope, "events")
    return Code(f"top_of({values.value})", values.horizons)
