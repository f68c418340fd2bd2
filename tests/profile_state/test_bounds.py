"""What one person may have: however much somebody sends, a leaf stays bounded, in any order."""

import random

import pytest

from events.record import Event
from profile_state.consent import BEYOND, MOST, consent
from profile_state.fold import TRAITS
from profile_state.leaf import RUNS
from profile_state.stored import pack
from tests.shop import Shop, an_event
from triggers.runs import ENTRIES

CART = """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
key: cart_id
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
VIEWED = """
trigger: viewed
when: {event: product_viewed}
key: product_id
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""


def said(start: int, n: int, *, granted: bool) -> Event:
    """What Ana says about a purpose of its own, `n` ms before the start."""
    return an_event(
        "consent_updated",
        user="ana",
        time=start - n,
        message_id=f"c{n}",
        purpose=f"p{n}",
        granted=granted,
    )


@pytest.mark.parametrize("seed", range(3))
def test_traits_and_consents_have_a_bound_in_any_order(seed: int) -> None:
    start = Shop().now
    events = [
        an_event(
            "identify",
            user="ana",
            time=start - n,
            message_id=f"t{n}",
            traits={f"t{n * 50 + m}": n for m in range(100)},
        )
        for n in range(40)
    ]
    events += [said(start, n, granted=n % 10 != 0) for n in range(MOST + 200)]
    found = set()
    for _ in range(3):
        random.Random(seed).shuffle(events)
        shop = Shop()
        shop.do("page_viewed", anon="d1", time=start - 99, message_id="d")
        shop.do("identify", user="ana", anon="d1", time=start - 99, message_id="i")
        shop.say(events)
        leaf = shop.person("user_id:ana").leaves["user_id:ana"]
        assert (len(leaf.traits), len(leaf.consents)) == (TRAITS, MOST + 1)
        assert leaf.consents[BEYOND] == (start - MOST, f"c{MOST}", False)
        view = shop.person("user_id:ana").view.traits
        assert view == leaf.traits
        found.add(shop.facts)
    assert len(found) == 1


def test_runs_and_entries_have_a_bound() -> None:
    shop = Shop({"triggers/cart.yaml": CART, "triggers/viewed.yaml": VIEWED})
    for n in range(0, RUNS + 500, 100):
        shop.say(
            [
                an_event("cart_updated", user="ana", time=shop.now, message_id=f"c{m}", cart_id=m)
                for m in range(n, n + 100)
            ]
        )
    leaf = shop.person("user_id:ana").leaves["user_id:ana"]
    assert len(leaf.runs) == RUNS
    assert shop.count("ended:cart:too_many") == 500
    for n in range(0, 2 * ENTRIES, 100):
        shop.now += 1
        shop.say(
            [
                an_event(
                    "product_viewed", user="ana", time=shop.now, message_id=f"v{m}", product_id=m
                )
                for m in range(n, n + 100)
            ]
        )
    assert ENTRIES * 0.9 <= len(leaf.entries) <= ENTRIES
    assert len(pack(shop.person("user_id:ana"))) < 400_000
    shop.say(
        [
            an_event(
                "product_viewed",
                user="ana",
                time=shop.now,
                message_id="again",
                product_id=2 * ENTRIES - 1,
            )
        ]
    )
    assert shop.refusals("viewed")[-1] == "ignored:reentry", "the latest are remembered"


def test_no_denial_is_lost_to_the_bound_in_any_order() -> None:
    start, found = Shop().now, set()
    events = [said(start, n, granted=False) for n in range(MOST + 100)]
    for seed in range(3):
        random.Random(seed).shuffle(events)
        shop = Shop()
        shop.say(events)
        ana = shop.person("user_id:ana")
        assert len(ana.leaves["user_id:ana"].consents) == MOST + 1
        assert consent(ana, f"p{MOST + 99}", "email") is False, "the oldest of all"
        assert consent(ana, "never named", "email") is False, "rather one too many"
        found.add(shop.facts)
        shop.wait(1000)
        shop.allow("ana", "never named")
        assert consent(shop.person("user_id:ana"), "never named", "email") is True
    assert len(found) == 1


def test_a_browsers_wish_for_privacy_is_not_among_what_is_let_go_of() -> None:
    shop = Shop()
    shop.do("page_viewed", user="ana", context={"gpc": True})
    shop.say([said(shop.now, n, granted=True) for n in range(MOST + 100)])
    ana = shop.person("user_id:ana")
    assert consent(ana, "marketing", "email") is False
    assert consent(ana, "never named", "email") is None, "it denies nothing else"
