"""Sequences: the steps of `when: {sequence: ..}`, and the slots that remember their events."""

import re
from typing import NamedTuple

from events.names import slug
from kairos.durations import duration
from profile_state.cells import Slot
from triggers.loading.context import Context
from triggers.schema import Names, When
from triggers.sequences import AHEAD, LATE, Sequence, Step
from triggers.words import nearest
from triggers.yaml import Document

KEEP = 100  # events of a name that sequences look back over, for each leaf

_STEP = re.compile(r"(\S+)(?:\s+same\s+(\S+))?")


class Written(NamedTuple):
    """A step as it is written: `product_viewed same product_id`."""

    event: str  # slug
    same: str | None  # slug of a property


def written_steps(context: Context, document: Document, when: When) -> tuple[Written, ...]:
    """Read the steps, and say what is wrong with them."""
    steps = []
    for nth, text in enumerate(when.sequence):
        step = _written(context, document, nth, text)
        if step is not None:
            steps.append(step)
    path = ("when", "sequence")
    if when.sequence and len(when.sequence) < 2:
        message = "a sequence has two steps at least; for one event write `event`"
        context.say(document, path, message)
    if when.sequence and when.within is None:
        message = "a sequence needs `within: 10m`: how long it may take from first to last step"
        context.say(document, path, message)
    between = {step.event for step in steps[1:-1]}
    for event in slugs(when.without):
        if event in between:
            message = f"{event!r} is a step in the middle, so without it nothing is complete"
            context.say(document, ("when", "without"), message)
    return tuple(steps)


def _written(context: Context, document: Document, nth: int, text: str) -> Written | None:
    path = ("when", "sequence", nth)
    found = _STEP.fullmatch(text.strip())
    if found is None:
        words = text.split()
        hint = nearest(words[1], ["same"]) if len(words) > 2 else ""
        context.say(
            document,
            path,
            f"`EVENT` or `EVENT same PROPERTY` was expected, found {text!r}.{hint} "
            f"An event of several words is written with _, such as {slug(text)}",
        )
        return None
    event, same = found.groups()
    if same is not None and nth == 0:
        message = f"no step comes before this one whose {same} could be the same"
        context.say(document, path, message, text.index(" same ") + 1)
    return Written(slug(event), slug(same) if same is not None else None)


def sequence_of(
    context: Context,
    document: Document,
    when: When,
    steps: tuple[Written, ...],
    read: frozenset[str] | None,
) -> Sequence | None:
    """Ask for the slots of a sequence; None where the trigger has none.

    Args:
        context: of the workspace.
        document: of the trigger.
        when: of the trigger.
        steps: as `written_steps` gave them.
        read: the properties of the last step's event that the trigger reads, None for all. They
            are remembered with it, since it may be complete only when an earlier step arrives.
    """
    if not steps:
        return None
    within = context.rule(duration, when.within, document, ("when", "within")) or 0
    fields = frozenset(step.same for step in steps if step.same is not None)
    last = None if read is None else read | fields
    cells = [_slot(context, step.event, fields, within) for step in steps[:-1]]
    cells.append(_last_slot(context, steps[-1].event, last, within))
    return Sequence(
        steps=tuple(
            Step(cell, step.same, _open(steps, nth))
            for nth, (cell, step) in enumerate(zip(cells, steps, strict=True))
        ),
        without=tuple(_slot(context, event, frozenset(), within) for event in slugs(when.without)),
        within=within,
        plain=not fields,
    )


def _open(steps: tuple[Written, ...], nth: int) -> tuple[str, ...]:
    """Return the properties for which only later steps say `same`."""
    before = {step.same for step in steps[: nth + 1]}
    later = {step.same for step in steps[nth + 1 :] if step.same is not None}
    return tuple(sorted(later - before))


def _slot(context: Context, event: str, fields: frozenset[str], within: int) -> str:
    """Ask for the events of a name; all sequences share them, with all that any compares."""
    kept = tuple(sorted(fields))
    wanted = Slot(f"events {event}", "events", event, kept, "", None, within + LATE, KEEP)
    return context.slots.ask(wanted, reach=wanted.window)


def _last_slot(context: Context, event: str, fields: frozenset[str] | None, within: int) -> str:
    """Ask for the last steps of a name, with all that is read of them; no more are ever looked at."""
    kept = None if fields is None else tuple(sorted(fields))
    wanted = Slot(f"events {event} last", "events", event, kept, "", None, within + LATE, AHEAD)
    return context.slots.ask(wanted, reach=wanted.window)


def slugs(names: Names | None) -> tuple[str, ...]:
    """Return one or several names as slugs."""
    return tuple(slug(name) for name in ([names] if isinstance(names, str) else names or ()))
