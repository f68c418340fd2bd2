"""The books: what clients and providers wrote down, beside what the engine says.

Nothing in here asks the engine for its opinion alone. What was accepted stands in the client's own
file, what arrived in the providers'. What was applied is read person by person out of the ledger,
and what was appended record by record out of log and archive; the engine's counters are compared
with those, not believed. Who is owed which message follows from the client's file by three rules.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from channels.delivery.beside import Choice, chosen, listed
from channels.delivery.slot import Row
from events.record import OURS, Event, decode
from events.sources.base import Log
from flows.open import open_whole
from kairos.figures import Gauge
from kairos.settings import Settings
from profile_state.stored import unpack
from profile_state.stores.base import everybody
from profile_state.stores.redis import RedisStore

READ = 512  # entries
MOST = 1_000_000  # rows of a delivery ledger that are listed
SHOWN = 5  # examples of what is wrong
EMAILS = ("welcome", "reminder")  # triggers whose messages go to a provider without a key

Owed = tuple[str, str]  # trigger, user


class Told(NamedTuple):
    """What the client's file says."""

    ids: dict[str, str]  # message id -> leaf
    people: dict[str, set[str]]  # user -> their leaves
    owed: set[Owed]


class Arrived(NamedTuple):
    """What the providers' file says."""

    ids: dict[Owed, set[str]]  # message -> activation ids under which it came
    doubled: int  # copies that a provider without keys took
    dropped: int  # copies that a provider with keys dropped


class Balance(msgspec.Struct, frozen=True):
    """How the books stand; `wrong` says in words what does not agree."""

    accepted: int  # distinct events that a client got a 200 for
    applied: int  # found in the ledger, person by person
    lost: int  # accepted and not applied
    doubled: int  # applied more than once, or never accepted
    owed: int  # messages
    sent: int  # of those, arrived
    unsent: int  # of those, neither arrived nor held as unknown
    double_sends: int  # messages that somebody got twice, or was not owed
    unknown: int  # held, because a crash fell into the call; some of them arrived
    duplicates: int  # copies in the log
    dropped: int  # copies that a provider dropped by its key
    wrong: list[str]


def balance(settings: Settings, record: Path, receipts: Path, erased: set[str]) -> Balance:
    """Compare; everything must have come to rest.

    Args:
        settings: of the stack.
        record: the client's file.
        receipts: the providers' file.
        erased: users who were erased after their last event.
    """
    told, arrived = _told(record), _arrived(receipts)
    unknown = listed(settings.deliveries, "unknown", MOST)
    leaves, people = _people(settings)
    counts = _counts(settings)
    appended, own = _appended(settings)
    gone = {leaf for user in erased for leaf in told.people[user]}
    ours = Counter(leaf for leaf, _ in own if leaf not in gone)
    expected = Counter(leaf for leaf in told.ids.values() if leaf not in gone) + ours
    forgotten = sum(leaf in gone for leaf in told.ids.values())
    # A receipt of somebody erased came before that, and is forgotten with them, or after it.
    late = range(sum(leaf in gone for leaf, _ in own) + 1)
    then = counts.get("forgotten", 0) - forgotten
    copies = Counter({of: n - 1 for of, n in own.items()})
    kept = sum(n for (leaf, _), n in copies.items() if leaf not in gone)
    stay = {user: own for user, own in told.people.items() if user not in erased}
    wrong = [
        *_differ("events of", expected, leaves),
        *_differ("leaves of", stay, people),
        *_differ("log holds", dict.fromkeys(told.ids, True), dict.fromkeys(appended, True)),
        *_unheard(settings, {name for _, name in own}),
    ]
    duplicates = appended.total() - len(appended)
    for name, counted in (
        ("applied", [len(told.ids) + ours.total() + then]),
        ("duplicate", range(duplicates + kept, duplicates + copies.total() + 1)),
        ("forgotten", [forgotten + n for n in late]),
        ("people", [len(stay)]),
    ):
        if counts.get(name, 0) not in counted:
            wrong.append(f"counter {name}: {counted[0]} expected, found {counts.get(name, 0)}")
    unsent, strays, words = _messages(told, arrived, unknown, erased)
    return Balance(
        accepted=len(told.ids),
        applied=leaves.total() - ours.total() + forgotten,
        # Whoever was erased has nothing in the ledger, and still all of it in the log.
        lost=max((expected - leaves).total(), len(told.ids.keys() - appended.keys())),
        doubled=(leaves - expected).total(),
        owed=len(told.owed),
        sent=len(arrived.ids.keys() & told.owed),
        unsent=unsent,
        double_sends=arrived.doubled + strays,
        unknown=len(unknown),
        duplicates=duplicates,
        dropped=arrived.dropped,
        wrong=[*wrong, *words],
    )


