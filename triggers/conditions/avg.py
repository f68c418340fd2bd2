"""The average of a property, ever or in a window; missing where it never was a number."""

from triggers import ast
from triggers.code import Code, Scope, in_window

SIGNATURE = "avg(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "avg(order_completed.total, last 90d) >= 40"


def code(call: ast.Call, scope: Scope) -> Code:
    """Divide the exact sum by how many numbers were added."""
    if call.window is None:
        return Code(f"ratio({scope.cell('sum', call)}, {scope.cell('numbers', call)})")
    amounts = in_window(call, scope, "amounts")
    return Code(f"mean_of({amounts.value})", amounts.horizons)
