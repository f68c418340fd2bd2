"""Triggers: what starts a run, what ends it, and how it may send."""

from typing import NamedTuple

from events.names import slug
from kairos.durations import duration
from profile_state.cells import Slot, share
from triggers import rules
from triggers.definitions import Cap, Quiet, Reentry, SendStep, Trigger
from triggers.loading.conditions import all_of
from triggers.loading.context import Context
from triggers.loading.sends import send_step
from triggers.loading.sequences import Written, sequence_of, slugs, written_steps
from triggers.schema import LATER, Deliver, Names, TriggerFile, When
from triggers.yaml import Document

ONCE, ALWAYS = Reentry(1, None), Reentry(None, None)
GOES_WITH = {  # what may stand beside which occurrence
    "where": ("event", "sequence", "absence"),
    "then_no": ("event",),
    "within": ("event", "sequence"),
    "without": ("sequence",),
}


class Made(NamedTuple):
    """A trigger, with its conditions as source."""

    trigger: Trigger
    where: str
    guard: str
    sieve: str  # what both of them ask of the entering event alone


def triggers(context: Context, found: list[tuple[Document, TriggerFile]]) -> list[Made]:
    """Compile triggers."""
    return [_made(context, nth, document, file) for nth, (document, file) in enumerate(found)]


def _made(context: Context, nth: int, document: Document, file: TriggerFile) -> Made:
    scope = context.scope(has_event=True)
    where = all_of(context, document, file.when.where, ("when", "where"), scope)
    guard = all_of(context, document, file.if_, ("if",), scope)
    trigger = _trigger(context, nth, document, file, scope.uses.properties)
    return Made(trigger, where.value, guard.value, f"{where.sieve} and {guard.sieve}")


def _trigger(
    context: Context, nth: int, document: Document, file: TriggerFile, asked: set[str]
) -> Trigger:
    """Build a trigger whose conditions ask for these properties of the entering event."""
    in_order = written_steps(context, document, file.when)
    events, then_no, absence = _occurrence(context, document, file, in_order)
    key = slug(file.key) if file.key else None
    exits = _exits(context, document, file.exit_when)
    deliver = file.deliver
    steps = tuple(
        send_step(context, document, ("do", n, "send"), step.send, deliver)
        for n, step in enumerate(file.do)
    )
    if not steps:
        context.say(document, ("do",), "a trigger without a step does nothing; add a `send`")
    return Trigger(
        nth=nth,
        name=file.trigger,
        status=file.status,
        events=events,
        sequence=sequence_of(context, document, file.when, in_order, _read(steps, key, asked)),
        segment=_edge(context, document, file.when.segment),
        absence=absence,
        then_no=then_no,
        exits=exits,
        ends=tuple(_ending_slot(context, event, key) for event in (*then_no, *exits)),
        key=key,
        restart=file.while_active == "restart",
        reentry=_reentry(context, document, file, steps),
        steps=steps,
        priority=deliver.priority,
        caps=_caps(context, document, deliver),
        quiet=_quiet(context, document, deliver),
        quiet_set=deliver.quiet_hours is not None,
        valid_for=context.rule(duration, deliver.valid_for, document, ("deliver", "valid_for")),
        until_end_of_day=deliver.by == "end_of_day",
        recheck=deliver.recheck,
        on_quiet=deliver.on_quiet,
        on_cap=deliver.on_cap,
    )


def _occurrence(
    context: Context, document: Document, file: TriggerFile, in_order: tuple[Written, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], int | None]:
    """Return the entering events, those whose absence is waited for, and how long (ms)."""
    when = file.when
    names = ("event", "sequence", "absence", "segment")
    forms = [name for name in names if getattr(when, name)]
    if len(forms) != 1:
        found = " and ".join(forms) or "none"
        message = f"one of event, sequence, absence or segment was expected, found {found}"
        context.say(document, ("when",), message)
        return (), (), None
    _companions(context, document, when, forms[0])
    if when.sequence:
        return tuple(dict.fromkeys(step.event for step in in_order)), (), None
    if when.absence is not None:
        wait = context.rule(duration, when.absence.for_, document, ("when", "absence", "for"))
        return slugs(when.absence.after), slugs(when.absence.of), wait or 0
    if when.event is not None and (when.then_no is None) != (when.within is None):
        context.say(document, ("when",), "`then_no: EVENT` and `within: 30m` belong together")
    if when.event is None or when.then_no is None:
        return slugs(when.event or []), (), None
    wait = context.rule(duration, when.within, document, ("when", "within"))
    return slugs(when.event), slugs(when.then_no), wait or 0


def _companions(context: Context, document: Document, when: When, form: str) -> None:
    for word, forms in GOES_WITH.items():
        if getattr(when, word) and form not in forms:
            message = f"`{word}` goes with {' or '.join(forms)}, not with {form}"
            context.say(document, ("when", word, ""), message)


def _read(steps: tuple[SendStep, ...], key: str | None, asked: set[str]) -> frozenset[str] | None:
    """Return the properties of the entering event that a trigger reads, None for all."""
    facts: set[str] = set()
    for step in steps:
        if step.event_facts is None:
            return None
        facts.update(step.event_facts)
    return frozenset(facts | asked | ({key} if key is not None else set()))


def _exits(context: Context, document: Document, written: Names) -> tuple[str, ...]:
    for nth, word in enumerate([written] if isinstance(written, str) else written):
        if word in LATER or any(sign in word for sign in "<>=("):
            message = f"{word!r}: this release takes events here, such as order_completed"
            context.say(document, ("exit_when", nth), message)
    return slugs(written)


def _edge(context: Context, document: Document, text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    edge, _, name = text.partition(" ")
    path = ("when", "segment")
    if edge not in ("entered", "exited") or not name:
        context.say(document, path, f"`entered NAME` or `exited NAME` was expected, found {text!r}")
        return None
    context.known_segment(document, path, name)
    return edge, name


def _ending_slot(context: Context, event: str, key: str | None) -> str:
    """Ask for the cell that says when an ending event last happened, for each key."""
    words = f"newest {event}" + (f" by {key}" if key else "")
    return share(context.slots, Slot(words, "newest", event, (), "", key, None, 1))


def _reentry(
    context: Context, document: Document, file: TriggerFile, steps: tuple[SendStep, ...]
) -> Reentry:
    if file.reentry is not None:
        return context.rule(rules.reentry, file.reentry, document, ("reentry",)) or ONCE
    transactional = bool(steps) and all(step.purpose == "transactional" for step in steps)
    return ALWAYS if transactional else ONCE


def _caps(context: Context, document: Document, deliver: Deliver) -> dict[str, Cap]:
    caps = {}
    for channel, text in deliver.caps.items():
        path = ("deliver", "caps", channel)
        context.known_channel(document, path, channel)
        found = context.rule(rules.cap, text, document, path)
        if found is not None:
            caps[channel] = found
    return caps


def _quiet(context: Context, document: Document, deliver: Deliver) -> Quiet | None:
    if deliver.quiet_hours == "off":
        return None
    return context.rule(rules.quiet, deliver.quiet_hours, document, ("deliver", "quiet_hours"))
