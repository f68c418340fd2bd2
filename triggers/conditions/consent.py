"""That a person allows a purpose on a channel: as they said, or by the purpose's default."""

from events.record import STATEMENTS
from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError
from triggers.words import nearest

SIGNATURE = "consent(PURPOSE, CHANNEL)"
EXAMPLE = "consent(marketing, whatsapp)"
TAKES = ("sources",)


def code(call: ast.Call, scope: Scope) -> Code:
    """Ask as the one decision point does."""
    if len(call.sources) != 2 or call.where is not None or call.window is not None:
        raise ExpressionError(
            "consent(...) takes a purpose and a channel, such as consent(marketing, email)",
            call.column,
        )
    purpose, channel = call.sources
    for what, said, known in (
        ("purpose", purpose, scope.known.purposes),
        ("channel", channel, scope.known.channels),
    ):
        if said.path not in known:
            hint = nearest(said.path, known)
            raise ExpressionError(
                f"unknown {what} {said.path!r}.{hint} Known: {', '.join(sorted(known))}",
                said.column,
            )
    scope.uses.events |= STATEMENTS
    otherwise = scope.known.purposes[purpose.path].allowed
    return Code(f"allows(p, {purpose.path!r}, {channel.path!r}, {otherwise!r}, LIMITS)")
