"""The same log gives the same people and the same activations, wherever it is cut and crashed."""

import random
from typing import Any

import pytest

from events import record
from events.record import VERIFIED, Event
from events.sources.base import Log
from events.sources.memory import MemoryLog
from flows.bounds import DEFAULT, Bounds
from flows.engine import Engine
from profile_state.stored import unpack
from profile_state.stores.memory import MemoryStore, Shelf
from tests.shop import ADDRESSES, DAY, MINUTE, WORKSPACE, Shop, an_event, at
from triggers import activation

FILES = {
    "workspace.yaml": WORKSPACE
    + "channels: {email: {caps: {marketing: 2 per 1d}}}\nquiet_hours: 21:00-08:00\n",
    "templates/hello.email.liquid": "---\nsubject: Hello\n---\nHello {{ first_name }}, {{ event.items }}",
    "segments/warm.yaml": "segment: warm\nif: ['count(product_viewed, last 1d) >= 3']\n",
    "segments/spender.yaml": "segment: spender\nif: ['sum(order_completed.total, last 2d) > 50', 'in_segment(warm)']\n",
    "triggers/cart.yaml": """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
key: cart_id
while_active: restart
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: marketing}
""",
    "triggers/warmed.yaml": """
trigger: warmed
when: {segment: entered warm}
reentry: cooldown 2h
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "triggers/viewed.yaml": """
trigger: viewed
when: {event: product_viewed}
if: ['count(product_viewed where product_id = event.product_id, last 1d) >= 2']
key: product_id
reentry: max 2 per 1d
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: marketing, priority: 10, caps: {email: 1 per 1d, calendar: true}, on_cap: delay}
""",
    "triggers/undecided.yaml": """
trigger: undecided
when: {sequence: [product_viewed, cart_updated, product_viewed same product_id], without: order_completed, within: 12h}
key: product_id
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}


CROWDED = Bounds(people=0, stride=2048)  # nobody stays in memory who has not just been touched


def history(seed: int, size: int = 250) -> list[tuple[int, list[Event]]]:
    """Make entries: (when the log takes it, events), with devices, logins, copies and late ones."""
    draw = random.Random(seed)
    users = [f"u{n}" for n in range(6)]
    devices = [f"d{n}" for n in range(8)]
    now = at("9:00")
    entries: list[tuple[int, list[Event]]] = []
    events: list[Event] = []
    for n in range(size):
        now += draw.choice((0, 50, 1000, MINUTE, 10 * MINUTE, 40 * MINUTE))
        time = now - draw.choice((0, 0, 0, 5 * MINUTE, 3 * 60 * MINUTE))
        who: dict[str, Any] = draw.choice(
            (
                {"user": draw.choice(users)},
                {"anon": draw.choice(devices)},
                {"anon": draw.choice(devices)},
                {"user": draw.choice(users), "anon": draw.choice(devices)},
            )
        )
        name = draw.choice(
            (
                "product_viewed",
                "product_viewed",
                "cart_updated",
                "order_completed",
                "identify",
                "consent_updated",
            )
        )
        rest: dict[str, Any] = {}
        if name == "cart_updated":
            rest = {"cart_id": f"c{draw.randrange(3)}", "items": str(n)}
        elif name == "order_completed":
            rest = {"cart_id": f"c{draw.randrange(3)}", "total": draw.randrange(60)}
        elif name == "product_viewed":
            rest = {"product_id": f"p{draw.randrange(4)}"}
        elif name == "consent_updated":
            rest = {"purpose": "marketing", "granted": draw.random() < 0.8}
        elif "user" in who and draw.random() < 0.7:
            who = {"user": who["user"]}
            mail = f"{who['user']}@shop.example"
            rest = {
                "trust": VERIFIED,
                "traits": {"email": mail, "first_name": str(n)},
                "email": mail,
            }
        event = an_event(name, message_id=f"m{n}", time=time, **who, **rest)
        events.append(event)
        group = [event]
        if draw.random() < 0.1:
            group.append(draw.choice(events))  # a copy
        entries.append((now, group))
    return entries


