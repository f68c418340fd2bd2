"""What the door owes its clients: what it said 200 to is in the log, as it was meant, and nothing else."""

from collections.abc import Iterator

from tests.simulation.history import CLOCKS, Batch, Message
from tests.simulation.oracle.evidence import NOBODYS, Evidence, Place, Said
from tests.simulation.oracle.facts import STATEMENTS, counts
from tests.simulation.oracle.who import growing
from tests.simulation.shop import DAY


def accepted_is_durable(evidence: Evidence) -> Iterator[str]:
    """Promise 1: a 200 means that every event it lists was in the log before it."""
    entries: dict[int, int] = {}
    places = [(s.n, s.place) for s in evidence.said] + [(n, at) for at, n in evidence.letters]
    for n, place in places:
        entries[n] = min(place[0], entries.get(n, place[0]))
    for batch, end in evidence.accepted:
        for message in batch.messages:
            if entries.get(message.n, end + 1) > end:
                yield f"message {message.n} was accepted, and is not in the log up to entry {end}"


def nothing_is_invented(evidence: Evidence) -> Iterator[str]:
    """What the log says is what a client said."""
    meant = {m.n: (batch, m) for batch in evidence.sent for m in batch.messages}
    for said in evidence.said:
        if said.n == NOBODYS:
            continue
        batch, message = meant[said.n]
        for name, (found, right) in _told(said, batch, message).items():
            if found != right:
                yield f"message {said.n} at {said.place}: {name} should be {right!r}, found {found!r}"


def _told(said: Said, batch: Batch, message: Message) -> dict[str, tuple[object, object]]:
    ids = _identifiers(message)
    traits = dict(message.traits)
    addresses = {}
    if "email" in traits:
        traits["email"] = traits["email"].lower()
        addresses = {"email": traits["email"]} if message.server else {}
    return {
        "name": (said.name, message.name or message.kind),
        "leaf": (said.leaf, ids[0]),
        "ids": (said.ids, ids),
        "source": (said.source, "shop" if message.server else "web"),
        "trust": (said.trust, 1 if message.server else 0),
        "properties": (said.properties, message.properties),
        "traits": (said.traits, traits),
        "addresses": (said.addresses, addresses),
        "time": (said.time in _times(said, batch, message), True),
    }


def _identifiers(message: Message) -> tuple[str, ...]:
    found = [f"user_id:{message.user}"] if message.user else []
    found += [f"anonymous_id:{message.anonymous}"] if message.anonymous else []
    if message.previous:
        found.append(
            message.previous if ":" in message.previous else f"anonymous_id:{message.previous}"
        )
    if message.server and "email" in message.traits:
        found.append("email:" + message.traits["email"].lower())
    if not message.server and message.name in STATEMENTS:
        found.sort(key=lambda i: not i.startswith("anonymous_id:"))  # consent is the visitor's
    return tuple(found)


def _times(said: Said, batch: Batch, message: Message) -> range:
    """Return when it may have happened: a request takes a moment, which looks like a slow clock."""
    off = CLOCKS[batch.clock]
    received = said.accepted
    if batch.clock == "none":
        return range(message.happened, message.happened + 1) if message.server else _at(received)
    if abs(off) > DAY:
        return _at(received)
    told = message.server and received - message.happened > DAY + 2_000
    happened = message.happened
    return range(happened, happened + 1) if told else range(happened, happened + 1_600)


def _at(ms: int) -> range:
    return range(ms, ms + 1)


def every_id_is_in_one_place(evidence: Evidence) -> Iterator[str]:
    """I8: what was accepted is applied, a duplicate, dead-lettered or erased; once, and counted.

    I4: what the leaves count is what was applied, less what was forgotten with the erased.
    """
    who = growing(evidence)
    first: dict[tuple[str, str, str], Said] = {}
    applied = duplicates = old = 0
    erased = 0
    meant = {m.n: m for batch in evidence.sent for m in batch.messages}
    dead: dict[Place, str] = {
        place: "identity_needed" if meant[n].name else "missing_event_name"
        for place, n in evidence.letters
    }
    for said in evidence.said:
        if who.dropped(said.place, said.leaf):
            erased += 1
            continue
        before = first.setdefault(said.key, said)
        if not counts(said):
            old += 1
        elif before is said:
            applied += 1
        elif before.n == said.n:
            duplicates += 1
        else:
            dead[said.place] = "conflicting_copy"
    live = evidence.live
    assert live is not None
    forgotten = sum(
        counts(s) and s.leaf in who.gone and s.place < who.gone[s.leaf].place
        for s in first.values()
    )
    expected = {
        "applied": applied,
        "duplicate": duplicates,
        "too_old": old,
        "erased": erased,
        "words_dropped": sum(who.dropped(w.place, *w.ends) for w in evidence.words),
        "erasures": sum(not gone.along for gone in who.erasures),
        "forgotten": forgotten,
    }
    for what, number in expected.items():
        if live.counts.get(what, 0) != number:
            yield f"{what}: {number} were, counted {live.counts.get(what, 0)}"
    failed = [name for name in live.counts if name.startswith("failed:")]
    if failed:
        yield f"nothing in the shop's workspace raises, yet there are {failed}"
    left = {place: code for place, code in dead.items() if place not in evidence.settled}
    if live.dead != left:
        odd = sorted(live.dead.items() ^ left.items())
        yield f"dead letters differ in {odd[:4]}"
