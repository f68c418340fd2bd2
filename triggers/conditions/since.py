"""How long ago an event last happened; missing if it never did."""

from triggers import ast
from triggers.code import Code, Scope, compiled
from triggers.expressions import ExpressionError

SIGNATURE = "since(EVENT [where ...])"
EXAMPLE = "since(order_completed) > 45d"
_FUNCTIONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def code(call: ast.Call, scope: Scope) -> Code:
    """Return the age in ms."""
    if call.window is not None:
        raise ExpressionError("since(...) takes no window; ask with never(...)", call.column)
    return Code(f"since({scope.cell('newest', call)}, now)")


def compare(call: ast.Call, op: str, right: ast.Node, scope: Scope) -> Code | None:
    """Compare an age, which time alone changes, with a fixed duration."""
    if op not in _FUNCTIONS or not isinstance(right, ast.Duration):
        raise ExpressionError(
            "since(...) is compared by < <= > >= with a duration, such as since(order_completed) > 45d",
            call.column,
        )
    age = code(call, scope)
    fixed = compiled(right, scope)
    # The first ms at which the answer differs: `> 45d` turns true one after 45 d, `>=` at it.
    turn = right.ms + 1 if op in (">", "<=") else right.ms
    cell = scope.cell("newest", call)
    return Code(
        f"{_FUNCTIONS[op]}({age.value}, {fixed.value})", (f"instant_after({cell}, {turn}, now)",)
    )
