"""For how many days in a row an event happened, up to today or yesterday where the person is."""

from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError

SIGNATURE = "streak(EVENT [where ...], day)"
EXAMPLE = "streak(lesson_done, day) >= 7"
TAKES = ("sources",)
DAYS = 400  # that are looked back over
WINDOW = DAYS * 86_400_000


def code(call: ast.Call, scope: Scope) -> Code:
    """Count local days back from the latest."""
    if len(call.sources) != 2 or call.sources[1].path != "day" or call.window is not None:
        raise ExpressionError(
            "streak(...) takes an event and `day`, such as streak(lesson_done, day)", call.column
        )
    of_event = ast.Call("streak", call.sources[:1], call.where, column=call.column)
    cell = scope.cell("quarters", of_event, window=WINDOW)
    zone = scope.zone()
    return Code(
        f"streak_of({cell}, now, {zone})", (f"streak_breaks({cell}, now, {zone})",), number=True
    )
