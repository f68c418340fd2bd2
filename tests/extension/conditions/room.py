"""How many orders of that size would fit. Its author takes memory for each of them."""

from triggers import ast
from triggers.code import Code, Scope

SIGNATURE = "room(EVENT.property)"
EXAMPLE = "room(order_completed.total) > 5"


def code(call: ast.Call, scope: Scope) -> Code:
    """Count the places; who never ordered takes none."""
    cell = scope.cell("last", call)
    return Code(f"(0 if {cell} is None else len([0] * value_of({cell})))", number=True)
