"""Load a workspace: files in, a compiled workspace out, or every problem found in it.

Pure: the same files give the same workspace, wherever they come from. So a version record
carries files, and reading an old log compiles what was compiled then.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import msgspec

from profile_state.fold import Folding
from profile_state.history import WHOLE, History
from profile_state.identity import DEFAULT_LIMITS
from profile_state.leaf import NEVER
from triggers import generate, rules
from triggers.best_time import SEND_TIME
from triggers.definitions import Cap, Ranked, Seeing, Trigger, Workspace
from triggers.loading.cases import cases
from triggers.loading.conditions import FALSE
from triggers.loading.context import Context
from triggers.loading.formers import apart, formers
from triggers.loading.links import link_rules
from triggers.loading.models import models, ranked, seen
from triggers.loading.offers import offers
from triggers.loading.seeds import seeds
from triggers.loading.segments import segments
from triggers.loading.templates import strangers
from triggers.loading.triggers import Made, triggers
from triggers.loading.unknown import Unknown
from triggers.loading.webhooks import webhooks
from triggers.loading.workspace import (
    channel_caps,
    excluded,
    forget_after,
    unread_files,
    workspace_file,
)
from triggers.problems import WorkspaceError
from triggers.schema import SegmentFile, TriggerFile
from triggers.signs import CROSSING

JOINING = frozenset({"user_id", "anonymous_id", "email", "phone"})  # unless `merge: false`


def hash_of(files: Mapping[str, str]) -> str:
    """Name a version of a workspace by its content.

    >>> len(hash_of({"workspace.yaml": "workspace: shop"}))
    16
    """
    content = msgspec.msgpack.encode(sorted(files.items()))
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def load(
    files: Mapping[str, str],
    addresses: Mapping[str, str | None],
    paused: Collection[tuple[str, str]] = (),
    history: History = WHOLE,
    *,
    new: bool = True,
) -> Workspace:
    """Check and compile a workspace.

    Args:
        files: path below the workspace folder -> text: `workspace.yaml`, `segments/*.yaml`,
            `triggers/*.yaml`, `templates/*.liquid`; and former triggers that runs are on, see
            `triggers.loading.formers`.
        addresses: channel -> the kind of address that it sends to ("email", "phone"), None for
            channels that need none.
        paused: versions of triggers that failed too often: as if their files said `status: paused`,
            and nobody is asked whether they enter.
        history: what is known of the past.
        new: whether it is still to come into force. What an earlier release let in goes on, though
            this one would tell whoever writes it of more.

    Raises:
        WorkspaceError: with every problem found, each with file, line and column.

    >>> load({"workspace.yaml": "workspace: shop"}, {}).name
    'shop'
    """
    contents, kinds = tuple(sorted(files.items())), tuple(sorted(addresses.items()))
    return _load(contents, kinds, frozenset(paused), history.settled, new)


def forgetting(files: Mapping[str, str]) -> int:
    """Return after how many ms a workspace lets go of a visitor; NEVER where it cannot be read.

    >>> forgetting({"workspace.yaml": "workspace: shop"}) < forgetting({}) == NEVER
    True
    """
    context = Context(apart(files)[0], {})
    try:
        return forget_after(context, *workspace_file(context))
    except WorkspaceError:
        return NEVER


def pools(files: Mapping[str, str]) -> dict[str, int]:
    r"""Return a workspace's voucher pools, each with how many codes left are few.

    Raises:
        WorkspaceError: its `workspace.yaml` cannot be read.

    >>> pools({"workspace.yaml": "workspace: shop\nvouchers: {summer: {low: 100}}"})
    {'summer': 100}
    """
    context = Context(apart(files)[0], {})
    workspace_file(context)
    return context.vouchers


@lru_cache(maxsize=4)  # an engine that recovers asks for the version in force again and again
def _load(
    contents: tuple[tuple[str, str], ...],
    kinds: tuple[tuple[str, str | None], ...],
    paused: frozenset[tuple[str, str]],
    history: History,
    new: bool,
) -> Workspace:
    (files, former), addresses = apart(dict(contents)), dict(kinds)
    context = Context(files, addresses, new=new)
    document, workspace = workspace_file(context)
    segment_files = context.read_folder("segments/", SegmentFile, "segment")
    trigger_files = context.read_folder("triggers/", TriggerFile, "trigger")
    webhooks(context)
    unread_files(context, workspace)
    link_rules(context, document, workspace)  # workers go by these two; here they are checked
    seeds(context, document, workspace)
    models(context, document, workspace)
    context.segments = {file.segment for _, file in segment_files}
    members = segments(context, segment_files, trigger_files)
    excludes = excluded(context, document, workspace)
    offered = offers(context, document, workspace)
    made = triggers(context, trigger_files)
    ranking = ranked(context, document)
    seeing = seen(context, document)
    if new:
        strangers(context)
    tested = cases(context, trigger_files, [one.trigger for one in made])
    quiet = context.rule(rules.quiet, workspace.quiet_hours, document, ("quiet_hours",))
    caps = channel_caps(context, document, workspace)
    forget_after_ms = forget_after(context, document, workspace)
    if context.problems:
        raise WorkspaceError(context.problems)

    version = hash_of(files)
    if paused:
        made = [_as_paused(one) if _key(one) in paused else one for one in made]
        unasked = {CROSSING + name for name, _ in paused}
        members = [m._replace(code=FALSE) if m.segment.name in unasked else m for m in members]
    gone = formers(context, former, made)
    history = history.of(context.slots.by_key)
    unknown = Unknown(history)
    members = [unknown.member(one) for one in members]
    made = [unknown.trigger(one) for one in made]
    held = frozenset(p for p, (_, asks) in excludes.items() if unknown.concerns(asks))
    all_triggers = tuple(one.trigger for one in made)
    for key, apart_as in history.apart.items():
        slot = context.slots.by_key[key]
        context.slots.by_key[apart_as] = slot._replace(key=apart_as)
    running = (*all_triggers, *(one.trigger for one in gone))
    limits = {
        **DEFAULT_LIMITS,
        **{k: limit.max for k, limit in workspace.identity.items() if limit.max is not None},
    }
    source = generate.Source()
    source.constant("LIMITS", repr(limits))
    source.constant("OFFERS", repr(tuple(one.offer.name for one in offered)))
    for nth, member in enumerate(members):
        body = generate.member_body(member.code.value, member.code.horizons)
        source.function(f"segment_{nth}", "p, now", body)
    for nth, (code, _) in enumerate(excludes.values()):
        source.function(f"excluded_{nth}", "p, now", generate.guard_body(code.value))
    for nth, one_offer in enumerate(offered):
        eligible = FALSE if unknown.concerns(one_offer.asks) else one_offer.code
        source.function(f"offer_{nth}", "p, now", generate.guard_body(eligible.value))
    for nth, (code, _) in enumerate(ranking.values()):
        source.function(f"ranked_{nth}", "p, now", generate.value_body(code.value, code.horizons))
    for nth, one_model in enumerate(seeing.values()):
        source.function(f"seen_{nth}", "p, now", [*generate.PERSON, f"return {one_model.look}"])
        if one_model.label:
            source.function(f"label_{nth}", "p, now", generate.guard_body(one_model.label))
    folded = _fold_functions(context, source)
    entering, alone = _entering_functions(made, source)
    for one in (*made, *gone):
        nth = one.trigger.nth
        source.function(f"if_{nth}", "p, e, now, run", generate.guard_body(one.guard))
        if one.leaves is not None:
            body = generate.member_body(one.leaves.value, one.leaves.horizons)
            source.function(f"leaves_{nth}", "p, e, now, run", body)
        for name, condition in one.tests.items():
            source.function(name, "p, e, now, run", generate.guard_body(condition))
    functions = source.compiled(version)
    return Workspace(
        hash=version,
        name=workspace.workspace,
        timezone=workspace.timezone,
        quiet=quiet,
        purposes=context.purposes,
        channel_caps=caps,
        addresses=dict(addresses),
        limits=limits,
        forget_after=forget_after_ms,
        merging=JOINING - {kind for kind, limit in workspace.identity.items() if not limit.merge},
        triggers=all_triggers,
        segments=tuple(member.segment for member in members),
        slots=context.slots.by_key,
        apart=frozenset(history.apart.values()),
        fold={
            event: Folding(functions[f"fold_{nth}"], functions[f"differ_{nth}"])
            for event, nth in folded.items()
        },
        entering={event: functions[name] for event, name in entering.items()},
        alone={
            event: tuple((nth, functions[f"alone_{nth}"]) for nth in nths)
            for event, nths in alone.items()
        },
        guards=tuple(functions[f"if_{t.nth}"] for t in running),
        members={m.segment.name: functions[f"segment_{nth}"] for nth, m in enumerate(members)},
        version=hash_of(dict(contents)) + unknown.mark(held),
        named={t.name: t for t in all_triggers},
        formers={(one.trigger.name, one.trigger.version): one.trigger for one in gone},
        on_edges=tuple(t for t in all_triggers if t.segment is not None),
        including=tuple(t for t in all_triggers if t.include is not None),
        calendars=tuple(t for t in all_triggers if t.calendar is not None),
        calendar_traits=_calendar_traits(all_triggers),
        on_items=tuple(t for t in all_triggers if t.item is not None),
        seeing=_seeing(all_triggers),
        changing=_changing(all_triggers),
        watched=_calendar_traits(all_triggers) | _changing(all_triggers).keys(),
        ending=_ending(running),
        around=tuple(sorted(context.around)),
        opening=_opening(context),
        opens=context.opens,
        aims=_aims(all_triggers),
        bandits=tuple(
            bandit
            for t in all_triggers
            for step in t.program.values()
            if (bandit := step.bandit(t)) is not None
        ),
        lifted=tuple(t.name for t in all_triggers if t.goal is not None and t.holdout),
        waking=frozenset(w for t in running for s in t.program.values() for w in s.wakes),
        excluded={purpose: functions[f"excluded_{nth}"] for nth, purpose in enumerate(excludes)},
        leaving={t.nth: functions[f"leaves_{t.nth}"] for t in running if t.leaves},
        tests={name: functions[name] for one in (*made, *gone) for name in one.tests},
        ranked={
            score: Ranked(functions[f"ranked_{nth}"], events)
            for nth, (score, (_, events)) in enumerate(ranking.items())
        },
        models=context.models,
        scored=context.scored,
        seen={
            model: Seeing(
                functions[f"seen_{nth}"], one.slots, one.mark, functions.get(f"label_{nth}")
            )
            for nth, (model, one) in enumerate(seeing.items())
        },
        bands=context.bands,
        cases=tested,
        catalog=workspace.catalog,
        offers={one.offer.name: one.offer for one in offered},
        eligible={one.offer.name: functions[f"offer_{n}"] for n, one in enumerate(offered)},
        longest_cap=_longest_cap(running, caps),
        unknown=held,
        warms_at=unknown.turn,
        source=source.text(),
    )


def _opening(context: Context) -> frozenset[str]:
    """Return the events that are counted by their hours; nobody counts them where a model does."""
    if SEND_TIME in context.models:
        return frozenset()
    return frozenset(context.slots.by_key[cell].event for cell in context.opens)


def _numbered(prefix: str, events: Iterable[str]) -> dict[str, str]:
    """Name one function an event; a slug need not be a Python name."""
    return {event: f"{prefix}_{nth}" for nth, event in enumerate(sorted(set(events)))}


def _fold_functions(context: Context, source: generate.Source) -> dict[str, int]:
    """Write for each event how it is folded in, and what is different then; return their numbers."""
    events = sorted({slot.event for slot in context.slots.by_key.values()})
    for nth, event in enumerate(events):
        slots = [slot for slot in context.slots.by_key.values() if slot.event == event]
        source.function(f"fold_{nth}", "c, event, now", generate.fold_body(slots))
        source.function(f"differ_{nth}", "c, since, found", generate.differ_body(slots))
    return {event: nth for nth, event in enumerate(events)}


def _key(one: Made) -> tuple[str, str]:
    return one.trigger.name, one.trigger.version


def _as_paused(one: Made) -> Made:
    """Pause a trigger that failed too often: its conditions are not even asked who enters."""
    trigger = msgspec.structs.replace(one.trigger, status="paused")
    return one._replace(trigger=trigger, where=FALSE.value, sieve=FALSE.value)


def _entering_functions(
    made: list[Made], source: generate.Source
) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Write for each event who enters; an absence asks its `if` later, when its time is up.

    Returns:
        The function of each event; and the triggers for which it asks, in their order. Each of
        these has a function of its own too, for when one of them raises.
    """
    for one in made:
        if one.trigger.sequence is not None:
            source.constant(generate.sequence_name(one.trigger.nth), repr(one.trigger.sequence))
            source.function(f"sieve_{one.trigger.nth}", "e", [f"return {one.sieve}"])
    asked = {one.trigger.nth: _asked(one) for one in made if one.trigger.status != "draft"}
    for nth, entries in asked.items():
        source.function(f"alone_{nth}", "p, event, now", generate.entering_body(*entries))
    named = _numbered("on", (event for one in made for event in one.trigger.events))
    alone = {}
    for event, name in named.items():
        plain: list[generate.Plain] = []
        in_order: list[generate.InOrder] = []
        for one in made:
            if one.trigger.nth in asked and event in one.trigger.events:
                own = asked[one.trigger.nth]
                plain += own[0]
                in_order += own[1]
        source.function(name, "p, event, now", generate.entering_body(plain, in_order))
        alone[event] = generate.in_turn(plain, in_order)
    return named, alone


