"""Lists of conditions, as `if` and `where` hold them."""

from typing import Any

from triggers.code import Code, Scope, compiled, every
from triggers.expressions import ExpressionError, parse
from triggers.loading.context import Context
from triggers.schema import Conditions
from triggers.words import nearest
from triggers.yaml import Document, Path

FALSE = Code("False")  # stands in for a condition that has a problem
NESTED = ("any_of", "none_of", "at_least")


def all_of(
    context: Context, document: Document, conditions: Conditions, path: Path, scope: Scope
) -> Code:
    """Compile a list of conditions, of which all must hold; an empty one always does."""
    if isinstance(conditions, str):
        return condition(context, document, conditions, path, scope)
    parts = [condition(context, document, c, (*path, n), scope) for n, c in enumerate(conditions)]
    return every(parts)


def condition(context: Context, document: Document, written: Any, path: Path, scope: Scope) -> Code:
    """Compile one condition, which may be nested lists."""
    if isinstance(written, dict):
        return _nested(context, document, written, path, scope)
    try:
        return compiled(parse(written), scope)
    except ExpressionError as error:
        context.say(document, path, error.message, error.column)
        return FALSE


def _nested(
    context: Context, document: Document, written: dict[str, Any], path: Path, scope: Scope
) -> Code:
    if set(written) not in ({"any_of"}, {"none_of"}, {"at_least", "of"}):
        word = next(iter(written), "")
        context.say(
            document,
            path,
            f"`any_of: [..]`, `none_of: [..]` or `at_least: 2, of: [..]` was expected, found "
            f"{word!r}.{nearest(word, NESTED)} A colon inside a condition needs quotes around it",
        )
        return FALSE
    name = "of" if "of" in written else next(iter(written))
    if not isinstance(written[name], list):
        context.say(document, (*path, name), "a list was expected")
        return FALSE
    parts = [
        condition(context, document, c, (*path, name, n), scope)
        for n, c in enumerate(written[name])
    ]
    holding = " + ".join(f"bool({p.value})" for p in parts) or "0"
    if name == "none_of":
        return Code(f"(({holding}) == 0)", _horizons(parts))
    least = written.get("at_least", "1")
    if not str(least).isdigit():
        context.say(document, (*path, "at_least"), f"a whole number was expected, found {least!r}")
        return FALSE
    return Code(f"(({holding}) >= {int(least)})", _horizons(parts))


def _horizons(parts: list[Code]) -> tuple[str, ...]:
    return tuple(horizon for part in parts for horizon in part.horizons)
