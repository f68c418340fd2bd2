"""The core: a pure, deterministic fold over a partition's log.

    needs(state, batch)  what must be in memory first; asked again until it is empty
    step(state, batch)   applies the batch to the state, and returns the work that came of it

No I/O, no clock, no randomness: time is the log's own append time. So live run, recovery,
replay and tests are this code with another log.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from events.record import (
    ADDRESS_LOST,
    EVERYBODY,
    EXIT,
    MARKETING,
    OURS,
    OWN,
    STATEMENTS,
    TRANSACTIONAL_PURPOSE,
    Build,
    Covered,
    DeadLetter,
    Erase,
    Event,
    Filled,
    Item,
    Join,
    Learned,
    Offset,
    Paused,
    Record,
    Related,
    Settled,
    Spread,
    Sweep,
    Tick,
    Version,
)
from profile_state.consent import EVERY, GPC, statements
from profile_state.copies.base import digest_of, packed, place_of
from profile_state.fold import UNREMEMBERED, fold, fold_statements
from profile_state.history import History
from profile_state.identity import PLACES, person_id
from profile_state.person import Person
from profile_state.reach import SUPPRESSED, hidden
from triggers import (
    best_time,
    calendars,
    changes,
    claims,
    erasure,
    failing,
    goals,
    idle,
    items,
    memberships,
    people,
    receipts,
    runs,
    warming,
)
from triggers.definitions import Workspace
from triggers.load import load
from triggers.loading import formers
from triggers.local_time import hour_at, zone_at
from triggers.problems import WorkspaceError
from triggers.state import Due, State
from triggers.work import Withdrawal, Work

MACHINE = "machine"  # the flag of what no human did: kept, but it occurs nowhere
new = tuple.__new__  # makes a named tuple without the call in Python that its constructor is
OLDEST = 30 * 86_400_000  # ms; an older event changes traits, never counters, and never sends
_CUT_BEFORE = frozenset((Tick, Sweep, Erase))  # kinds of records, see `stretches`


class Batch(NamedTuple):
    """One entry of the log, decoded."""

    entry: int
    time: int  # ms, when the log took it
    records: list[Record]
    first: int = 0  # place of the first record in its entry


class Needs(NamedTuple):
    """What a batch needs in memory."""

    identifiers: set[str]  # whose person is not known yet
    people: set[str]  # ids of people in the ledger
    sweeps: set[Sweep]  # whose people may be in the ledger
    copies: set[bytes]  # event keys whose first copy may have left memory
    horizon: int  # ms; before it everybody who is due must be known, 0 for as it is

    def __bool__(self) -> bool:
        return any(self)


def stretches(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Cut a run of batches where it follows from all before whom a record concerns.

    That is before each tick, sweep and erasure, and behind each version, which may set other limits.

    >>> cut = stretches([Batch(1, 5, []), Batch(2, 6, [Tick(9)]), Batch(3, 7, [])])
    >>> [[b.entry for b in stretch] for stretch in cut]
    [[1], [2, 3]]
    """
    stretch: list[Batch] = []
    for batch in batches:
        kinds = {type(record) for record in batch.records}
        if stretch and not _CUT_BEFORE.isdisjoint(kinds):
            yield stretch
            stretch = []
        stretch.append(batch)
        if Version in kinds:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def needs(state: State, batches: list[Batch]) -> Needs:
    """Say which identifiers and people a stretch needs that are not in memory.

    Args:
        state: as it stands before the stretch.
        batches: a stretch, with a tick, a sweep or an erasure at its start if anywhere.
    """
    wanted = Needs(set(), set(), set(), set(), 0)
    for batch in batches:
        for record in batch.records:
            if isinstance(record, Event):
                ids = erasure.named(record) if state.erasure_keys else record.ids
                if not _at_hand(state, ids):  # names that join nobody never are, and not needed
                    _need(
                        state, ids if state.erasure_keys else people.joining(state, record), wanted
                    )
                key = record.key
                if state.older and key not in state.first_seen and key not in state.asked:
                    wanted.copies.add(key)
            elif isinstance(record, Spread | Filled):
                _need(state, record.leaves, wanted)
            elif isinstance(record, Join):
                _need(state, (record.one, record.other), wanted)
            elif isinstance(record, Erase):
                keys = {*state.erasure_keys, record.key}
                tombs = [erasure.tombstone(record.identifier, key) for key in keys]
                tied = people.tied_to(state, record.identifier)
                _need(state, (record.identifier, *tombs, *tied), wanted)
            elif isinstance(record, Sweep):
                if record not in state.loaded:
                    wanted.sweeps.add(record)
                for person in state.within(record):
                    _need(state, state.people[person].ids, wanted)
            elif isinstance(record, Tick):
                last = _reach(record, max(state.now, batch.time))
                if last[0] >= state.dues.horizon:
                    wanted = wanted._replace(horizon=last[0] + 1)
                due = state.dues.until(last)
                wanted.people.update(p for _, p in due if p not in state.people)
    return wanted


