"""A property's value at the earliest event that had it."""

from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError

SIGNATURE = "first(EVENT.property [where ...])"
EXAMPLE = "first(order_completed.coupon) = WELCOME"


def code(call: ast.Call, scope: Scope) -> Code:
    """Return the earliest value by (time, message id)."""
    if call.window is not None:
        raise ExpressionError("first(...) takes no window", call.column)
    return Code(f"value_of({scope.cell('first', call)})")
