"""That an event did not happen, ever or in a window."""

from triggers import ast
from triggers.code import Code, Scope, span

SIGNATURE = "never(EVENT [where ...] [, WINDOW])"
EXAMPLE = "never(order_completed, last 7d)"


def code(call: ast.Call, scope: Scope) -> Code:
    """Look at the newest instant alone, unless the window ends before now."""
    inside = span(call, scope)
    if inside.ceiling is not None:
        cell = scope.cell("times", call, window=inside.window)
        counted = f"count_between({cell}, {inside.floor}, {inside.ceiling})"
        return Code(f"({counted} == 0)", inside.changes(f"instants({cell})"))
    cell = scope.cell("newest", call)
    if call.window is None:
        return Code(f"({cell} is None)")
    horizons = (
        () if inside.window is None else (f"instant_after({cell}, {inside.window + 1}, now)",)
    )
    return Code(f"not_since({cell}, {inside.floor})", horizons)
