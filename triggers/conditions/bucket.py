"""That a person is one of a stable share of all people: the same ones, whoever asks."""

from triggers import ast
from triggers.code import Code, Scope
from triggers.expressions import ExpressionError

SIGNATURE = "bucket(SHARE)"
EXAMPLE = "bucket(10%)"
TAKES = ("number",)


def code(call: ast.Call, scope: Scope) -> Code:  # noqa: ARG001 - every scope knows the person
    """Compare the hash of the person's id with the share."""
    share = call.number
    if share is None or not 0 < share < 1 or call.sources or call.window is not None:
        raise ExpressionError("bucket(...) takes a share, such as bucket(10%)", call.column)
    return Code(f"(share_of(p.id) < {share!r})")
