"""Read one person: the ledger's state, the log's recent events, and what became of messages.

The engine writes behind by a second or two. So a reader first waits until the ledger has
everything that the log had when it was asked.
"""

import time
from collections.abc import Container, Iterator
from typing import Any

import msgspec

from channels.delivery.ledger import Row, rows_of
from events.record import Event, decode
from events.sources.base import Log
from flows.open import open_log
from kairos.discovery import found_in
from kairos.profile.find import candidates, the_one
from kairos.settings import Settings
from profile_state.leaf import Run, Sent
from profile_state.person import Person, unpack
from profile_state.shown import shown
from profile_state.stores.redis import RedisStore
from triggers.definitions import Workspace
from triggers.load import load

PATIENCE_S = 3.0  # until a profile is shown as it is, with a word about what is missing
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


class Profile(msgspec.Struct, frozen=True):
    """Everything that there is to see. Times are ms since 1970."""

    id: str
    identifiers: list[str]
    refused: list[str]  # identifiers that other statements would have joined
    first: int
    last: int
    events: int  # how many were applied, ever
    traits: dict[str, Any]  # name -> {value, at}
    addresses: dict[str, Any]  # kind -> {value, at}, vouched for
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
    log = open_log(settings.log)
    store = RedisStore(settings.ledger)
    try:
        behind = not _caught_up(log, store)
        # The index knows a person's former ids; the present one is where they are.
        lead = the_one(store.load(candidates(asked), ()).leads) or asked
        value = store.load((), [lead]).people.get(lead)
        if value is None:
            return None
        mark = store.peek()
        addresses = {name: c.ADDRESS for name, c in found_in("channels").items()}
        workspace = load(mark.files, addresses) if mark.files else None
        person = unpack(value, workspace.slots if workspace is not None else {})
        delivered = rows_of(settings.deliveries, [s.activation for s in person.sent()])
        recent, back_to = _recent(log, person, events)
        now = _time_of(log, mark.offset.entry)
    finally:
        store.close()
        log.close()
    return _profile(person, workspace, delivered, recent, back_to, now, behind=behind)


def _caught_up(log: Log, store: RedisStore) -> bool:
    newest, until = log.last(0), time.monotonic() + PATIENCE_S
    while store.peek().offset.entry < newest:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _time_of(log: Log, entry: int) -> int:
    found = log.back(0, entry + 1, 1)
    return found[0].time if found else 0


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
    for record in reversed(decode(payload)):
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
    workspace: Workspace | None,
    delivered: dict[str, Row],
    recent: list[dict[str, Any]],
    back_to: int | None,
    now: int,
    *,
    behind: bool,
) -> Profile:
    leaves = person.leaves.values()
    slots = workspace.slots if workspace is not None else {}
    view = person.view
    return Profile(
        id=person.id,
        identifiers=sorted(person.ids),
        refused=sorted({end for e in person.refused for end in (e.a, e.b)} - person.ids),
        first=person.first,
        last=max((leaf.last for leaf in leaves), default=0),
        events=sum(leaf.total for leaf in leaves),
        traits={n: {"value": v, "at": t} for n, (t, _, v) in sorted(view.traits.items())},
        addresses={n: {"value": v, "at": t} for n, (t, _, v) in sorted(view.addresses.items())},
        consents=_consents(person),
        counters={k: shown(slots[k], c, now) for k, c in sorted(view.cells.items()) if k in slots},
        segments={
            name: {"since": since, "until": person.recheck.get(name)}
            for name, since in sorted(person.member.items())
        },
        runs=[_run(run) for _, run in person.runs()],
        entries=_entries(person),
        messages=[_message(sent, delivered.get(sent.activation)) for sent in person.sent()],
        recent=recent,
        looked_back_to=back_to,
        as_of=now,
        behind=behind,
    )


def _consents(person: Person) -> list[dict[str, Any]]:
    """List what each leaf said, newest last; which of it holds is for the decision to say."""
    said = []
    for leaf in person.leaves.values():
        for key, (at, _, granted) in leaf.consents.items():
            purpose, _, channel = key.partition("|")
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


def _run(run: Run) -> dict[str, Any]:
    return {
        "trigger": run.trigger,
        "key": run.key,
        "since": run.started,
        "due": run.due,
        "waits": "absence" if run.step < 0 else f"step {run.step}",
        "event": run.event,
    }


def _entries(person: Person) -> dict[str, list[int]]:
    names = {name for leaf in person.leaves.values() for name in leaf.entries}
    return {name: person.entries(name) for name in sorted(names)}


def _message(sent: Sent, row: Row | None) -> Message:
    return Message(
        at=sent.time,
        channel=sent.channel,
        purpose=sent.purpose,
        trigger=sent.trigger,
        id=sent.activation,
        outcome=row.state if row is not None else "",
        detail=row.detail if row is not None else "",
    )
