"""The smallest value of a property, ever or in a window; missing where it never was a number."""

from triggers import ast
from triggers.code import Code, Scope, in_window

SIGNATURE = "min(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "min(product_viewed.price, last 7d) < 20"


def code(call: ast.Call, scope: Scope) -> Code:
    """Look at the smallest, or at all in the window."""
    if call.window is None:
        return Code(f"decimal({scope.cell('least', call)})")
    amounts = in_window(call, scope, "amounts")
    return Code(f"least_of({amounts.value})", amounts.horizons)