def _at_hand(state: State, identifiers: Iterable[str]) -> bool:
    """Say whether all these identifiers' people are in memory and nothing leads further."""
    index, known, limits = state.index, state.people, state.limits
    for identifier in identifiers:
        whom = index.get(identifier)
        person = known.get(whom) if whom is not None else None
        if person is None or (person.refused and person.reach(limits)):
            return False
    return True


def _need(state: State, identifiers: Iterable[str], wanted: Needs) -> None:
    """Ask for these identifiers' people, and for all whom edges may yet join to them."""
    ahead, seen = list(identifiers), set()
    while ahead:
        identifier = ahead.pop()
        if identifier in seen:
            continue
        seen.add(identifier)
        if identifier not in state.index:
            wanted.identifiers.add(identifier)
            continue
        person = state.index[identifier]
        if person is None:
            if state.erasure_keys and not erasure.is_tombstone(identifier):
                ahead += erasure.tombstones(state, identifier)
            continue
        known = state.people.get(person)
        if known is None:
            wanted.people.add(person)
        elif known.refused and person not in seen:  # people have ids, which are no identifiers
            seen.add(person)
            ahead += known.reach(state.limits)


def step(state: State, batches: list[Batch], addresses: Mapping[str, str | None]) -> Work:
    """Apply a stretch.

    Args:
        state: changed in place.
        batches: everything that `needs` asked for is in memory.
        addresses: channel -> kind of address, for versions that come into force.

    Returns:
        Outputs, changes for the ledger, and explanations.
    """
    work = Work(state)
    for batch in batches:
        state.now = max(state.now, batch.time)
        entry = batch.entry
        for nth, record in enumerate(batch.records, batch.first):
            offset = new(Offset, (entry, nth))
            match record:
                case Event():
                    _event(work, record, offset)
                case Tick():
                    _tick(work, record, offset)
                case Version():
                    _version(work, record, addresses, offset)
                case Build():
                    state.build = record
                case Join():
                    _join(work, record, offset)
                case Sweep():
                    _sweep(work, record, addresses, offset)
                case Erase():
                    _erase(work, record, offset)
                case DeadLetter():
                    work.dead.append((offset, record))
                case Learned():
                    _learned(state, record)
                case Item():
                    items.change(work, record, offset)
                case Related():
                    items.relate(work, record, offset)
                case Spread():
                    _spread(work, record, offset)
                case Filled():
                    _filled(work, record, addresses, offset)
                case Covered():
                    _cover(state, addresses)
                case Paused():
                    if failing.pause(state, record):
                        _follow(state, state.files, addresses)
                case Settled():
                    work.letters_done.append(Offset(record.entry, record.nth))
            state.offset = offset
    state.asked = {}
    state.forget_absent()
    return work


