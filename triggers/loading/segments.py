"""Segments, in an order in which those that others ask for come first."""

from typing import NamedTuple

from triggers.code import Code
from triggers.definitions import Segment
from triggers.loading.conditions import of_anybody
from triggers.loading.context import Context
from triggers.schema import Conditions, SegmentFile, TriggerFile
from triggers.signs import CROSSING, is_ours
from triggers.slots import Asks
from triggers.yaml import Document, Path


class Made(NamedTuple):
    """A segment and its condition's code."""

    document: Document
    segment: Segment
    code: Code
    asks: Asks


def segments(
    context: Context,
    found: list[tuple[Document, SegmentFile]],
    triggers: list[tuple[Document, TriggerFile]],
) -> list[Made]:
    """Compile segments; one that asks for itself, over whatever way, is a problem.

    Args:
        context: of the workspace.
        found: their files.
        triggers: the files of triggers, of which some have a segment of their own.
    """
    made = {file.segment: _made(context, document, file) for document, file in found}
    for document, trigger in triggers:
        if trigger.when.crosses is not None:
            name = CROSSING + trigger.trigger
            made[name] = _compiled(
                context, document, name, trigger.when.crosses, ("when", "crosses")
            )
    ordered: list[Made] = []
    for name in sorted(made):
        _in_order(context, name, made, ordered, ())
    return ordered


def _made(context: Context, document: Document, file: SegmentFile) -> Made:
    if is_ours(file.segment):
        message = f"a segment's name does not begin with {file.segment[0]}"
        context.say(document, ("segment",), message)
    return _compiled(context, document, file.segment, file.if_, ("if",))


def _compiled(
    context: Context, document: Document, name: str, conditions: Conditions, path: Path
) -> Made:
    code, asks, uses = of_anybody(context, document, conditions, path)
    segment = Segment(name, frozenset(uses.events), bool(uses.traits), asks.segments, uses.learnt)
    return Made(document, segment, code, asks)


def _in_order(
    context: Context, name: str, made: dict[str, Made], ordered: list[Made], above: tuple[str, ...]
) -> None:
    one = made[name]
    if name in above:
        circle = " -> ".join((*above[above.index(name) :], name))
        context.say(one.document, ("if",), f"segments ask for each other in a circle: {circle}")
        return
    if one in ordered:
        return
    for other in sorted(one.segment.segments & set(made)):
        _in_order(context, other, made, ordered, (*above, name))
    if one not in ordered:
        ordered.append(one)
