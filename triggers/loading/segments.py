"""Segments, in an order in which those that others ask for come first."""

from typing import NamedTuple

from triggers.calendars import SIGN
from triggers.code import Code
from triggers.definitions import Segment
from triggers.loading.conditions import all_of
from triggers.loading.context import Context
from triggers.schema import SegmentFile
from triggers.yaml import Document


class Made(NamedTuple):
    """A segment and its condition's code."""

    document: Document
    segment: Segment
    code: Code


def segments(context: Context, found: list[tuple[Document, SegmentFile]]) -> list[Made]:
    """Compile segments; one that asks for itself, over whatever way, is a problem."""
    made = {file.segment: _made(context, document, file) for document, file in found}
    ordered: list[Made] = []
    for name in sorted(made):
        _in_order(context, name, made, ordered, ())
    return ordered


def _made(context: Context, document: Document, file: SegmentFile) -> Made:
    if file.segment.startswith(SIGN):
        context.say(document, ("segment",), f"a segment's name does not begin with {SIGN}")
    scope = context.scope(has_event=False)
    code = all_of(context, document, file.if_, ("if",), scope)
    uses = scope.uses
    segment = Segment(
        file.segment, frozenset(uses.events), bool(uses.traits), frozenset(uses.segments)
    )
    return Made(document, segment, code)


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