def _event(work: Work, event: Event, offset: Offset) -> None:
    state = work.state
    state.begun = True
    if state.erasure_keys:
        left, changed = erasure.without_erased(work, event, offset)
        for other in changed:
            _adopt(work, other)
            _moved(work, other, None, offset)
        if left is None:
            return
        event = left
    first = state.first_copy(event.key)
    if first is not None and place_of(first) < offset:
        _copy(work, event, offset, same=digest_of(first) == event.digest)
        return
    too_old = not event.import_id and event.time <= state.now - OLDEST
    person, others = people.resolve(work, event, offset)
    if person is None:
        # Read again. Had it been applied, its first copy would be known: it became a dead letter.
        return
    if first is None and not too_old:
        state.first_seen[event.key] = packed(offset, event.digest)
        work.seen.append((offset, event.key, event.digest, state.now, event.import_id))
    person.seen = state.now
    _adopt(work, person)
    claims.notice(work, person, event)
    workspace = state.workspace
    human = MACHINE not in event.flags
    counts = human and not too_old
    occurs = counts and not event.import_id  # nothing occurs from history
    folding = UNREMEMBERED
    if workspace is not None:
        folding = workspace.fold.get(event.name, UNREMEMBERED)
    counting = folding if counts else UNREMEMBERED
    leaf = person.leaves[event.leaf]
    before = changes.watched(workspace, person, event) if workspace is not None else changes.NOTHING
    if workspace is not None and event.name in workspace.seeing and counts:
        items.saw(work, leaf, event, workspace)
    if workspace is not None and event.name in workspace.opening and counts:
        where = zone_at(person.view.traits, workspace.timezone)
        work.count(person.id, best_time.counted(hour_at(event.time, where)))
    around = workspace.around if workspace is not None else ()
    gpc = leaf.consents.get(GPC)
    let_go = fold(leaf, event, counting, state.now, around)
    if let_go or event.name in STATEMENTS or leaf.consents.get(GPC) is not gpc:
        person.whole = True
    elif not person.whole:
        person.touch(event, folding.differ)
    if not too_old:  # nobody remembers whether it is a copy, so it must not matter
        leaf.total += 1
    if len(person.leaves) > 1:
        fold_statements(person.view, event, around)
        counting.add(person.view.cells, event, state.now)
        if let_go and workspace is not None:
            person.refresh(workspace.slots)
    if event.name in STATEMENTS:
        for purpose, channel, granted in statements(event.name, event.properties):
            if not granted:
                _withdraw(work, person, purpose, channel)
    elif event.name == ADDRESS_LOST and isinstance(event.properties.get("address"), str):
        _withdraw(work, person, SUPPRESSED, hidden(event.properties["address"]))
    if gpc is None and GPC in leaf.consents:
        _withdraw(work, person, MARKETING, EVERY)
    if leaf.sent and not too_old:
        receipts.note(leaf, event)
    if too_old:
        work.count(person.id, "too_old")
    else:
        work.applied[person.id] = work.applied.get(person.id, 0) + 1
        if event.source in OURS:
            work.count(person.id, "own")
    regrouped = bool(others) or person.offset == offset
    if workspace is not None and counts and (event.name in workspace.aims or regrouped):
        goals.reached(work, person, workspace)
    edges = memberships.after_event(work, person, event, everything=regrouped)
    moved = changes.moved(person, before) if before else changes.NOTHING
    if workspace is not None and (
        (regrouped and workspace.calendars) or not workspace.calendar_traits.isdisjoint(moved)
    ):
        calendars.arrange(work, person)
    candidates: list[runs.Candidate] = []
    if person.waits and regrouped:
        candidates = runs.joined(work, person)
    elif person.waits and counts:
        runs.ended(work, person, event)
        candidates = runs.woken(work, person, event)
    if event.source == OWN:  # first, for it may end a run that the event would start anew
        runs.take_steps(work, person, runs.told(work, person, event))
    if occurs:
        candidates += runs.entering(work, person, event)
        if edges:
            candidates += runs.by_segments(work, person, edges, _cause(event, state.now))
        if event.kind == EXIT:
            runs.told_to_exit(work, person, event)
        if moved and workspace is not None:
            for trigger, said in changes.changed(workspace, moved):
                cause = _cause(event, event.time)._replace(event={**event.properties, **said})
                candidates += runs.occurred(work, person, [trigger], cause)
    elif counts and edges and workspace is not None and workspace.including:
        cause = _cause(event, state.now)
        candidates += runs.by_definition(work, person, edges, cause)
    if candidates:
        runs.take_steps(work, person, candidates)
    for other in others:
        _moved(work, other, _cause(event, state.now) if occurs else None, offset)
    _touched(work, person, offset)


def _adopt(work: Work, person: Person) -> bool:
    """Bring somebody up to the definitions in force; what that changes starts who asked for it."""
    edges = memberships.adopt(work, person)
    if edges is None:
        return False
    workspace = work.state.workspace
    if workspace is not None and workspace.including:
        entry, nth = work.state.offset
        cause = runs.Cause(f"definition@{entry}.{nth}", work.state.now)
        runs.take_steps(work, person, runs.by_definition(work, person, edges, cause))
    return True


def _copy(work: Work, event: Event, offset: Offset, *, same: bool) -> None:
    """An event that was applied before: counted, or kept as a dead letter where it says otherwise."""
    person = work.state.find(event.leaf)
    if not same:
        letter = DeadLetter(
            source=event.source,
            trust=event.trust,
            code="conflicting_copy",
            reason=f"message {event.message_id} came before with another content",
            body=msgspec.json.encode(event),
            accepted_us=event.accepted_us,
        )
        work.dead.append((offset, letter))
        return
    if person is not None and person.offset < offset:
        work.count(person.id, "duplicate")
        if event.source in OURS:
            work.count(person.id, "own_duplicate")
        _touched(work, person, offset)


