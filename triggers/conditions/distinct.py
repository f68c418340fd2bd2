"""How many different values a property had, ever or in a window (the newest 10,000 of them).

A list is several values, and in a window that reaches until now `products[].product_id` takes that of
each element.
"""

from triggers import ast
from triggers.code import Code, Scope, in_window, span

SIGNATURE = "distinct(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "distinct(product_viewed.product_id, last 10m) <= 2"


def code(call: ast.Call, scope: Scope) -> Code:
    """Count the values by their newest instants; all of them where the window ends before now."""
    inside = span(call, scope)
    if inside.ceiling is not None:
        values = in_window(call, scope, "events")
        return Code(f"different({values.value})", values.horizons, number=True)
    cell = scope.cell("distinct", call, window=inside.window)
    if call.window is None:
        return Code(f"len({cell} or ())", number=True)
    horizons = () if inside.window is None else (f"exit_of_distinct({cell}, {inside.window}, now)",)
    return Code(f"distinct_since({cell}, {inside.floor})", horizons, number=True)
