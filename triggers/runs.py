"""Runs: who enters a trigger, what ends a wait, and what becomes of each step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from events.record import Event
from profile_state.bounds import let_go
from profile_state.cells import Happened, happened
from profile_state.consent import consent
from profile_state.leaf import Leaf, Run, Sent
from profile_state.naming import name_of
from profile_state.person import Person
from triggers.activation import Activation, activation_id
from triggers.arbitrate import Hold, Refuse, Send, Subject, arbitrate, valid_until
from triggers.definitions import SendStep, Trigger, Workspace
from triggers.memberships import Edges
from triggers.sequences import AHEAD
from triggers.work import Work

ENTRIES = 2_000  # of a leaf, by trigger and key, that re-entry remembers
RUNS = 1_000  # of a leaf that wait at once
KEPT = 10  # messages of a leaf that are remembered also where no cap counts them


class Occurrence(NamedTuple):
    """The event that enters a trigger: the one at hand, or the last step of a sequence."""

    leaf: Leaf
    event: Happened
    accepted_us: int  # of the event at hand


class Candidate(NamedTuple):
    """A run that has a step to take now."""

    trigger: Trigger
    leaf: Leaf
    run: Run
    accepted_us: int | None  # of the event that caused it, None where time did


def end_by_event(work: Work, person: Person, event: Event) -> None:
    """End the waits that this event ends."""
    workspace = work.state.workspace
    ending = workspace.ending.get(event.name) if workspace is not None else None
    if not ending or not person.waits or workspace is None:
        return
    names = {workspace.triggers[nth].name: workspace.triggers[nth] for nth in ending}
    for _, run in list(person.runs()):
        trigger = names.get(run.trigger)
        if trigger is not None and _ended(trigger, run, person):
            person.end_runs(run.trigger, run.key)
            work.explain(person.id, trigger.name, "ended", event.name)


def entering(work: Work, person: Person, event: Event) -> list[Candidate]:
    """Start or restart the runs that this event enters; return those with a step to take now."""
    workspace = work.state.workspace
    decide = workspace.entering.get(event.name) if workspace is not None else None
    if decide is None or workspace is None:
        return []
    candidates = []
    for nth, last in decide(person, event, work.state.now):
        trigger = workspace.triggers[nth]
        if last is not None and _completed_before(person, trigger, last):
            work.explain(person.id, trigger.name, "ignored", "again")
            continue
        found = _enter(work, person, trigger, event, last)
        if found is not None:
            candidates.append(found)
    return candidates


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
    active = _active(person, trigger.name, key)
    # Asked before anything is built: a busy person's occurrences mostly end here.
    if (
        active is None
        and trigger.absence is None
        and not _has_room(person, trigger, key, work.state.now)
    ):
        work.explain(person.id, trigger.name, "ignored", "reentry")
        return None
    leaf, event, accepted_us = _occurrence(person, trigger, arrived, last)
    due = event.time + (trigger.absence or 0)
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
        0,
        event.properties,
        accepted_us,
    )
    if active is not None:
        _again(work, person, trigger, active, run)
        return None
    if trigger.absence is not None:
        if len(leaf.runs) >= RUNS:
            work.explain(person.id, trigger.name, "ignored", "too_many")
        elif not _ended(trigger, run, person):
            run.step = -1
            leaf.runs.append(run)
        return None
    return _entered(work, person, leaf, trigger, run, accepted_us)


def _again(work: Work, person: Person, trigger: Trigger, active: Run, newer: Run) -> None:
    """A newer entering event of an active run: it starts the waiting again, or is ignored."""
    if not trigger.restart or active.step >= 0:
        work.explain(person.id, trigger.name, "ignored", "active")
    elif (newer.time, newer.message_id) > (active.time, active.message_id):
        active.time, active.message_id, active.event = newer.time, newer.message_id, newer.event
        active.due, active.entry, active.accepted_us = newer.due, newer.entry, newer.accepted_us


def _key(trigger: Trigger, properties: dict[str, Any]) -> str | None:
    if trigger.key is None:
        return ""
    value = properties.get(trigger.key)
    return None if value is None or value == "" else name_of(value)


def _active(person: Person, trigger: str, key: str) -> Run | None:
    if not person.waits:
        return None
    return next((r for _, r in person.runs() if r.trigger == trigger and r.key == key), None)


def _ended(trigger: Trigger, run: Run, person: Person) -> bool:
    """Say whether an ending event happened at or after the run's latest entering event.

    Read from state, not from the order of arrival: so an order that arrived before its cart,
    or on another device that an edge joined later, ends the wait too.
    """
    for key in trigger.ends:
        cell = person.view.cells.get(key)
        if cell is None:
            continue
        instants = (cell.get(run.key), cell.get("")) if trigger.key is not None else (cell,)
        if any(instant is not None and instant >= run.time for instant in instants):
            return True
    return False


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
    return Candidate(trigger, leaf, run, accepted_us)


def by_segments(
    work: Work, person: Person, edges: Edges, cause: str, accepted_us: int | None
) -> list[Candidate]:
    """Enter the triggers whose occurrence is one of these edges.

    Args:
        work: the step.
        person: who entered or left a segment.
        edges: which.
        cause: the record that made it so, in words that are unique for ever.
        accepted_us: of the causing event, None where time alone made it so.
    """
    workspace = work.state.workspace
    if not edges or workspace is None:
        return []
    now = work.state.now
    leaf = min(person.leaves.values(), key=lambda lf: (lf.first, lf.key))
    candidates = []
    for trigger in workspace.triggers:
        if trigger.segment not in edges or trigger.status in ("draft", "paused"):
            continue
        if not workspace.guards[trigger.nth](person, {}, now):
            work.explain(person.id, trigger.name, "ignored", "condition")
            continue
        run = Run(trigger.name, "", f"{leaf.key}/{cause}", now, now, "", now, 0, {})
        if _active(person, trigger.name, "") is not None:
            work.explain(person.id, trigger.name, "ignored", "active")
            continue
        found = _admitted(work, person, leaf, trigger, run, accepted_us)
        if found is not None:
            candidates.append(found)
    return candidates


def due(work: Work, person: Person) -> list[Candidate]:
    """Return the runs whose time has come: an absence that held, a send that was held."""
    workspace, now = work.state.workspace, work.state.now
    triggers = {t.name: t for t in workspace.triggers} if workspace is not None else {}
    candidates = []
    for leaf, run in sorted(person.runs(), key=lambda lr: (lr[1].due, lr[1].entry)):
        if run.due > now:
            continue
        trigger = triggers.get(run.trigger)
        if trigger is None or workspace is None:
            person.end_runs(run.trigger, run.key)
            work.explain(person.id, run.trigger, "ended", "trigger_removed")
            continue
        found = _when_due(work, person, leaf, trigger, run, workspace)
        if found is None:
            person.end_runs(run.trigger, run.key)
        else:
            candidates.append(found)
    return candidates


def _when_due(
    work: Work, person: Person, leaf: Leaf, trigger: Trigger, run: Run, workspace: Workspace
) -> Candidate | None:
    if _ended(trigger, run, person):
        work.explain(person.id, trigger.name, "ended", "exit")
        return None
    waited = run.step == -1
    if (waited or trigger.recheck) and not workspace.guards[trigger.nth](
        person, run.event, work.state.now
    ):
        work.explain(person.id, trigger.name, "ignored" if waited else "refused", "condition")
        return None
    if not waited:
        return Candidate(trigger, leaf, run, None)
    run.step = 0
    return _admitted(work, person, leaf, trigger, run, None)


def take_steps(work: Work, person: Person, candidates: list[Candidate]) -> None:
    """Take the candidates' steps, the highest priority first, through the one decision point."""
    workspace = work.state.workspace
    if not candidates or workspace is None:
        return
    subject = _subject(person, workspace.limits)
    for candidate in sorted(
        candidates, key=lambda c: (-c.trigger.priority, c.trigger.name, c.run.key)
    ):
        _take(work, person, candidate, subject, workspace)


