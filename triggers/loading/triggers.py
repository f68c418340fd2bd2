"""Triggers: what starts a run, what ends it, and how it may send."""

import hashlib
import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from events.names import slug
from events.record import STARTS
from kairos.durations import duration
from profile_state.cells import Slot
from triggers import ast, rules
from triggers.awaited import NOTHING, Awaited
from triggers.catalog import ITEM_ID
from triggers.code import Code, any_of, compiled, every
from triggers.definitions import PARALLEL, Quiet, Reentry, SendStep, Trigger
from triggers.goals import Goal
from triggers.habits import KEPT, Usual
from triggers.loading import occurrences
from triggers.loading.awaiting import Key, awaiting, both, of_events
from triggers.loading.building import Building, Place
from triggers.loading.caps import caps
from triggers.loading.conditions import all_of, condition
from triggers.loading.context import Context
from triggers.loading.sequences import Written, sequence_of, slugs, written_steps
from triggers.schema import Deliver, TriggerFile, When
from triggers.slots import Asks
from triggers.templates import choices
from triggers.words import nearest
from triggers.yaml import Document, Path

_EVENT = re.compile(r"(any )?[\w-]+")
ONCE, ALWAYS = Reentry(1, None), Reentry(None, None)
GOES_WITH = {  # what may stand beside which occurrence
    "where": ("event", "sequence", "absence", "api"),
    "then_no": ("event",),
    "within": ("event", "sequence"),
    "without": ("sequence",),
    "from_": ("changed",),
    "to": ("changed",),
    "in_": ("at",),
    "include": ("segment", "crosses"),
    "seen": ("item",),
    "last": ("item",),
}
FORMS = (
    "event",
    "sequence",
    "absence",
    "segment",
    "changed",
    "crosses",
    "every",
    "date",
    "at",
    "item",
    "api",
)
WITHOUT_PROPERTIES = ("segment", "crosses", "every", "date", "at")
UNDECIDING = frozenset({"status", "description", "owner", "migrate", "tests"})  # keys of no version
BY_CALENDAR = Reentry(1, 3_600_000)  # once per occurrence, also where people are joined meanwhile


class Made(NamedTuple):
    """A trigger, with its conditions as source."""

    trigger: Trigger
    where: str
    guard: str
    sieve: str  # what both of them ask of the entering event alone
    leaves: Code | None  # the conditions of `exit_when`
    tests: dict[str, str]  # those of steps, by name
    calls: list[tuple[str, Path]]  # triggers that its steps start
    asks: Asks


def triggers(
    context: Context,
    found: list[tuple[Document, TriggerFile]],
    first: int = 0,
    others: Collection[str] = (),
) -> list[Made]:
    """Compile triggers.

    Args:
        context: of the workspace.
        found: their files.
        first: the number of the first.
        others: names of triggers beside these.
    """
    made = []
    for nth, (document, file) in enumerate(found, first):
        with context.slots.noted() as needs:
            one = _made(context, nth, document, file)
        made.append(one._replace(asks=one.asks._replace(needs=tuple(needs))))
    names = {*others, *(one.trigger.name for one in made)}
    for one, (document, _) in zip(made, found, strict=True):
        for name, path in one.calls:
            if name not in names:
                known = ", ".join(sorted(names))
                message = f"unknown trigger {name!r}.{nearest(name, names)} Known: {known}"
                context.say(document, path, message)
    return made