def _asked(one: Made) -> tuple[list[generate.Plain], list[generate.InOrder]]:
    """Return what is asked whether an event enters a trigger, as `generate.entering_body` takes it."""
    nth, sequence = one.trigger.nth, one.trigger.sequence
    later = one.trigger.absence is not None or one.trigger.since == NEVER  # it is not asked now
    condition = one.where if later else f"{one.where} and {one.guard}"
    if sequence is None:
        return [(nth, condition)], []
    return [], [(nth, sequence.steps[-1].cell, condition)]


def _ending(all_triggers: tuple[Trigger, ...]) -> dict[str, frozenset[str]]:
    """Return for each event the triggers whose runs it may end."""
    ending: dict[str, set[str]] = {}
    for trigger in all_triggers:
        for event in trigger.ends.events:
            ending.setdefault(event, set()).add(trigger.name)
    return {event: frozenset(names) for event, names in ending.items()}


def _seeing(all_triggers: tuple[Trigger, ...]) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """Return for each event how it tells that somebody has seen an item."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for trigger in all_triggers:
        if trigger.item is not None:
            happening = trigger.item
            how = (happening.how, happening.by, happening.cell)
            found.setdefault(happening.event, set()).add(how)
    return {event: tuple(sorted(ways)) for event, ways in found.items()}


def _aims(all_triggers: tuple[Trigger, ...]) -> frozenset[str]:
    of_goals = {e for t in all_triggers if t.goal is not None for e in t.goal.events}
    return frozenset(
        of_goals | {e for t in all_triggers for step in t.program.values() for e in step.aims}
    )


def _calendar_traits(all_triggers: tuple[Trigger, ...]) -> frozenset[str]:
    calendars = [t.calendar for t in all_triggers if t.calendar is not None]
    traits = {calendar.trait for calendar in calendars if calendar.trait is not None}
    return frozenset({"timezone", *traits}) if calendars else frozenset()


def _changing(all_triggers: tuple[Trigger, ...]) -> dict[str, tuple[Trigger, ...]]:
    """Return for each trait the triggers whose occurrence is its change."""
    changing: dict[str, tuple[Trigger, ...]] = {}
    for trigger in all_triggers:
        if trigger.changed is not None:
            trait = trigger.changed.trait
            changing[trait] = (*changing.get(trait, ()), trigger)
    return changing


def _longest_cap(all_triggers: tuple[Trigger, ...], caps: dict[str, dict[str, Cap]]) -> int:
    lengths = [cap.reach for trigger in all_triggers for cap in trigger.caps.values()]
    lengths += [cap.reach for of_channel in caps.values() for cap in of_channel.values()]
    return max(lengths, default=0)
