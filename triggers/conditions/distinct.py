"""How many different values a property had, ever or in a window (the newest 10,000 of them)."""

from triggers import ast
from triggers.code import Code, Scope

SIGNATURE = "distinct(EVENT.property [where ...] [, last WINDOW])"
EXAMPLE = "distinct(product_viewed.product_id, last 10m) <= 2"


def code(call: ast.Call, scope: Scope) -> Code:
    """Count the values by their newest instants."""
    cell = scope.cell("distinct", call, window=call.window)
    if call.window is None:
        return Code(f"len({cell} or ())", number=True)
    return Code(
        f"distinct_since({cell}, now - {call.window})",
        (f"exit_of_distinct({cell}, {call.window}, now)",),
        number=True,
    )
