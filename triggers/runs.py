"""Runs: who enters a trigger, whose turn it is, and what ends a run from outside."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from events.record import EXITS, Event
from profile_state.bounds import let_go
from profile_state.browsers import browsers
from profile_state.cells import Happened, happened
from profile_state.consent import consent
from profile_state.identity import ANONYMOUS
from profile_state.leaf import RUNS, Leaf, Run
from profile_state.naming import name_of
from profile_state.person import Person
from profile_state.reach import good, lost
from triggers import failing, goals
from triggers.arbitrate import Subject
from triggers.awaited import when
from triggers.definitions import ABSENCE, MEMBERS, PARALLEL, Trigger, Workspace
from triggers.habits import Usual
from triggers.memberships import Edges
from triggers.sequences import AHEAD
from triggers.steps.base import Call, Go, Leave, Rest, Turn
from triggers.work import Work

ENTRIES = 2_000  # of a leaf, by trigger and key, that re-entry remembers
NO_TRIGGERS: frozenset[str] = frozenset()


class Occurrence(NamedTuple):
    """The event that enters a trigger: the one at hand, or the last step of a sequence."""

    leaf: Leaf
    event: Happened
    accepted_us: int  # of the event at hand


class Candidate(NamedTuple):
    """A run whose turn it is."""

    trigger: Trigger
    leaf: Leaf
    run: Run
    accepted_us: int | None  # of the event that caused it, None where time did
    again: bool = False  # it stood at its step before
    arrived: bool = False  # what its step put into the log has come out of it


def ended(work: Work, person: Person, event: Event) -> None:
    """End the runs that this event ends."""
    workspace = work.state.workspace
    if workspace is None or not person.waits:
        return
    ending = workspace.ending.get(event.name, NO_TRIGGERS)
    if not ending and not workspace.leaving:
        return
    for _, run in list(person.runs()):
        trigger = workspace.trigger_of(run)
        if trigger is not None and (trigger.leaves or run.trigger in ending):
            _end(work, person, run, workspace, event.name)


def joined(work: Work, person: Person) -> list[Candidate]:
    """End the runs that people who were joined have ended; return those that they moved on."""
    workspace = work.state.workspace
    if workspace is None or not person.waits:
        return []
    candidates = []
    for leaf, run in list(person.runs()):
        trigger = workspace.trigger_of(run)
        if trigger is not None and not _end(work, person, run, workspace, "exit"):
            step = trigger.program.get(run.step)
            if step is not None and step.wakes:
                candidates.append(Candidate(trigger, leaf, run, None, again=True))
    return candidates


def _end(work: Work, person: Person, run: Run, workspace: Workspace, reason: str) -> bool:
    """End a run whose `then_no` or `exit_when` has come true; say whether it was."""
    trigger = workspace.trigger_of(run)
    if trigger is None:
        return False
    if not _ended(trigger, run, person):
        return _left(work, person, trigger, run, workspace)
    person.end_run(run)
    work.explain(person.id, trigger.name, "ended", reason)
    return True


def _left(work: Work, person: Person, trigger: Trigger, run: Run, workspace: Workspace) -> bool:
    """End a run of whose `exit_when` a condition holds, or raises; say whether it was."""
    leaving = workspace.leaving.get(trigger.nth)
    if leaving is None:
        return False
    said = failing.attempt(work, person, trigger, leaving, person, run.event, work.state.now, run)
    if said is not None:
        leaves, run.look = said
        if not leaves:
            return False
        work.explain(person.id, trigger.name, "ended", "condition")
    person.end_run(run)
    return True


def told(work: Work, person: Person, event: Event) -> list[Candidate]:
    """Return the run that put this event into the log."""
    workspace = work.state.workspace
    if workspace is None:
        return []
    for leaf, run in person.runs():
        trigger = workspace.trigger_of(run)
        if run.awaits == event.message_id and trigger is not None:
            return [Candidate(trigger, leaf, run, event.accepted_us, again=True, arrived=True)]
    return []


def woken(work: Work, person: Person, event: Event) -> list[Candidate]:
    """Return the runs that wait for this event, or for a trait that it states."""
    workspace = work.state.workspace
    if workspace is None or not workspace.waking or not person.waits:
        return []
    names = {event.name, *(f"trait:{name}" for name in event.traits)} & workspace.waking
    candidates = []
    for leaf, run in list(person.runs()) if names else ():
        trigger = workspace.trigger_of(run)
        step = trigger.program.get(run.step) if trigger is not None else None
        if trigger is not None and step is not None and not names.isdisjoint(step.wakes):
            candidates.append(Candidate(trigger, leaf, run, event.accepted_us, again=True))
    return candidates


def entering(work: Work, person: Person, event: Event) -> list[Candidate]:
    """Start or restart the runs that this event enters; return those with a step to take now."""
    workspace = work.state.workspace
    decide = workspace.entering.get(event.name) if workspace is not None else None
    if decide is None or workspace is None:
        return []
    try:
        entered = decide(person, event, work.state.now)
    except Exception:  # noqa: BLE001 - whose it is says each of them alone
        entered = _entered_alone(work, person, event, workspace)
    candidates = []
    for nth, last in entered:
        trigger = workspace.triggers[nth]
        if last is not None and _completed_before(person, trigger, last):
            work.explain(person.id, trigger.name, "ignored", "again")
            continue
        found = _enter(work, person, trigger, event, last)
        if found is not None:
            candidates.append(found)
    return candidates


def _entered_alone(
    work: Work, person: Person, event: Event, workspace: Workspace
) -> list[tuple[int, Happened | None]]:
    """Ask each trigger alone whether an event enters it, since together they have raised."""
    entered: list[tuple[int, Happened | None]] = []
    for nth, decide in workspace.alone[event.name]:
        trigger = workspace.triggers[nth]
        found = failing.attempt(work, person, trigger, decide, person, event, work.state.now)
        entered += found or ()
    return entered


def _completed_before(person: Person, trigger: Trigger, last: Happened) -> bool:
    """Say whether a sequence has occurred with this last step before, and remember that it has.

    It can be complete anew: an event of `without` that came late parted it, and a first step that
    came later still put it together again.
    """
    place = last[:3]
    leaf = _leaf_of(person, trigger, last)
    known = leaf.completed.get(trigger.name, [])
    if place in known:
        return True
    leaf.completed[trigger.name] = sorted([*known, place])[-AHEAD:]  # no other is looked at
    return False


def _leaf_of(person: Person, trigger: Trigger, last: Happened) -> Leaf:
    assert trigger.sequence is not None
    cell = trigger.sequence.steps[-1].cell
    return next(lf for lf in person.leaves.values() if last in lf.cells.get(cell, ()))


def _occurrence(
    person: Person, trigger: Trigger, event: Event, last: Happened | None
) -> Occurrence:
    if last is None or trigger.sequence is None:
        leaf = person.leaves[event.leaf]
        return Occurrence(leaf, happened(event), event.accepted_us)
    return Occurrence(_leaf_of(person, trigger, last), last, event.accepted_us)


def _enter(
    work: Work, person: Person, trigger: Trigger, arrived: Event, last: Happened | None
) -> Candidate | None:
    key = _key(trigger, (arrived if last is None else last).properties)
    if key is None:
        work.explain(person.id, trigger.name, "ignored", "no_key", trigger.key or "")
        return None
    if trigger.status == "paused":
        work.explain(person.id, trigger.name, "ignored", "paused")
        return None
    if trigger.since and (arrived if last is None else last).time < trigger.since:
        work.explain(person.id, trigger.name, "ignored", "warming")
        return None
    active = _active(person, trigger, key)
    # Asked before anything is built: a busy person's occurrences mostly end here.
    if (
        active is None
        and trigger.absence is None
        and not _has_room(person, trigger, key, work.state.now)
    ):
        work.explain(person.id, trigger.name, "ignored", "reentry")
        return None
    leaf, event, accepted_us = _occurrence(person, trigger, arrived, last)
    wait = waiting(person, trigger, key)
    if wait is None:
        work.explain(person.id, trigger.name, "ignored", "no_habit")
        return None
    due = event.time + wait
    entry = f"{event.source}/{leaf.key}/{event.message_id}"
    if trigger.absence is not None:
        entry = f"{entry}@{due}"
    run = Run(
        trigger.name,
        key,
        entry,
        event.time,
        event.time,
        event.message_id,
        due,
        trigger.first,
        event.properties,
        accepted_us,
        since=event.time,
        chain=list(arrived.chain),
        version=trigger.version,
        beside=trigger.while_active == PARALLEL,
    )
    if run.beside:
        active = _active(person, trigger, key, entry)
    if active is not None and not _anew(work, person, trigger, active, run):
        return None
    if trigger.absence is not None:
        if not _ended(trigger, run, person):
            run.step = ABSENCE
            _rest(work, person, leaf, trigger, run)
        return None
    return _entered(work, person, leaf, trigger, run, accepted_us)


def waiting(person: Person, trigger: Trigger, key: str) -> int | None:
    """Return how long an absence is waited for, ms; None where the person has no usual interval yet."""
    if isinstance(trigger.absence, Usual):
        return trigger.absence.wait(person.view.cells, key)
    return trigger.absence or 0


def _anew(work: Work, person: Person, trigger: Trigger, active: Run, newer: Run) -> bool:
    """A newer entering event of an active run: say whether it starts another in its place."""
    later = (newer.time, newer.message_id) > (active.time, active.message_id)
    if trigger.while_active == "update" and later:
        active.event = newer.event
    elif trigger.while_active == "restart" and active.step == ABSENCE:
        if later:
            active.time, active.message_id, active.event = newer.time, newer.message_id, newer.event
            active.due, active.entry, active.accepted_us = newer.due, newer.entry, newer.accepted_us
            active.version = newer.version
    elif (
        trigger.while_active == "restart"
        and later
        and _has_room(person, trigger, newer.key, work.state.now)
    ):
        person.end_run(active)
        work.explain(person.id, trigger.name, "ended", "restarted")
        return True
    else:
        work.explain(person.id, trigger.name, "ignored", "active")
    return False


def _key(trigger: Trigger, properties: dict[str, Any]) -> str | None:
    if trigger.key is None:
        return ""
    value = properties.get(trigger.key)
    return None if value is None or value == "" else name_of(value)


def _active(person: Person, trigger: Trigger, key: str, entry: str = "") -> Run | None:
    """Return the run that a new one meets: of its key, or of its very entry where they go side by side.

    An entry is made again where late events part a sequence and put it together anew.
    """
    if not person.waits:
        return None
    beside = trigger.while_active == PARALLEL
    for _, run in person.runs():
        mine = run.trigger == trigger.name and run.key == key and not run.tried
        if mine and (not beside or run.entry == entry):
            return run
    return None


def _ended(trigger: Trigger, run: Run, person: Person) -> bool:
    """Say whether an ending event happened at or after the run's latest entering event.

    Read from state, not from the order of arrival: so an order that arrived before its cart,
    or on another device that an edge joined later, ends the wait too.
    """
    return when(trigger.ends, person.view.cells, run) >= run.time + trigger.behind


def _has_room(person: Person, trigger: Trigger, key: str, now: int) -> bool:
    """Say whether a trigger's re-entry rule lets the person enter now."""
    rule = trigger.reentry
    if rule.most is None:
        return True
    entries = person.entries(f"{trigger.name}|{key}")
    if len(entries) < rule.most:
        return True
    return rule.per is not None and entries[-rule.most] <= now - rule.per