def run_through(seed: int) -> tuple[MemoryLog, Shelf]:
    """Run a history once without a crash, ticks and all; return its log and ledger."""
    shop = Shop(FILES, start=at("9:00"))
    entries = history(seed)
    for nth, (instant, events) in enumerate(entries):
        shop.wait_until(instant)
        if nth == len(entries) // 2:
            shop.edit(segments__warm=FILES["segments/warm.yaml"].replace(">= 3", ">= 2"))
        if nth in (2 * len(entries) // 5, 3 * len(entries) // 5):
            most = 2 if nth < len(entries) // 2 else 1
            shop.edit(
                workspace=FILES["workspace.yaml"] + f"identity: {{user_id: {{max: {most}}}}}\n"
            )
        if nth in (len(entries) // 3, 2 * len(entries) // 3):
            shop.join("user_id:u1", "anonymous_id:d1", cut=nth > len(entries) // 2)
            shop.join("user_id:u2", "user_id:u3", cut=nth > len(entries) // 2)
        if nth == 3 * len(entries) // 4:
            shop.erase("user_id:u0")
        shop.say(events)
    shop.wait(2 * DAY)
    shop.engine.drain()
    return shop.log, shop.shelf


def read_again(log: Log, seed: int, bounds: Bounds = DEFAULT) -> tuple[Shelf, int, int]:
    """Read a finished log into an empty ledger, in other batches, crashing on the way.

    Returns:
        The ledger, how often the engine crashed, and how many people left memory meanwhile.
    """
    draw, now_s = random.Random(seed), 0.0
    shelf, crashes, released = Shelf(), 0, 0
    engine = opened(log, shelf, bounds)
    while engine.position < log.last(0):
        entries = log.read(0, engine.position, draw.randrange(1, 12), 0)
        engine.process(entries)
        for _ in range(draw.randrange(3)):
            now_s += draw.choice((0.0, 0.002, 1.0))
            engine.behind.pump(now_s, period_s=1.0)
            engine.residents.step()
        if draw.random() < 0.15:
            crashes += 1
            released += engine.residents.released
            engine = opened(log, shelf, bounds)
    engine.drain()
    return shelf, crashes, released


def opened(log: Log, shelf: Shelf, bounds: Bounds) -> Engine:
    engine = Engine(
        log,
        MemoryStore(shelf),
        ADDRESSES,
        clock=lambda: 0,
        monotonic=lambda: 0.0,
        bounds=bounds,
    )
    engine.recover()
    return engine


def people_of(shelf: Shelf) -> dict[str, Any]:
    """Every person in a form that compares, without the offset and what only caches."""
    people = {}
    for person, value in shelf.people.items():
        p = unpack(value, {})
        people[person] = (
            sorted(p.ids),
            {key: record_of(leaf) for key, leaf in sorted(p.leaves.items())},
            sorted(p.edges),
            sorted(p.refused),
            sorted(p.member.items()),
        )
    return people


def record_of(leaf: Any) -> Any:
    return {name: getattr(leaf, name) for name in leaf.__struct_fields__}


def activations_of(shelf: Shelf) -> dict[str, tuple[str, str | None, int]]:
    found = (a for entry in shelf.activations for a in activation.decode(entry))
    return {a.id: (a.trigger, a.address, a.decided) for a in found}


@pytest.mark.parametrize("seed", range(12))
def test_i1_people_activations_and_counts_do_not_depend_on_batches_or_crashes(seed: int) -> None:
    log, live = run_through(seed)
    sent = {trigger for trigger, _, _ in activations_of(live).values()}
    assert {"undecided", "warmed"} <= sent, "a history that sends nothing proves nothing"
    for again, bounds in enumerate((DEFAULT, DEFAULT, CROWDED)):
        shelf, crashes, released = read_again(log, seed * 100 + again, bounds)
        assert crashes > 3
        assert (released > 0) == (bounds is CROWDED)
        assert people_of(shelf) == people_of(live)
        assert activations_of(shelf) == activations_of(live)
        assert shelf.dues == live.dues
        assert +shelf.counts == +live.counts


def test_i4_and_i8_every_accepted_event_is_in_one_place() -> None:
    log, live = run_through(3)
    accepted = [
        r
        for e in log.read(0, -1, 10**6, 0)
        for r in record.decode(e.payload)
        if isinstance(r, Event)
    ]
    counts, dead = live.counts, len(live.dead)
    assert min(counts["erased"], counts["forgotten"], counts["duplicate"]) > 0
    assert counts["applied"] + counts["duplicate"] + counts["erased"] + dead == len(accepted)
    totals = sum(
        leaf["total"] for person in people_of(live).values() for leaf in person[1].values()
    )
    assert totals + counts["forgotten"] == counts["applied"] <= len({r.key for r in accepted})
    assert sum(1 for p in people_of(live).values() if p[1]) == live.counts["people"]
