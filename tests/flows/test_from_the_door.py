"""What clients send comes in through the collector's door, and the engine makes people of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from events.record import DeadLetter, Event
from profile_state.identity import edge
from tests.collector.doubles import BROWSER, SERVER, event_of, post, taken
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, at

CART = """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
WARM = "segment: warm\nif: ['count(seen, last 7d) >= 3']\n"
BLOCKED = ("", "null", "0000", "anonymous")


def receive(
    shop: Shop, *calls: dict[str, Any], key: str = BROWSER
) -> tuple[list[Event], list[DeadLetter]]:
    """A client sends calls in one batch; the door parses them, and the engine reads them."""
    for nth, call in enumerate(calls):
        call.setdefault("messageId", f"{shop.log.last(0)}-{nth}")
    events, dead = taken(post("/v1/batch", json.dumps({"batch": calls}).encode(), key), shop.now)
    shop.say([*events, *dead])
    return events, dead


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def totals(shop: Shop, identifier: str) -> dict[str, int]:
    """How many events each identifier of a person caused."""
    return {key: leaf.total for key, leaf in shop.person(identifier).leaves.items()}


def test_a1_placeholders_join_nobody_lose_no_event_and_warn_once_each() -> None:
    shop = Shop()
    blocked = ("", "null", "undefined", "0", "[object Object]")
    calls = [
        event_of(type="identify", userId=user, anonymousId=anonymous, traits={"from": anonymous})
        for user in blocked
        for anonymous in ("a", "b", "c")
    ]
    events, dead = receive(shop, *calls)
    assert (len(events), dead) == (15, [])
    assert [e.flags.count("blocked_id") for e in events] == [1] * 15
    assert shop.count("people") == 3
    for anonymous in ("a", "b", "c"):
        name = f"anonymous_id:{anonymous}"
        person = shop.person(name)
        assert (person.ids, totals(shop, name)) == ({name}, {name: 5})
        assert person.view.traits["from"][2] == anonymous


@pytest.mark.parametrize("previous", ["Bob", "user_id:Bob"])
def test_a2_neither_identify_nor_alias_makes_two_who_are_known_one(previous: str) -> None:
    shop = Shop()
    seen = event_of(anonymousId="b1")
    receive(shop, seen)
    receive(shop, event_of(type="identify", userId="Alice", anonymousId="a1"), key=SERVER)
    receive(shop, event_of(type="identify", userId="Bob", anonymousId="b1"), key=SERVER)
    assert shop.person("anonymous_id:b1") is shop.person("user_id:Bob")

    moving = {"type": "identify", "userId": "Alice", "anonymousId": "b1", "traits": {"on": "b1"}}
    receive(shop, moving, key=SERVER)
    alice, bob, device = (
        shop.person(i) for i in ("user_id:Alice", "user_id:Bob", "anonymous_id:b1")
    )
    assert len({alice.id, bob.id, device.id}) == 3
    assert alice.view.traits["on"][2] == "b1"
    assert "on" not in bob.view.traits | device.view.traits
    assert totals(shop, "anonymous_id:b1") == {"anonymous_id:b1": 1}
    refused = {(e.a, e.b) for e in device.refused}
    assert refused == {("anonymous_id:b1", "user_id:Alice"), ("anonymous_id:b1", "user_id:Bob")}
    before = shop.count("merge_refused")
    assert before == 2

    receive(shop, {"type": "alias", "userId": "Alice", "previousId": previous}, key=SERVER)
    assert shop.person("user_id:Alice") is not shop.person("user_id:Bob")
    assert totals(shop, "user_id:Alice") == {"user_id:Alice": 3}
    assert totals(shop, "user_id:Bob") == {"user_id:Bob": 1}
    assert shop.count("people") == 3
    insisted = previous != "Bob"  # else it names an anonymous id, which may be Alice's
    assert shop.count("merge_refused") == before + insisted
    pairs = {(e.a, e.b) for e in shop.person("user_id:Alice").refused}
    ends = edge(0, "", "user_id:Alice", "user_id:Bob", 0)
    assert ((ends.a, ends.b) in pairs) == insisted