def _withdraw(work: Work, person: Person, purpose: str, channel: str) -> None:
    workspace = work.state.workspace
    purposes = [purpose]
    if purpose == EVERY:  # for which workers do not ask
        known = () if workspace is None else workspace.purposes
        purposes = [one for one in known if one != TRANSACTIONAL_PURPOSE]
    work.withdrawals += [
        Withdrawal(person_id(leaf), one, channel, work.state.now)
        for leaf in person.leaves
        for one in purposes
    ]


def _cause(event: Event, time: int) -> runs.Cause:
    words = f"{event.source}/{event.leaf}/{event.message_id}"
    return runs.Cause(words, time, event.accepted_us, chain=event.chain)


def _moved(work: Work, person: Person, cause: runs.Cause | None, offset: Offset) -> None:
    """Bring somebody up to date from whom an edge took something, or whom it gave something."""
    person.whole = True
    edges = memberships.after_all(work, person)
    calendars.arrange(work, person)
    if work.state.workspace is not None and work.state.workspace.aims:
        goals.reached(work, person, work.state.workspace)
    candidates = runs.joined(work, person)
    if cause is not None:
        candidates += runs.by_segments(work, person, edges, cause)
    runs.take_steps(work, person, candidates)
    _touched(work, person, offset)


def _join(work: Work, join: Join, offset: Offset) -> None:
    """Join or part two identifiers by an operator's word."""
    if erasure.names_erased(work, (join.one, join.other), offset):
        return
    for person in people.rejoin(work, join, offset):
        _adopt(work, person)
        _moved(work, person, runs.Cause(f"join/{join.id}", work.state.now), offset)


def _reach(tick: Tick, now: int) -> Due:
    """Return up to whom a tick reaches; nobody is asked before their time."""
    return min((tick.due, tick.person), (now, EVERYBODY))


def _tick(work: Work, tick: Tick, offset: Offset) -> None:
    """Time passes: each person who is due is asked what becomes of it."""
    state = work.state
    for due, whom in state.dues.until(_reach(tick, state.now)):
        person = state.people[whom]
        if person.offset >= offset:
            continue
        _adopt(work, person)
        edges = memberships.after_time(work, person)
        candidates = runs.due(work, person)
        candidates += runs.by_segments(work, person, edges, runs.Cause(f"time@{due}", state.now))
        for trigger, at in calendars.due(work, person):
            cause = runs.Cause(f"calendar@{at}", state.now)
            candidates += runs.occurred(work, person, [trigger], cause)
        runs.take_steps(work, person, candidates)
        _touched(work, person, offset)


def _erase(work: Work, said: Erase, offset: Offset) -> None:
    for person in erasure.erase(work, said, offset):
        _adopt(work, person)
        _moved(work, person, None, offset)


def _sweep(work: Work, sweep: Sweep, addresses: Mapping[str, str | None], offset: Offset) -> None:
    """Bring a part of the people up to date with workspace and time; nothing occurs from it."""
    state = work.state
    for whom in state.within(sweep):
        person = state.people.get(whom)
        if person is None or not person.ids:
            continue  # a tombstone, or an earlier one's new limits changed them
        if person.offset >= offset:  # the same
            _note_versions(state, person)
            continue
        if idle.stayed_away(state, person):
            idle.let_go(work, person, offset)
            continue
        if len(person.ids) > 1 or person.refused:
            for changed in people.regroup(work, person, offset):
                _adopt(work, changed)
                _moved(work, changed, None, offset)
        person = state.people.get(whom)
        if person is not None and person.offset < offset:
            if _adopt(work, person):
                _touched(work, person, offset)
            _note_versions(state, person)  # behind `migrate: live`
    state.loaded.discard(sweep)
    rest = state.sweep
    if rest is not None and sweep.first <= rest.first <= sweep.last:
        left = Sweep(sweep.last + 1, rest.last)
        state.sweep = left if left.first <= left.last else None
        if state.sweep is None:
            _retire(state, addresses)


def _note_versions(state: State, person: Person) -> None:
    """Remember which former triggers somebody's runs are on, until all people have been met."""
    if state.sweep is not None and person.waits and state.workspace and state.workspace.formers:
        state.in_use.update((run.trigger, run.version) for _, run in person.runs())


def _retire(state: State, addresses: Mapping[str, str | None]) -> None:
    """Let go of former triggers that no run is on any more, once everybody has been met."""
    workspace = state.workspace
    if workspace is None or state.in_use.issuperset(workspace.formers):
        return
    _follow(state, formers.kept(workspace, state.files, state.in_use), addresses)
    state.in_use = set()
    state.sweep = Sweep(0, PLACES - 1)  # people forget what only those had remembered