def _made(context: Context, nth: int, document: Document, file: TriggerFile) -> Made:
    scope = context.scope(has_event=True, has_item=file.when.item is not None)
    in_order = written_steps(context, document, file.when)
    events, then_no, absence = _occurrence(context, document, file, in_order)
    where = all_of(context, document, file.when.where, ("when", "where"), scope)
    asked = scope if absence is None else scope.of_run()
    guard = all_of(context, document, file.if_, ("if",), asked)
    if file.when.in_ is not None and file.when.in_ in context.segments:
        guard = every(
            [guard, compiled(ast.Call("in_segment", (ast.Source(file.when.in_),)), asked)]
        )
    item = occurrences.item(context, document, file.when)
    key = _key(context, document, file)
    deliver = file.deliver
    building = Building(
        context,
        document,
        nth,
        deliver,
        scope.of_run(),
        key,
        events,
        has_goal=file.goal is not None,
    )
    first = building.block(file.do, Place("", "", ("do",)))
    if not first:
        context.say(document, ("do",), "a trigger without a step does nothing; add a `send`")
    only_transactional = all(send.purpose == "transactional" for send in building.sends)
    if file.holdout and only_transactional and not building.told:
        context.say(document, ("holdout",), "transactional sends are never held out")
    goal = _goal(context, document, file, events, key)
    ends, leaves = _exits(context, document, file, then_no, building, goal)
    trigger = Trigger(
        nth=nth,
        name=file.trigger,
        version=_version(document),
        workspace="",
        files=_files(context, document, building.sends),
        migrate=file.migrate == "live",
        since=0,
        status=file.status,
        events=events,
        sequence=sequence_of(context, document, file.when, in_order, _read(building)),
        segment=occurrences.edge(context, document, file),
        include=file.when.include,
        changed=occurrences.changed(context, document, file.when),
        calendar=occurrences.calendar(context, document, file.when),
        item=item,
        absence=absence,
        then_no=then_no,
        ends=ends,
        behind=not set(events).isdisjoint(then_no),
        leaves=leaves is not None,
        key=key.by,
        while_active=file.while_active,
        reentry=_reentry(context, document, file, building.sends),
        goal=goal,
        holdout=context.rule(rules.share, file.holdout, document, ("holdout",)) or 0.0,
        program=building.program,
        first=first,
        priority=deliver.priority,
        caps=caps(
            context, document, ("deliver", "caps"), deliver.caps, "channel", context.addresses
        ),
        quiet=_quiet(context, document, deliver),
        quiet_set=deliver.quiet_hours is not None,
        best_time=_best_time(context, document, deliver),
        valid_for=context.rule(duration, deliver.valid_for, document, ("deliver", "valid_for")),
        until_end_of_day=deliver.by == "end_of_day",
        recheck=deliver.recheck,
        on_quiet=deliver.on_quiet,
        on_cap=deliver.on_cap,
        on_error=deliver.on_error,
    )
    edge = () if trigger.segment is None else (trigger.segment[1],)
    return Made(
        trigger=trigger,
        where=where.value,
        guard=guard.value,
        sieve=f"{where.sieve} and {guard.sieve}",
        leaves=leaves,
        tests=building.tests,
        calls=building.calls,
        asks=Asks((), frozenset((*scope.uses.segments, *edge))),
    )


def _key(context: Context, document: Document, file: TriggerFile) -> Key:
    strict = file.key_match == "strict"
    if strict and not file.key:
        message = "without `key: PROPERTY` there is nothing that an event would have to carry"
        context.say(document, ("key_match",), message)
    if file.key:
        return Key(slug(file.key), strict)
    return Key(ITEM_ID if file.when.item is not None else None, strict)  # each item is apart


def _version(document: Document) -> str:
    """Name a trigger's version by all that decides; `status` is always that of the latest.

    By what is written and not by what it is read into: a release that knows more words has more
    defaults, and runs that began under the one before would be on a version that nobody has.
    """
    said = {key: value for key, value in document.content.items() if key not in UNDECIDING}
    content = msgspec.msgpack.encode(said, order="sorted")
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def _files(context: Context, document: Document, sends: list[SendStep]) -> tuple[str, ...]:
    """Return the paths of a trigger's own file and of the templates of its sends."""
    templates = {
        path
        for send in sends
        for channel in send.channels
        if send.template is not None
        for path in choices(send.template, channel, context.files)
    }
    return (document.file, *sorted(templates))


def _occurrence(
    context: Context, document: Document, file: TriggerFile, in_order: tuple[Written, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], int | Usual | None]:
    """Return the entering events, those whose absence is waited for, and how long (ms)."""
    when = file.when
    forms = [name for name in FORMS if getattr(when, name)]
    if len(forms) != 1:
        found = " and ".join(forms) or "none"
        message = f"one of {', '.join(FORMS)} was expected, found {found}"
        context.say(document, ("when",), message)
        return (), (), None
    _companions(context, document, when, forms[0])
    if file.key is not None and forms[0] in WITHOUT_PROPERTIES:
        message = (
            f"no event comes with `{forms[0]}`, so nothing carries {file.key!r}; take `key` out"
        )
        context.say(document, ("key",), message)
    if when.sequence:
        return tuple(dict.fromkeys(step.event for step in in_order)), (), None
    if when.absence is not None:
        return slugs(when.absence.after), slugs(when.absence.of), _wait(context, document, file)
    if when.api:
        return (STARTS + file.trigger,), (), None
    if when.event is not None and (when.then_no is None) != (when.within is None):
        context.say(document, ("when",), "`then_no: EVENT` and `within: 30m` belong together")
    if when.event is None or when.then_no is None:
        return slugs(when.event or []), (), None
    wait = context.rule(duration, when.within, document, ("when", "within"))
    return slugs(when.event), slugs(when.then_no), wait or 0


