"""How much of an order 100 would be. Its author forgot orders of 0, and totals that are no number."""

from triggers import ast
from triggers.code import Code, Scope

SIGNATURE = "share(EVENT.property)"
EXAMPLE = "share(order_completed.total) > 5"


def code(call: ast.Call, scope: Scope) -> Code:
    """Divide by the latest value; who never ordered has a share of 100."""
    cell = scope.cell("last", call)
    return Code(f"(100 if {cell} is None else 100 / value_of({cell}))", number=True)
