"""The engine of a replay decides what the live engine decided, to the millisecond."""

import random

import pytest

from events import record
from events.record import Event
from events.sources.memory import MemoryLog
from events.sources.replayed import ReplayedLog
from flows.replayed import ReplayedEngine
from profile_state.stores.memory import MemoryStore, Shelf
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, Shop, an_event, at
from triggers import activation

SENDS = "do: [{send: {channels: [webhook]}}]\ndeliver: {purpose: product}\n"
FILES = {
    "segments/warm.yaml": "segment: warm\nif: count(product_viewed, last 1d) >= 2\n",
    "triggers/left.yaml": f"trigger: left\nwhen: {{segment: exited warm}}\nreentry: always\n{SENDS}",
    "triggers/cart.yaml": "trigger: cart\nwhen: {event: cart_updated, then_no: order_completed, within: 30m}\n"
    f"while_active: restart\nreentry: always\n{SENDS}",
    "triggers/quiet.yaml": "trigger: quiet\nwhen: {event: signed_up}\ndo: [{send: {channels: [webhook]}}]\n"
    "deliver: {purpose: product, quiet_hours: 20:00-08:00}\n",
}
NAMES = ["product_viewed", "cart_updated", "order_completed", "signed_up"]


def history(seed: int) -> list[Event]:
    """A week of five people, in order of time."""
    chance = random.Random(seed)
    times = sorted(at("10:00") + chance.randrange(7 * DAY) for _ in range(120))
    return [
        an_event(chance.choice(NAMES), user=f"u{chance.randrange(5)}", time=t, message_id=f"m{n}")
        for n, t in enumerate(times)
    ]


def decided(shelf: Shelf) -> list[tuple[int, str, str]]:
    found = [one for entry in shelf.activations for one in activation.decode(entry)]
    return sorted((one.decided, one.trigger, one.id) for one in found)


def replayed(events: list[Event], end: int) -> Shelf:
    """Read the whole log at once, as a replay does when the file is in it."""
    now = 0
    log, shelf = MemoryLog(clock=lambda: now), Shelf()
    engine = ReplayedEngine(
        log, MemoryStore(shelf), ADDRESSES, clock=lambda: now, monotonic=lambda: 0.0
    )
    engine.recover()
    engine.adopt(Shop(FILES).files)
    for event in events:
        now = event.time
        log.append(0, record.encode([event]))
    now = end + 1
    log.append(0, record.encode([record.Tick(now)]))
    while entries := engine.read():
        engine.process(entries)
    engine.drain()
    return shelf


@pytest.mark.parametrize("seed", range(6))
def test_it_decides_what_the_live_engine_decided(seed: int) -> None:
    events = history(seed)
    end = events[-1].time + 2 * DAY
    shop = Shop(FILES, start=events[0].time)
    for event in events:
        shop.wait_until(event.time)
        shop.say([event])
    shop.wait_until(end)
    shelf = replayed(events, end)
    assert decided(shelf) == decided(shop.shelf)
    assert {one.trigger for one in shop.sent} == {"left", "cart", "quiet"}, "and there is something"


def test_what_is_due_fires_at_its_own_instant_also_between_far_events() -> None:
    first = an_event("cart_updated", user="ana", time=at("10:00"), message_id="m1")
    last = an_event("product_viewed", user="bob", time=at("10:00", day=40), message_id="m2")
    (found,) = decided(replayed([first, last], last.time))
    assert found[:2] == (at("10:30"), "cart")


def test_an_order_at_the_last_instant_is_in_time() -> None:
    cart = an_event("cart_updated", user="ana", time=at("10:00"), message_id="m1")
    order = an_event("order_completed", user="ana", time=at("10:30"), message_id="m2")
    assert decided(replayed([cart, order], at("12:00"))) == []


def test_the_log_takes_its_times_from_the_events(valkey: object) -> None:
    log = ReplayedLog(f"replayed://{valkey}?name=past")
    assert log.append(0, b"version") >> 20 == 0, "before every event"
    log.append_at(0, b"one", 5 * HOUR)
    log.append_at(0, b"late", 1 * HOUR)
    log.append_at(0, b"two", 5 * HOUR + MINUTE)
    entries = log.read(0, -1, 10, 0)
    assert [e.time for e in entries] == [0, 5 * HOUR, 5 * HOUR, 5 * HOUR + MINUTE]
    assert [e.payload for e in entries] == [b"version", b"one", b"late", b"two"]
    log.close()