def _wait(context: Context, document: Document, file: TriggerFile) -> int | Usual:
    """Return how long an absence is waited for: so long, or as this person usually takes."""
    absence = file.when.absence
    assert absence is not None
    path = ("when", "absence", "for")
    if isinstance(absence.for_, str):
        return context.rule(duration, absence.for_, document, path) or 0
    usual, by = absence.for_, slug(file.key) if file.key else None
    least = context.rule(duration, usual.min, document, (*path, "min")) or 0
    most = context.rule(duration, usual.max, document, (*path, "max")) or 0
    if not 0 < usual.usual < 1:
        message = f"a share between 0 and 1, such as 0.9, was expected, found {usual.usual:g}"
        context.say(document, (*path, "usual"), message)
    if least > most:
        context.say(document, (*path, "max"), f"{usual.max} is shorter than `min: {usual.min}`")
    cells = []
    for event in slugs(absence.after):
        words = f"times {event}" + (f" by {by}" if by else "")
        slot = Slot(words, "times", event, (), "", by, None, KEPT)
        cells.append(context.slots.ask(slot, reach=None))
    return Usual(usual.usual, least, most, tuple(cells), by is not None)


def _companions(context: Context, document: Document, when: When, form: str) -> None:
    for word, forms in GOES_WITH.items():
        written = word.rstrip("_")
        if getattr(when, word) and form not in forms:
            message = f"`{written}` goes with {' or '.join(forms)}, not with {form}"
            context.say(document, ("when", written, ""), message)


def _read(building: Building) -> frozenset[str] | None:
    """Return the properties of the entering event that a trigger reads, None for all."""
    facts: set[str] = set()
    for send in (*building.sends, *building.told):
        if send.event_facts is None:
            return None
        facts.update(send.event_facts)
    key = {building.key.by} if building.key.by is not None else set()
    return frozenset(facts | building.scope.uses.properties | key)


def _goal(
    context: Context,
    document: Document,
    file: TriggerFile,
    events: tuple[str, ...],
    key: Key,
) -> Goal | None:
    if file.goal is None:
        return None
    within = context.rule(duration, file.goal.within, document, ("goal", "within")) or 0
    names = [file.goal.event] if isinstance(file.goal.event, str) else file.goal.event
    try:
        awaited = awaiting(context, names, key, ())
    except ValueError as error:
        context.say(document, ("goal", "event"), str(error))
        return None
    return Goal(awaited, within, behind=not set(events).isdisjoint(awaited.events))


def _exits(
    context: Context,
    document: Document,
    file: TriggerFile,
    then_no: tuple[str, ...],
    building: Building,
    goal: Goal | None,
) -> tuple[Awaited, Code | None]:
    """Return the events and the conditions that end a run; a lone word is an event."""
    written = file.exit_when if isinstance(file.exit_when, list) else [file.exit_when]
    key, channels = building.key, {c for send in building.sends for c in send.channels}
    ends = of_events(context, then_no, key) if then_no else NOTHING
    conditions: list[Code] = []
    for nth, one in enumerate(written):
        path = ("exit_when", nth)
        if one == "goal":
            if goal is None:
                context.say(document, path, "there is no `goal: {event: .., within: ..}` to reach")
            else:
                ends = both(ends, goal.awaited)
        elif isinstance(one, str) and _EVENT.fullmatch(one.strip()):
            try:
                ends = both(ends, awaiting(context, [one], key, channels))
            except ValueError as error:
                context.say(document, path, str(error))
        else:
            conditions.append(condition(context, document, one, path, building.scope))
    return ends, any_of(conditions) if conditions else None


def _reentry(
    context: Context, document: Document, file: TriggerFile, sends: list[SendStep]
) -> Reentry:
    rule = _rule(context, document, file, sends)
    if rule == ONCE and file.while_active == PARALLEL:
        path = ("while_active",) if file.reentry is None else ("reentry",)
        message = (
            "with `reentry: once` no second run ever goes beside the first; `while_active: parallel` "
            "goes with `always`, `cooldown 7d` or `max 3 per 30d`"
        )
        context.say(document, path, message)
    return rule


def _rule(
    context: Context, document: Document, file: TriggerFile, sends: list[SendStep]
) -> Reentry:
    if file.reentry is not None:
        return context.rule(rules.reentry, file.reentry, document, ("reentry",)) or ONCE
    if file.when.every or file.when.date or file.when.at or file.when.item:
        return BY_CALENDAR
    transactional = bool(sends) and all(send.purpose == "transactional" for send in sends)
    return ALWAYS if transactional else ONCE


def _best_time(context: Context, document: Document, deliver: Deliver) -> int | None:
    found = context.rule(rules.within, deliver.best_time, document, ("deliver", "best_time"))
    if found is not None:
        context.remember_opens()
    return found


def _quiet(context: Context, document: Document, deliver: Deliver) -> Quiet | None:
    if deliver.quiet_hours == "off":
        return None
    return context.rule(rules.quiet, deliver.quiet_hours, document, ("deliver", "quiet_hours"))
