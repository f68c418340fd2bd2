"""How long ago an event last happened, or a date was that a trait names; missing if it never did."""

from triggers import ast
from triggers.code import Code, Scope, compiled
from triggers.expressions import ExpressionError

SIGNATURE = "since(EVENT [where ...] | trait.NAME)"
EXAMPLE = "since(order_completed) > 45d"
TRAIT = "trait."
_FUNCTIONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def code(call: ast.Call, scope: Scope) -> Code:
    """Return the age in ms."""
    if call.window is not None:
        raise ExpressionError("since(...) takes no window; ask with never(...)", call.column)
    instant = _instant(call, scope)
    if not _of_a_trait(call):
        return Code(f"since({instant}, now)")
    return Code(f"since(come({instant}, now), now)", (f"instant_after({instant}, 0, now)",))


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
    return Code(
        f"{_FUNCTIONS[op]}({age.value}, {fixed.value})",
        (*age.horizons, f"instant_after({_instant(call, scope)}, {turn}, now)"),
    )


def _of_a_trait(call: ast.Call) -> bool:
    return call.source is not None and call.source.startswith(TRAIT)


def _instant(call: ast.Call, scope: Scope) -> str:
    """Return the source of the instant (ms) that is looked back to; of a trait it may be to come."""
    if not _of_a_trait(call):
        return scope.cell("newest", call)
    if call.where is not None:
        raise ExpressionError(f"since({call.source}) takes no filter", call.column)
    date = compiled(ast.Name(str(call.source), call.source_column), scope)
    return f"instant_of({date.value}, {scope.zone()})"
