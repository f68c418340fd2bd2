"""Read one person: the ledger's state, the log's recent events, and what became of messages."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from channels.delivery.beside import rows_of
from channels.delivery.slot import Row
from events.record import MARKETING, Event, decode
from events.scores import SIGN
from events.sources.base import Log
from kairos.profile.beside import beside
from kairos.profile.links import Link, accepted, refused
from kairos.settings import Settings
from profile_state import reach
from profile_state.consent import EVERY, GPC
from profile_state.leaf import Run, Sent
from profile_state.person import Person
from profile_state.shown import shown
from profile_state.stated import Stated, claimed
from profile_state.surroundings import SIGN as AROUND
from triggers.modelled import scores_of, why
from triggers.signs import is_ours
from triggers.state import State
from triggers.warming import own_slots

STRIDE = 256  # entries read at a time while looking back
LOOK_BACK = 20_000  # entries; how far recent events are looked for


class Message(msgspec.Struct, frozen=True):
    """A message that was decided for the person, and what became of it."""

    at: int  # ms; when it was decided
    channel: str
    purpose: str
    trigger: str
    id: str
    outcome: str  # a state of the delivery ledger; "" where no worker has it yet
    detail: str
    receipts: dict[str, int]  # what is known of it since -> when that first happened, ms


class Profile(msgspec.Struct, frozen=True):
    """Everything that there is to see. Times are ms since 1970."""

    id: str
    identifiers: list[str]
    joined: list[Link]  # what joins the identifiers
    refused: list[Link]  # what would join them with others, or did, and why it does not
    first: int
    last: int
    events: int  # how many were applied, ever
    traits: dict[str, Any]  # name -> {value, at}
    scores: dict[str, Any]  # the same of scores that were told; and {value, at, model} of others
    why: dict[str, list[str]]  # model -> what of the person moved its scores, in words
    around: dict[
        str, Any
    ]  # the same as of traits, of their device and place, where the workspace asks
    addresses: list[dict[str, Any]]  # those vouched for, of each kind the latest first
    consents: list[dict[str, Any]]
    counters: dict[str, Any]
    segments: dict[str, dict[str, int | None]]  # name -> since, and when time may end it
    runs: list[dict[str, Any]]
    entries: dict[str, list[int]]  # "trigger|key" -> when they entered, as re-entry counts it
    messages: list[Message]
    recent: list[dict[str, Any]]
    looked_back_to: (
        int | None
    )  # ms; where the search for recent events ended, None at the log's start
    as_of: int  # ms; the log's time up to which this is complete
    behind: bool  # the log has more that the ledger does not have yet


def read(settings: Settings, asked: str, events: int) -> Profile | None:
    """Read a person; None where nobody has that id.

    Args:
        settings: where log, ledger and delivery ledgers are.
        asked: an identifier, with or without its type, or a person's id.
        events: how many recent events to look for.

    Raises:
        AmbiguousError: the id means several people.
        LedgerLostError: the ledger does not answer.
        LogUnavailableError: the log does not answer.
    """
    with beside(settings) as engine:
        behind = not engine.caught_up()
        known = engine.person(asked)
        if known is None:
            return None
        state = engine.around(known.ids)
        person = state.find(min(known.ids)) or known
        delivered = rows_of(settings.deliveries, [s.activation for s in person.sent()])
        recent, back_to = _recent(engine.log, person, events)
        now = engine.time_of(state.offset.entry)
    return _profile(person, state, delivered, recent, back_to, now, behind=behind)


def _recent(log: Log, person: Person, wanted: int) -> tuple[list[dict[str, Any]], int | None]:
    """Look back for the person's events; entries that hold none are not decoded."""
    found: list[dict[str, Any]] = []
    leaves = [key.encode() for key in person.leaves]
    before, back_to = log.last(0) + 1, None
    for _ in range(LOOK_BACK // STRIDE):
        entries = log.back(0, before, STRIDE)
        for entry in entries:
            if len(found) < wanted and any(leaf in entry.payload for leaf in leaves):
                found += _events(entry.payload, entry.time, person.leaves)
        if len(entries) < STRIDE:
            return found[:wanted], None
        before, back_to = entries[-1].id, entries[-1].time
        if len(found) >= wanted:
            break
    return found[:wanted], back_to


def _events(payload: bytes, appended: int, leaves: Container[str]) -> Iterator[dict[str, Any]]:
    try:
        records = decode(payload)
    except ValueError:
        return  # a dead letter; the engine has said so
    for record in reversed(records):
        if isinstance(record, Event) and record.leaf in leaves:
            yield {
                "at": record.time,
                "appended": appended,
                "name": record.name,
                "leaf": record.leaf,
                "properties": record.properties,
                "flags": list(record.flags),
                "message_id": record.message_id,
            }


def _profile(
    person: Person,
    state: State,
    delivered: dict[str, Row],
    recent: list[dict[str, Any]],
    back_to: int | None,
    now: int,
    *,
    behind: bool,
) -> Profile:
    leaves = person.leaves.values()
    slots = own_slots(state.workspace) if state.workspace is not None else {}
    view = person.view
    receipts = person.receipts()
    return Profile(
        id=person.id,
        identifiers=sorted(person.ids),
        joined=accepted(person),
        refused=refused(state, person),
        first=person.first,
        last=max((leaf.last for leaf in leaves), default=0),
        events=sum(leaf.total for leaf in leaves),
        traits=_traits(view.traits),
        scores=_scores(person, state, now),
        why=_why(person, state, now),
        around=_stated((n[1:], s) for n, s in view.traits.items() if n[:1] == AROUND),
        addresses=[_address(one) for one in reach.found(view)],
        consents=_consents(person),
        counters={k: shown(slots[k], c, now) for k, c in sorted(view.cells.items()) if k in slots},
        segments={
            name: {"since": since, "until": person.recheck.get(name)}
            for name, since in sorted(person.member.items())
            if not is_ours(name)
        },
        runs=[run_of(run) for _, run in person.runs()],
        entries=_entries(person),
        messages=[
            _message(sent, delivered.get(sent.activation), receipts) for sent in person.sent()
        ],
        recent=recent,
        looked_back_to=back_to,
        as_of=now,
        behind=behind,
    )


def _scores(person: Person, state: State, now: int) -> dict[str, Any]:
    """Show what was told of the person, and what models say of them now."""
    found = _stated((n[1:], s) for n, s in person.view.traits.items() if n[:1] == SIGN)
    workspace = state.workspace
    if workspace is not None:
        for score, value in scores_of(workspace, person, state.learnt, now).items():
            found[score] = {"value": value, "at": now, "model": workspace.scored[score].name}
    return found


def _why(person: Person, state: State, now: int) -> dict[str, list[str]]:
    workspace = state.workspace
    if workspace is None:
        return {}
    said = {model: why(workspace, person, state.learnt, model, now) for model in workspace.models}
    return {model: lines for model, lines in said.items() if lines}


def _stated(known: Iterable[tuple[str, Stated]]) -> dict[str, Any]:
    return {name: {"value": value, "at": at} for name, (at, _, value) in sorted(known)}


def _traits(known: Mapping[str, Stated]) -> dict[str, Any]:
    """Show traits, and which of them are a browser's word alone."""
    found = {n: stated for n, stated in known.items() if n[:1] not in (SIGN, AROUND)}
    return {
        name: {**shown, "claimed": claimed(found[name])}
        for name, shown in _stated(found.items()).items()
    }


def _address(one: reach.Address) -> dict[str, Any]:
    """Show an address: how far it is trusted, and whether anything is sent there."""
    return {
        "kind": one.kind,
        "address": one.address,
        "seen": one.seen,
        "trust": "confirmed" if one.confirmed else "vouched",
        "lost": one.lost or None,
    }


def _consents(person: Person) -> list[dict[str, Any]]:
    """List what each leaf said, newest last; which of it holds is for the decision to say."""
    said = []
    for leaf in person.leaves.values():
        for key, (at, _, granted) in leaf.consents.items():
            purpose, _, channel = key.partition("|")
            if key == GPC:
                purpose, channel = MARKETING, EVERY
            said.append(
                {
                    "at": at,
                    "purpose": purpose,
                    "channel": channel,
                    "granted": granted,
                    "leaf": leaf.key,
                }
            )
    return sorted(said, key=lambda one: (one["at"], one["leaf"], one["purpose"], one["channel"]))


def run_of(run: Run) -> dict[str, Any]:
    """Show a run that waits."""
    return {
        "trigger": run.trigger,
        "key": run.key,
        "since": run.started,
        "due": run.due,
        "waits": f"step {run.step}" if run.step else "absence",
        "event": run.event,
    }


def _entries(person: Person) -> dict[str, list[int]]:
    names = {name for leaf in person.leaves.values() for name in leaf.entries}
    return {name: person.entries(name) for name in sorted(names)}


def _message(sent: Sent, row: Row | None, receipts: Mapping[str, dict[str, int]]) -> Message:
    return Message(
        at=sent.time,
        channel=sent.channel,
        purpose=sent.purpose,
        trigger=sent.trigger,
        id=sent.activation,
        outcome=row.state if row is not None else "",
        detail=row.detail if row is not None else "",
        receipts=dict(sorted(receipts.get(sent.activation, {}).items(), key=lambda one: one[1])),
    )
