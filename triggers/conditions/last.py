"""A property's value at the latest event that had it, ever or in a window."""

from triggers import ast
from triggers.code import Code, Scope, in_window, span

SIGNATURE = "last(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "last(order_completed.total) >= 50"


def code(call: ast.Call, scope: Scope) -> Code:
    """Return the latest value by (time, message id)."""
    inside = span(call, scope)
    if inside.ceiling is not None:
        values = in_window(call, scope, "events")
        return Code(f"last_of({values.value})", values.horizons)
    cell = scope.cell("last", call)
    if call.window is None:
        return Code(f"value_of({cell})")
    return Code(f"stated_since({cell}, {inside.floor})", inside.changes(f"stated_at({cell})"))
