"""Segments: who is inside now, and when time alone will change that."""

from collections.abc import Callable

from events.record import Event
from profile_state.leaf import NEVER
from profile_state.person import Person
from triggers import calendars, failing, ranks
from triggers.definitions import ABSENCE, Segment, Workspace
from triggers.signs import CALENDAR, CROSSING, RANK
from triggers.work import Work

Edges = list[tuple[str, str]]  # ("entered" | "exited", segment)


def after_event(work: Work, person: Person, event: Event, *, everything: bool) -> Edges:
    """Bring memberships up to date after an event; `everything` after people were joined or parted."""
    workspace = work.state.workspace
    if workspace is None or not (workspace.segments or workspace.ranked):
        return []
    if everything:
        return after_all(work, person)
    name = event.name
    first = event.time <= person.leaves[event.leaf].first  # it says when their days turn
    if (
        first
        or event.kind == "scores"
        or any(name in one.events for one in workspace.ranked.values())
    ):
        ranks.place(work, person, workspace)
    with_traits = bool(event.traits or event.context)
    return _evaluate(
        work,
        person,
        lambda s: name in s.events or (with_traits and s.traits) or (first and s.learnt),
    )


def after_all(work: Work, person: Person) -> Edges:
    """Bring every membership up to date, after people were joined or parted."""
    if work.state.workspace is not None and work.state.workspace.ranked:
        ranks.place(work, person, work.state.workspace)
    return _evaluate(work, person, lambda _: True)


def after_time(work: Work, person: Person) -> Edges:
    """Bring memberships up to date where only time has passed."""
    now, workspace = work.state.now, work.state.workspace
    if workspace is not None and any(
        person.recheck.get(RANK + score, NEVER) <= now for score in workspace.ranked
    ):
        ranks.place(work, person, workspace)
    return _evaluate(work, person, lambda s: person.recheck.get(s.name, NEVER) <= now)


def adopt(work: Work, person: Person) -> Edges | None:
    """Follow the definitions in force.

    Returns:
        Which memberships that changed; None where nothing of the person did.
    """
    workspace = work.state.workspace
    if workspace is None:
        return None
    if person.slots is not workspace.slots:
        # Also where the person follows this version already: written after its record, and read
        # again from before it.
        person.refresh(workspace.slots)
    before, person.learnt = person.learnt, work.state.learnt
    if person.version == workspace.version:
        if person.learnt is before:
            return None
        moved = person.learnt.models != before.models and ranks.place(work, person, workspace)
        # What time has changed as well is left to the tick that is due: that is an occurrence. Somebody
        # who comes from the ledger seems to follow nothing yet.
        now = work.state.now
        edges = _evaluate(
            work, person, lambda s: s.learnt and person.recheck.get(s.name, NEVER) > now
        )
        return edges if moved or edges else None
    person.version, person.whole = workspace.version, True
    _migrate(workspace, person, work.state.now)
    for leaf in person.leaves.values():
        # What nothing asks for would go on from a gap, were it asked for again.
        for key in leaf.cells.keys() - workspace.slots.keys():
            del leaf.cells[key]
    known = [name for name in person.member if name[0] != RANK]  # these are placed below
    for gone in set(known) - set(workspace.members):
        del person.member[gone]
        work.count(person.id, f"segment:{gone}", -1)
    person.recheck = {
        name: at
        for name, at in person.recheck.items()
        if name in workspace.members or name.startswith(CALENDAR)
    }
    calendars.arrange(work, person)
    ranks.place(work, person, workspace)
    return _evaluate(work, person, lambda _: True)


def _migrate(workspace: Workspace, person: Person, now: int) -> None:
    """Bring runs onto the trigger in force where it says `migrate: live`; their waits begin anew to end."""
    for _, run in person.runs():
        trigger = workspace.named.get(run.trigger)
        if trigger is None or not trigger.migrate or run.version == trigger.version:
            continue
        if trigger.since == NEVER:  # it would have to decide what is not known yet
            continue
        run.version = trigger.version
        if run.step != ABSENCE:
            run.due = now
        elif isinstance(trigger.absence, int):  # a usual interval is that of when it began
            run.due = run.time + trigger.absence


def _evaluate(work: Work, person: Person, concerned: Callable[[Segment], bool]) -> Edges:
    workspace = work.state.workspace
    edges: Edges = []
    if workspace is None or not workspace.segments:
        return edges
    now = work.state.now
    changed: set[str] = set()
    for segment in workspace.segments:
        if not concerned(segment) and not (changed and segment.segments & changed):
            continue
        if segment.warming:  # who was inside stays so until it is known
            person.recheck.pop(segment.name, None)
            continue
        try:
            inside, until = workspace.members[segment.name](person, now)
        except MemoryError:
            raise
        except Exception as error:
            if not segment.name.startswith(CROSSING):
                raise  # everybody's, see `flows.poison`
            trigger = workspace.named[segment.name.removeprefix(CROSSING)]
            failing.note(work, person, trigger, error)
            person.recheck.pop(segment.name, None)
            continue
        if until < NEVER:
            person.recheck[segment.name] = until
        else:
            person.recheck.pop(segment.name, None)
        if inside == (segment.name in person.member):
            continue
        changed.add(segment.name)
        if inside:
            person.member[segment.name] = now
        else:
            del person.member[segment.name]
        work.count(person.id, f"segment:{segment.name}", 1 if inside else -1)
        edges.append(("entered" if inside else "exited", segment.name))
    return edges
