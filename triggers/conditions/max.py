"""The largest value of a property, ever or in a window; missing where it never was a number."""

from triggers import ast
from triggers.code import Code, Scope, in_window

SIGNATURE = "max(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "max(order_completed.total) >= 200"


def code(call: ast.Call, scope: Scope) -> Code:
    """Look at the largest, or at all in the window."""
    if call.window is None:
        return Code(f"decimal({scope.cell('most', call)})")
    amounts = in_window(call, scope, "amounts")
    return Code(f"most_of({amounts.value})", amounts.horizons)
