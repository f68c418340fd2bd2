"""The exact sum of a property, ever or in a window. What is no number adds nothing."""

from triggers import ast
from triggers.code import Code, Scope

SIGNATURE = "sum(EVENT.property [where ...] [, last WINDOW])"
EXAMPLE = "sum(order_completed.total, last 30d) > 100"


def code(call: ast.Call, scope: Scope) -> Code:
    """Sum in integers of 10^-6, so that the order of events cannot matter."""
    if call.window is None:
        return Code(f"amount({scope.cell('sum', call)})", number=True)
    cell = scope.cell("amounts", call, window=call.window)
    return Code(
        f"amount_since({cell}, now - {call.window})",
        (f"exit_of_amounts({cell}, {call.window}, now)",),
        number=True,
    )
