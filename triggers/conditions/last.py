"""A property's value at the latest event that had it."""

from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError

SIGNATURE = "last(EVENT.property [where ...])"
EXAMPLE = "last(order_completed.total) >= 50"


def code(call: ast.Call, scope: Scope) -> Code:
    """Return the latest value by (time, message id)."""
    if call.window is not None:
        raise ExpressionError("last(...) takes no window", call.column)
    return Code(f"value_of({scope.cell('last', call)})")
