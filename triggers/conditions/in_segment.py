"""That the person is in a segment now."""

from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError
from triggers.words import nearest

SIGNATURE = "in_segment(SEGMENT)"
EXAMPLE = "in_segment(warm)"


def code(call: ast.Call, scope: Scope) -> Code:
    """Read the membership, which is kept current."""
    if call.source is None or call.where is not None or call.window is not None:
        raise ExpressionError("in_segment(...) takes a segment's name alone", call.column)
    if call.source not in scope.known.segments:
        hint = nearest(call.source, scope.known.segments)
        raise ExpressionError(f"unknown segment {call.source!r}.{hint}", call.source_column)
    scope.uses.segments.add(call.source)
    return Code(f"({call.source!r} in m)")
