"""That an event did not happen, ever or in a window."""

from triggers import ast
from triggers.code import Code, Scope

SIGNATURE = "never(EVENT [where ...] [, last WINDOW])"
EXAMPLE = "never(order_completed, last 7d)"


def code(call: ast.Call, scope: Scope) -> Code:
    """Look at the newest instant alone."""
    cell = scope.cell("newest", call)
    if call.window is None:
        return Code(f"({cell} is None)")
    return Code(
        f"not_since({cell}, now - {call.window})",
        (f"instant_after({cell}, {call.window + 1}, now)",),
    )
