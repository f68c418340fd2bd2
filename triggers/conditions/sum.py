"""The exact sum of a property, ever or in a window. What is no number adds nothing."""

from triggers import ast
from triggers.code import Code, Scope, in_window, span

SIGNATURE = "sum(EVENT.property [where ...] [, WINDOW])"
EXAMPLE = "sum(order_completed.total, last 30d) > 100"


def code(call: ast.Call, scope: Scope) -> Code:
    """Sum in integers of 10^-6, so that the order of events cannot matter."""
    if call.window is None:
        return Code(f"amount({scope.cell('sum', call)})", number=True)
    inside = span(call, scope)
    if inside.ceiling is not None:
        amounts = in_window(call, scope, "amounts")
        return Code(f"total_of({amounts.value})", amounts.horizons, number=True)
    cell = scope.cell("amounts", call, window=inside.window)
    horizons = () if inside.window is None else (f"exit_of_amounts({cell}, {inside.window}, now)",)
    return Code(f"amount_since({cell}, {inside.floor})", horizons, number=True)