def _admitted(
    work: Work, person: Person, leaf: Leaf, trigger: Trigger, run: Run, accepted_us: int | None
) -> Candidate | None:
    """Let a run enter if there is room."""
    if _has_room(person, trigger, run.key, work.state.now):
        return _entered(work, person, leaf, trigger, run, accepted_us)
    work.explain(person.id, trigger.name, "ignored", "reentry")
    return None


def _entered(
    work: Work, person: Person, leaf: Leaf, trigger: Trigger, run: Run, accepted_us: int | None
) -> Candidate:
    """Remember an entry, as its re-entry rule counts them."""
    if trigger.reentry.most is not None:
        name = f"{trigger.name}|{run.key}"
        entries = [*leaf.entries.get(name, ()), work.state.now]
        leaf.entries[name] = entries[-trigger.reentry.most :]
        if len(leaf.entries) > ENTRIES:  # a tenth at once, since each time all are looked at
            let_go(leaf.entries, ENTRIES * 9 // 10, lambda times: times[-1])
            person.whole = True
    work.count(person.id, f"entered:{trigger.name}")
    goals.begin(work, person, leaf, trigger, run)
    return Candidate(trigger, leaf, run, accepted_us)


class Cause(NamedTuple):
    """A record, or an instant, from which something occurs that is no event of a trigger's own."""

    words: str  # unique for ever
    time: int  # ms
    accepted_us: int | None = None  # of the causing event, None where time alone made it so
    event: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    chain: tuple[str, ...] = ()  # triggers that led to it


def occurred(
    work: Work, person: Person, triggers: Iterable[Trigger], cause: Cause
) -> list[Candidate]:
    """Enter triggers whose occurrence came about: an edge of a segment, a change, an instant."""
    workspace = work.state.workspace
    if workspace is None or not person.leaves:
        return []
    leaf = min(person.leaves.values(), key=lambda lf: (lf.first, lf.key))
    candidates = []
    for trigger in triggers:
        if trigger.status in ("draft", "paused"):
            continue
        if cause.time < trigger.since:
            work.explain(person.id, trigger.name, "ignored", "warming")
            continue
        key = _key(trigger, cause.event)
        if key is None:
            work.explain(person.id, trigger.name, "ignored", "no_key", trigger.key or "")
            continue
        run = Run(
            trigger.name,
            key,
            f"{leaf.key}/{cause.words}",
            cause.time,
            cause.time,
            "",
            cause.time,
            trigger.first,
            cause.event,
            since=cause.time,
            chain=list(cause.chain),
            version=trigger.version,
            beside=trigger.while_active == PARALLEL,
        )
        if not _holds(work, person, trigger, run, workspace):
            continue
        active = _active(person, trigger, key, run.entry)
        if active is not None and not _anew(work, person, trigger, active, run):
            continue
        found = _admitted(work, person, leaf, trigger, run, cause.accepted_us)
        if found is not None:
            candidates.append(found)
    return candidates


def by_definition(work: Work, person: Person, edges: Edges, cause: Cause) -> list[Candidate]:
    """Enter the triggers that asked for edges which no occurrence brought, and for who is inside."""
    workspace = work.state.workspace
    if workspace is None:
        return []
    entered = []
    for trigger in workspace.including:
        if trigger.since > work.state.now:
            continue  # who is inside by then enters when it is warm
        edge, segment = trigger.segment or ("", "")
        member = (trigger.include, edge) == (MEMBERS, "entered") and segment in person.member
        known = person.entries(f"{trigger.name}|{MEMBERS}") if member else []
        if member and not known and person.leaves:
            leaf = min(person.leaves.values(), key=lambda lf: (lf.first, lf.key))
            leaf.entries[f"{trigger.name}|{MEMBERS}"] = [work.state.now]
        if trigger.segment in edges or (member and not known):
            entered.append(trigger)
    return occurred(work, person, entered, cause)


def told_to_exit(work: Work, person: Person, event: Event) -> None:
    """End the runs of a trigger that an API call names, or the one of them with its key."""
    name, workspace = event.name.removeprefix(EXITS), work.state.workspace
    trigger = workspace.named.get(name) if workspace is not None else None
    key = None if trigger is None else _key(trigger, event.properties)
    for _, run in list(person.runs()):
        if run.trigger == name and run.started <= event.time and key in (None, "", run.key):
            person.end_run(run)
            work.explain(person.id, name, "ended", "api")


def _holds(work: Work, person: Person, trigger: Trigger, run: Run, workspace: Workspace) -> bool:
    """Ask a trigger's `if` of somebody who is about to enter."""
    guard = workspace.guards[trigger.nth]
    holds = failing.attempt(work, person, trigger, guard, person, run.event, work.state.now, run)
    if holds is False:
        work.explain(person.id, trigger.name, "ignored", "condition")
    return bool(holds)


def by_segments(work: Work, person: Person, edges: Edges, cause: Cause) -> list[Candidate]:
    """Enter the triggers whose occurrence is one of these edges."""
    workspace = work.state.workspace
    if not edges or workspace is None:
        return []
    return occurred(work, person, (t for t in workspace.on_edges if t.segment in edges), cause)


def due(work: Work, person: Person) -> list[Candidate]:
    """Return the runs whose time has come: an absence that held, a wait that is over, a held send."""
    workspace, now = work.state.workspace, work.state.now
    candidates = []
    for leaf, run in sorted(person.runs(), key=lambda lr: (lr[1].due, lr[1].entry)):
        if run.due > now and run.look > now:
            continue
        trigger = workspace.trigger_of(run) if workspace is not None else None
        if trigger is None or workspace is None:
            person.end_run(run)
            known = workspace is not None and run.trigger in workspace.named
            reason = "version_removed" if known else "trigger_removed"
            work.explain(person.id, run.trigger, "ended", reason)
            continue
        if _end(work, person, run, workspace, "exit") or run.due > now:
            continue
        if run.step != ABSENCE:
            candidates.append(Candidate(trigger, leaf, run, None, again=True))
            continue
        found = _absent(work, person, leaf, trigger, run, workspace)
        if found is None:
            person.end_run(run)
        else:
            candidates.append(found)
    return candidates


def _absent(
    work: Work, person: Person, leaf: Leaf, trigger: Trigger, run: Run, workspace: Workspace
) -> Candidate | None:
    """Let a run enter whose absence held, if its guard holds and there is room."""
    if not _holds(work, person, trigger, run, workspace):
        return None
    run.step, run.since = trigger.first, work.state.now
    return _admitted(work, person, leaf, trigger, run, None)


def take_steps(work: Work, person: Person, candidates: list[Candidate]) -> None:
    """Take the candidates' steps, the highest priority first, through the one decision point."""
    workspace = work.state.workspace
    if not candidates or workspace is None:
        return
    subject = _subject(person, workspace, work.state.now)
    while candidates:
        calls: list[Call] = []
        for one in sorted(
            candidates,
            key=lambda c: (-c.trigger.priority, c.trigger.name, *c.run.order),
        ):
            _take(work, person, one, subject, workspace, calls)
        candidates = [
            candidate
            for call in calls
            for candidate in occurred(
                work,
                person,
                [workspace.named[call.trigger]],
                Cause(call.words, work.state.now, None, call.event, call.chain),
            )
        ]


def _subject(person: Person, workspace: Workspace, now: int) -> Subject:
    limits = workspace.limits
    traits = person.view.traits
    stated = traits.get("timezone")
    return Subject(
        timezone=stated[2] if stated is not None and isinstance(stated[2], str) else None,
        addresses=_addresses(person),
        lost=lost(person.view),
        traits=frozenset(name for name, known in traits.items() if known[2] not in (None, "")),
        consent=lambda purpose, channel: consent(person, purpose, channel, limits),
        sent=person.sent(),
        person=person.id,
        arms=person.arms(),
        excluded=lambda purpose: workspace.excluded[purpose](person, now),
    )


def _addresses(person: Person) -> dict[str, str]:
    found = good(person.view)
    where = browsers(person)
    return {**found, ANONYMOUS: " ".join(where)} if where else found


def _take(
    work: Work,
    person: Person,
    candidate: Candidate,
    subject: Subject,
    workspace: Workspace,
    calls: list[Call],
) -> None:
    """Take a run's step, and those behind it up to where it rests or ends."""
    trigger, leaf, run, accepted_us, again, arrived = candidate
    if again and all(known is not run for known in leaf.runs):
        return  # the same event has ended it
    while run.step:
        step = trigger.program.get(run.step)
        if step is None:
            work.explain(person.id, trigger.name, "ended", "step_removed", run.step)
            break
        turn = Turn(
            work,
            person,
            trigger,
            leaf,
            run,
            workspace,
            subject,
            accepted_us,
            again,
            arrived,
            calls,
        )
        match failing.attempt(work, person, trigger, step.take, turn):
            case Go(to=to, moved=moved, way=way):
                if way:
                    work.explain(person.id, trigger.name, "went", f"{run.step}.{way}")
                run.step, again, arrived = to, False, False
                if moved is not None:
                    run.since = moved
            case Rest(until=until, reason=reason):
                run.due = until
                if reason:
                    work.explain(person.id, trigger.name, "held", reason)
                elif not again:
                    work.explain(person.id, trigger.name, "waits", run.step)
                _rest(work, person, leaf, trigger, run)
                return
            case Leave(outcome=outcome, reason=reason):
                work.explain(person.id, trigger.name, outcome, reason)
                break
            case None:
                break
    person.end_run(run)


def _rest(work: Work, person: Person, leaf: Leaf, trigger: Trigger, run: Run) -> None:
    """Remember a run that stays at its step, and when time alone may end it."""
    workspace = work.state.workspace
    if workspace is not None and _left(work, person, trigger, run, workspace):
        return
    if any(known is run for known in leaf.runs):
        return
    if len(leaf.runs) >= RUNS:
        work.explain(person.id, trigger.name, "ended", "too_many")
        return
    leaf.runs.append(run)