def _learned(state: State, said: Learned) -> None:
    """Take what was worked out from all people; who follows something else is swept."""
    before = state.learnt
    state.learn(state.learned | {said.what: said.values})
    workspace = state.workspace
    if workspace is None or state.learnt is before:
        return
    placed = state.learnt.models != before.models and workspace.ranked
    if placed or any(segment.learnt for segment in workspace.segments):
        state.sweep = Sweep(0, PLACES - 1)


def _spread(work: Work, said: Spread, offset: Offset) -> None:
    """Let people hear of a change of an item's."""
    state, workspace = work.state, work.state.workspace
    change = items.spreading(work, said)
    if change is None:
        return
    trigger = workspace.named.get(said.trigger) if workspace is not None else None
    if trigger is not None and trigger.item is not None:
        for leaf in said.leaves:
            person = state.find(leaf)
            if person is not None and person.offset < offset:
                _adopt(work, person)
                items.tell(work, person, trigger, said.item, change)
                _touched(work, person, offset)
    items.told(work, said, change, offset)


def _filled(work: Work, said: Filled, addresses: Mapping[str, str | None], offset: Offset) -> None:
    """Join what happened before a version to what came after it, for leaves of a range of places."""
    state, workspace = work.state, work.state.workspace
    gap = state.history.find(Offset(said.entry, said.nth))
    if workspace is None or gap is None or gap.next != said.first:
        return  # another one said it already
    concerned: dict[str, Person] = {}  # with several leaves in it, perhaps
    for key, past in said.leaves.items():
        person = state.find(key)
        leaf = person.leaves.get(key) if person is not None else None
        if person is None or leaf is None or person.offset >= offset:
            continue
        concerned[person.id] = person
        _adopt(work, person)
        warming.fill(work, leaf, past, gap, workspace)
    for person in concerned.values():
        person.whole = True
        person.refresh(workspace.slots)
        _touched(work, person, offset)
    history = state.history.filled(gap, workspace.slots, said.last, said.since)
    if history.find(gap.at) is None:
        _know(state, history, addresses)
    else:
        state.history = history  # nobody decides anything else for it yet


def _know(state: State, history: History, addresses: Mapping[str, str | None]) -> None:
    """Decide by what is known of the past from here on."""
    state.history = history
    _follow(state, state.files, addresses)
    state.sweep, state.in_use = Sweep(0, PLACES - 1), set()


def _cover(state: State, addresses: Mapping[str, str | None]) -> None:
    """Look which windows have passed, where it is time; the engine's clock may be ahead of the log's."""
    if state.workspace is not None and state.workspace.warms_at <= state.now:
        _know(state, state.history._replace(passed=state.now), addresses)


def _touched(work: Work, person: Person, offset: Offset) -> None:
    person.offset = offset
    person.decided = min(person.decided, work.state.now)
    work.dirty.add(person.id)
    if work.state.sweep is not None:
        _note_versions(work.state, person)
    due = person.due
    if due != person.known_due:
        person.known_due = due
        work.state.dues.set(person.id, due)


def _follow(state: State, files: dict[str, str], addresses: Mapping[str, str | None]) -> None:
    """Go by these files from here on, and by what is known of the past of what they ask for."""
    state.workspace, state.files = _load(state, files, addresses), files
    state.history = state.history.of(warming.own_slots(state.workspace))


def _load(state: State, files: Mapping[str, str], addresses: Mapping[str, str | None]) -> Workspace:
    paused = failing.versions(state.paused.values())
    return load(files, addresses, paused, state.history, new=False)


def _version(
    work: Work, version: Version, addresses: Mapping[str, str | None], offset: Offset
) -> None:
    """Take a workspace into force. One that no longer loads leaves the last good one live."""
    try:
        workspace = load(version.files, addresses, new=False)
    except WorkspaceError as error:
        work.explain("", "workspace", "refused", "invalid", str(error))
        return
    state, files = work.state, version.files
    failing.follow(work, workspace, offset)
    state.history = warming.asked(state, workspace.slots, offset)
    if state.workspace is not None:
        state.sweep = Sweep(0, PLACES - 1)
        workspace = _load(state, files, addresses)
        former = formers.carried(state.workspace, state.files, workspace)
        if former:
            files = files | former
    _follow(state, files, addresses)
    state.in_use = set()
    work.workspaces.append((workspace.hash, version.files))
