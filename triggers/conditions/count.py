"""How often an event happened, ever or in a window that is exact to the millisecond."""

from profile_state.cells import MOST
from triggers import ast
from triggers.code import Code, Scope, compiled, needed

SIGNATURE = "count(EVENT [where ...] [, last WINDOW])"
EXAMPLE = "count(product_viewed, last 7d) >= 3"
_AT_LEAST = {">=": True, ">": True, "<": False, "<=": False}  # true or false with that many?
_PYTHON = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def code(call: ast.Call, scope: Scope, keep: int = MOST) -> Code:
    """Count in the window, of which the newest `keep` instants are remembered."""
    if call.window is None:
        return Code(f"({scope.cell('total', call)} or 0)", number=True)
    cell = scope.cell("times", call, window=call.window, keep=keep)
    return Code(
        f"count_since({cell}, now - {call.window})",
        (f"exit_of_times({cell}, {call.window}, now)",),
        number=True,
    )


def compare(call: ast.Call, op: str, right: ast.Node, scope: Scope) -> Code | None:
    """`count(...) >= 3` needs the last three instants and no more."""
    constant = compiled(right, scope)
    if op not in _PYTHON or not constant.number:
        return None
    keep = needed(op, right)
    counted = code(call, scope, keep)
    always = isinstance(right, ast.Literal) and right.value == 0 and op in (">=", "<")
    if call.window is not None and keep < MOST and op in _AT_LEAST and not always:
        # Asked of the newest that decides it alone, since every event asks: no search, no call.
        cell = scope.cell("times", call, window=call.window, keep=keep)
        inside = f"(v := {cell}) is not None and len(v) >= {keep}"
        inside = f"({inside} and v[-{keep}] >= now - {call.window})"
        return Code(inside if _AT_LEAST[op] else f"(not {inside})", counted.horizons)
    return Code(f"({counted.value} {_PYTHON[op]} {constant.value})", counted.horizons)
