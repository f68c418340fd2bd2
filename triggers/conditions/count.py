"""How often an event happened, ever or in a window that is exact to the millisecond."""

from profile_state.cells import MOST
from triggers import ast
from triggers.code import Code, Scope, compiled, needed, span

SIGNATURE = "count(EVENT [where ...] [, WINDOW])"
EXAMPLE = "count(product_viewed, last 7d) >= 3"
_AT_LEAST = {">=": True, ">": True, "<": False, "<=": False}  # true or false with that many?
_PYTHON = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def code(call: ast.Call, scope: Scope, keep: int = MOST) -> Code:
    """Count in the window, of which the newest `keep` instants are remembered."""
    if call.window is None:
        return Code(f"({scope.cell('total', call)} or 0)", number=True)
    inside = span(call, scope)
    if inside.ceiling is not None:
        cell = scope.cell("times", call, window=inside.window)
        counted = f"count_between({cell}, {inside.floor}, {inside.ceiling})"
        return Code(counted, inside.changes(f"instants({cell})"), number=True)
    cell = scope.cell("times", call, window=inside.window, keep=keep)
    horizons = () if inside.window is None else (f"exit_of_times({cell}, {inside.window}, now)",)
    return Code(f"count_since({cell}, {inside.floor})", horizons, number=True)


def compare(call: ast.Call, op: str, right: ast.Node, scope: Scope) -> Code | None:
    """`count(...) >= 3` needs the last three instants and no more."""
    constant = compiled(right, scope)
    if op not in _PYTHON or not constant.number:
        return None
    keep = needed(op, right)
    counted = code(call, scope, keep)
    always = isinstance(right, ast.Literal) and right.value == 0 and op in (">=", "<")
    inside = span(call, scope)
    plain = call.window is not None and inside.ceiling is None
    if plain and keep < MOST and op in _AT_LEAST and not always:
        # Asked of the newest that decides it alone, since every event asks: no search, no call.
        cell = scope.cell("times", call, window=inside.window, keep=keep)
        enough = f"(v := {cell}) is not None and len(v) >= {keep}"
        enough = f"({enough} and v[-{keep}] >= {inside.floor})"
        return Code(enough if _AT_LEAST[op] else f"(not {enough})", counted.horizons)
    return Code(f"({counted.value} {_PYTHON[op]} {constant.value})", counted.horizons)
