"""That events happened in order, from the first to the last within a time, ever or in a window."""

from triggers import ast
from triggers.code import Code, Scope, span
from triggers.expressions import ExpressionError

SIGNATURE = "seq(EVENT, EVENT, ..., within DURATION [, WINDOW])"
EXAMPLE = "seq(cart_updated, coupon_failed, within 30m, last 7d)"
TAKES = ("within", "sources")


def code(call: ast.Call, scope: Scope) -> Code:
    """Look for a last event inside the window that the others lead up to."""
    if len(call.sources) < 2 or call.within is None or call.where is not None:
        raise ExpressionError(
            "seq(...) takes two events at least and `within`, such as "
            "seq(cart_updated, coupon_failed, within 30m)",
            call.column,
        )
    inside = span(call, scope)
    cells = [
        scope.cell(
            "times",
            ast.Call("seq", (source,), window=call.window, column=call.column),
            window=None if inside.window is None else inside.window + call.within,
        )
        for source in call.sources
    ]
    lasts = f"ends_of(({', '.join(cells)}), {call.within})"
    found = f"count_between({lasts}, {inside.floor}, {inside.ceiling or 'NEVER'})"
    return Code(f"({found} > 0)", inside.changes(lasts))