def test_r30_events_on_a_shared_device_belong_to_the_user_they_name() -> None:
    shop = Shop({"segments/warm.yaml": WARM})
    for user, times in (("", 1), ("u1", 2), ("u2", 3), ("u1", 2), ("", 1)):
        calls = [event_of(anonymousId="A", userId=user or None) for _ in range(times)]
        receive(shop, *calls)
    assert totals(shop, "user_id:u1") == {"user_id:u1": 4}
    assert totals(shop, "user_id:u2") == {"user_id:u2": 3}
    assert totals(shop, "anonymous_id:A") == {"anonymous_id:A": 2}
    inside = {
        i: list(shop.person(i).member) for i in ("user_id:u1", "user_id:u2", "anonymous_id:A")
    }
    assert inside == {"user_id:u1": ["warm"], "user_id:u2": ["warm"], "anonymous_id:A": []}


@pytest.mark.parametrize("blocked", BLOCKED)
@pytest.mark.parametrize("kind", ["track", "identify", "alias"])
def test_r31_whoever_sends_a_blocked_id_stays_apart(blocked: str, kind: str) -> None:
    shop = Shop()
    good = [
        event_of(type=kind, userId=blocked, anonymousId="a1"),
        event_of(type=kind, userId=blocked, anonymousId="a2"),
        event_of(type=kind, userId="u1", anonymousId=blocked),
        event_of(type=kind, userId="u2", anonymousId=blocked, previousId=blocked),
    ]
    events, dead = receive(shop, *good, event_of(type=kind, userId=blocked, anonymousId=blocked))
    assert (len(events), [letter.code for letter in dead]) == (4, ["no_identifier"])
    assert shop.count("people") == 4
    for name in ("anonymous_id:a1", "anonymous_id:a2", "user_id:u1", "user_id:u2"):
        assert (shop.person(name).ids, totals(shop, name)) == ({name}, {name: 1})


CLOCKS = [
    pytest.param({"timestamp": 3 * DAY, "sentAt": 3 * DAY}, id="3 days ahead"),
    pytest.param({"originalTimestamp": 3 * DAY, "sentAt": 3 * DAY}, id="3 days ahead, RudderStack"),
    pytest.param({"timestamp": -3650 * DAY, "sentAt": -3650 * DAY}, id="10 years behind"),
    pytest.param({"originalTimestamp": -3650 * DAY, "sentAt": -3650 * DAY}, id="10 years, Rudder"),
    pytest.param({"timestamp": -2 * HOUR, "sentAt": -2 * HOUR}, id="2 hours behind"),
    pytest.param({"timestamp": 2 * HOUR, "sentAt": 2 * HOUR}, id="2 hours ahead"),
    pytest.param({"timestamp": -3650 * DAY}, id="10 years behind, no sentAt"),
    pytest.param({"timestamp": -29 * MINUTE}, id="29 minutes behind, no sentAt"),
    pytest.param({"timestamp": 3 * DAY}, id="3 days ahead, no sentAt"),
    pytest.param({}, id="no clock at all"),
]


@pytest.mark.parametrize("clock", CLOCKS)
def test_r33_a_wrong_clock_is_corrected_and_fires_no_journey_early(clock: dict[str, int]) -> None:
    shop = Shop({"triggers/cart.yaml": CART}, start=at("10:00"))
    told = {name: iso(shop.now + wrong) for name, wrong in clock.items()}
    (event,), _ = receive(shop, event_of(event="Cart Updated", **told))
    assert event.time == at("10:00")
    shop.wait_until(at("10:30") - 1)
    assert shop.sent == []
    shop.wait_until(at("10:30") + SECOND)
    assert [a.trigger for a in shop.sent] == ["cart"]


@pytest.mark.parametrize("clock", CLOCKS)
def test_r33_a_wrong_clock_does_not_keep_what_ends_a_journey_from_ending_it(
    clock: dict[str, int],
) -> None:
    shop = Shop({"triggers/cart.yaml": CART}, start=at("10:00"))
    receive(shop, event_of(event="Cart Updated"))
    shop.wait(20 * MINUTE)
    told = {name: iso(shop.now + wrong) for name, wrong in clock.items()}
    receive(shop, event_of(event="Order Completed", **told))
    shop.wait(4 * DAY)
    assert shop.sent == []
