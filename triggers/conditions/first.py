"""A property's value at the earliest event that had it, ever or in a window."""

from triggers import ast
from triggers.code import Code, Scope, in_window

SIGNATURE = "first(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "first(order_completed.coupon) = WELCOME"


def code(call: ast.Call, scope: Scope) -> Code:
    """Return the earliest value by (time, message id)."""
    if call.window is None:
        return Code(f"value_of({scope.cell('first', call)})")
    values = in_window(call, scope, "events")
    return Code(f"first_of({values.value})", values.horizons)
