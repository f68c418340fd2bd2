"""That somebody opened the last messages on a channel: as many as named, each of them.

It reads `CHANNEL_sent {message, purpose}` and `CHANNEL_opened {message}`. What is transactional
does not count, and what a machine opened is no open.
"""

from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError
from triggers.words import nearest

SIGNATURE = "opened_last(NUMBER, CHANNEL)"
EXAMPLE = "opened_last(2, email)"
TAKES = ("number",)
MOST = 100  # messages
OPENED = 1_000  # messages opened last that are remembered
_COUNTED = ast.Not(ast.Compare("=", ast.Name("purpose"), ast.Literal("transactional")))


def code(call: ast.Call, scope: Scope) -> Code:
    """Compare the newest `number` messages sent with those opened.

    Of the sent ones the newest `number` are enough: what is older than they can only become one
    of them by being sent again.
    """
    number = call.number
    if not isinstance(number, int) or not 1 <= number <= MOST:
        raise ExpressionError(
            f"opened_last(...) takes a whole number from 1 to {MOST} first, "
            "such as opened_last(2, email)",
            call.column,
        )
    if call.source is None or call.where is not None or call.window is not None:
        raise ExpressionError("opened_last(...) takes a number and a channel alone", call.column)
    if call.source not in scope.known.channels:
        hint = nearest(call.source, scope.known.channels)
        known = ", ".join(sorted(scope.known.channels))
        raise ExpressionError(
            f"unknown channel {call.source!r}.{hint} Known: {known}", call.source_column
        )
    sent = ast.Call("distinct", (ast.Source(f"{call.source}_sent.message"),), _COUNTED)
    opened = ast.Call("distinct", (ast.Source(f"{call.source}_opened.message"),))
    sent_cell = scope.cell("distinct", sent, keep=number)
    opened_cell = scope.cell("distinct", opened, keep=OPENED)
    return Code(f"newest_in({sent_cell}, {opened_cell}, {number})")