def _told(record: Path) -> Told:
    told = Told({}, {}, set())
    for line in record.read_bytes().splitlines():
        said = orjson.loads(line)
        user, names = said["user"], [name for _, _, name in said["events"]]
        for name, leaf, _ in said["events"]:
            told.ids[name] = leaf
            told.people.setdefault(user, set()).add(leaf)
        told.owed.update(("welcome", user) for name in names if name == "signed_up")
        told.owed.update(("order", user) for name in names if name == "order_completed")
        if "cart_updated" in names and "order_completed" not in names:
            told.owed.add(("reminder", user))
    return told


def _arrived(receipts: Path) -> Arrived:
    ids: dict[Owed, set[str]] = {}
    times: Counter[tuple[str, str]] = Counter()
    for line in receipts.read_bytes().splitlines():
        row = orjson.loads(line)
        times[row["channel"], row["id"]] += 1
        if row["channel"] == "email":
            message = row["subject"], row["to"].partition("@")[0]
        else:
            message = row["trigger"], row["event"]["who"]
        ids.setdefault(message, set()).add(row["id"])
    again = Counter({key: n - 1 for key, n in times.items()})
    by_channel = {
        c: sum(n for (of, _), n in again.items() if of == c) for c in ("email", "webhook")
    }
    return Arrived(ids, by_channel["email"], by_channel["webhook"])


def _messages(
    told: Told, arrived: Arrived, unknown: list[Row], erased: set[str]
) -> tuple[int, int, list[str]]:
    """Return messages that were not sent, those that nobody was owed, and words about both.

    The ledger of deliveries names nobody, so what is held is set off against what is missing by
    trigger. An erased person's messages may have left or not.
    """
    strays = sum(len(ids) - 1 for ids in arrived.ids.values())
    strays += len(arrived.ids.keys() - told.owed)
    missing = {m for m in told.owed - arrived.ids.keys() if m[1] not in erased}
    seen = {i.strip("<>").partition("@")[0] for ids in arrived.ids.values() for i in ids}
    held = Counter(row.trigger for row in unknown if row.id not in seen)
    unsent, words = 0, []
    for trigger, count in Counter(trigger for trigger, _ in missing).items():
        if count > held[trigger]:
            unsent += count - held[trigger]
            who = sorted(user for of, user in missing if of == trigger)[:SHOWN]
            words.append(f"{count} of {trigger} did not arrive, {held[trigger]} are held: {who}")
    if keyed := [row.id for row in unknown if row.trigger not in EMAILS]:
        words.append(f"held although their provider takes a key: {keyed[:SHOWN]}")
    if strays:
        more = sorted(arrived.ids.keys() - told.owed)[:SHOWN]
        twice = sorted(m for m, ids in arrived.ids.items() if len(ids) > 1)[:SHOWN]
        words.append(f"not owed: {more}; under two ids: {twice}")
    return unsent, strays, words


def _people(settings: Settings) -> tuple[Counter[str], dict[str, set[str]]]:
    """Read everybody: leaf -> events, and user -> leaves of the one person whom they belong to."""
    leaves: Counter[str] = Counter()
    people: dict[str, set[str]] = {}
    store = RedisStore(settings.ledger)
    for value in everybody(store):
        person = unpack(value, {})
        for key, leaf in person.leaves.items():
            leaves[key] += leaf.total
        users = [i.partition(":")[2] for i in person.ids if i.startswith("user_id:")]
        if person.leaves:
            people["+".join(sorted(users))] = set(person.leaves)
    store.close()
    return +leaves, people


def _counts(settings: Settings) -> dict[str, int]:
    gauge = Gauge(settings)
    try:
        return gauge.read().counts
    finally:
        gauge.close()


def _unheard(settings: Settings, heard: set[str]) -> list[str]:
    """Say how many mails were delivered of which the log has no word."""
    rows = chosen(settings.deliveries, Choice(states=("delivered",), channel="email"), MOST)
    missing = [row.id for row in rows if f"{row.id}/sent" not in heard]
    return [f"{len(missing)} mails of which nobody was told: {missing[:SHOWN]}"] if missing else []


def _appended(settings: Settings) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Count copies in archive and log together: by message id, and of our own by leaf as well."""
    found: Counter[str] = Counter()
    own: Counter[tuple[str, str]] = Counter()
    log: Log = open_whole(settings)
    after = -1
    while entries := log.read(0, after, READ, 0):
        for entry in entries:
            for record in decode(entry.payload):
                if isinstance(record, Event) and record.source in OURS:
                    own[record.leaf, record.message_id] += 1
                elif isinstance(record, Event):
                    found[record.message_id] += 1
        after = entries[-1].id
    log.close()
    return found, own


def _differ(what: str, expected: Mapping[str, object], found: Mapping[str, object]) -> list[str]:
    names = [
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    ]
    if not names:
        return []
    examples = [f"{n}: {expected.get(n)} / {found.get(n)}" for n in sorted(names)[:SHOWN]]
    return [f"{what} {len(names)}, expected / found: {'; '.join(examples)}"]