def _subject(person: Person, limits: Mapping[str, int]) -> Subject:
    traits = person.view.traits
    stated = traits.get("timezone")
    return Subject(
        timezone=stated[2] if stated is not None and isinstance(stated[2], str) else None,
        addresses={kind: known[2] for kind, known in person.view.addresses.items()},
        traits=frozenset(name for name, known in traits.items() if known[2] not in (None, "")),
        consent=lambda purpose, channel: consent(person, purpose, channel, limits),
        sent=person.sent(),
    )


def _take(
    work: Work, person: Person, candidate: Candidate, subject: Subject, workspace: Workspace
) -> None:
    trigger, leaf, run, _ = candidate
    now = work.state.now
    for nth in range(run.step, len(trigger.steps)):
        step = trigger.steps[nth]
        if run.until is None:
            run.until = valid_until(trigger, now, workspace, subject.timezone)
        for verdict in arbitrate(trigger, step, subject, workspace, now, run.until):
            match verdict:
                case Hold(until=until, reason=reason):
                    run.step, run.due = nth, until
                    if all(known is not run for known in leaf.runs):
                        leaf.runs.append(run)
                    work.explain(person.id, trigger.name, "held", reason)
                    return
                case Refuse(reason=reason, detail=detail):
                    work.explain(person.id, trigger.name, "refused", reason, detail)
                case Send():
                    _send(work, person, candidate, nth, verdict, subject)
        run.until = None
    person.end_runs(trigger.name, run.key)


def _send(
    work: Work, person: Person, candidate: Candidate, nth: int, verdict: Send, subject: Subject
) -> None:
    trigger, leaf, run, accepted_us = candidate
    state = work.state
    step = trigger.steps[nth]
    assert state.workspace is not None
    activation = Activation(
        id=activation_id(trigger.name, str(nth), run.entry, 0, verdict.channel),
        trigger=trigger.name,
        version=state.workspace.hash,
        step=str(nth),
        channel=verdict.channel,
        purpose=step.purpose,
        template=step.template,
        person=person.id,
        leaf=leaf.key,
        address=verdict.address,
        facts=_facts(person, step),
        event=_event_facts(run.event, step),
        decided=state.now,
        valid_until=run.until,
        accepted_us=accepted_us,
    )
    if trigger.status == "shadow":
        work.explain(person.id, trigger.name, "shadow")
        return
    sent = Sent(state.now, verdict.channel, step.purpose, trigger.name, activation.id)
    floor = state.now - state.workspace.longest_cap
    old = len(leaf.sent) - KEPT
    leaf.sent = [s for nth, s in enumerate(leaf.sent) if s.time > floor or nth > old] + [sent]
    subject.sent.append(sent)
    work.activations.append(activation)
    work.explain(person.id, trigger.name, "sent", verdict.channel)


def _facts(person: Person, step: SendStep) -> dict[str, Any]:
    traits = person.view.traits
    return {name: traits[name][2] for name in step.facts if name in traits}


def _event_facts(properties: dict[str, Any], step: SendStep) -> dict[str, Any]:
    if step.event_facts is None:
        return properties
    return {name: properties[name] for name in step.event_facts if name in properties}
