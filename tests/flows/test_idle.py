"""Visitors who stay away are let go of: by the log's time, once, and whoever reads it."""

import pytest

from events import record
from events.record import Sweep
from profile_state.stored import unpack
from tests.flows.test_crashes import (
    CROWDED,
    FILES,
    activations_of,
    history,
    people_of,
    read_again,
)
from tests.shop import DAY, MINUTE, WORKSPACE, Shop, at
from triggers.problems import WorkspaceError

WEEK = "identity: {anonymous_id: {forget_after: 7d}}\n"
WARM = {"segments/warm.yaml": "segment: warm\nif: ['count(page_viewed) >= 1']\n"}
CART = {
    "triggers/cart.yaml": """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30d}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
}


def kept(shop: Shop) -> set[str]:
    """Every identifier that the ledger leads to somebody by."""
    shop.engine.drain()
    return {way for way in shop.shelf.index if ":" in way}


def test_h3_a_visitor_who_stays_away_leaves_the_ledger_and_what_they_did_is_counted() -> None:
    shop = Shop(WARM, workspace=WORKSPACE + WEEK)
    for _ in range(3):
        shop.do("page_viewed", anon="laptop")
    shop.do("page_viewed", anon="tablet")
    shop.wait(6 * DAY)
    shop.do("page_viewed", anon="tablet")
    shop.wait(2 * DAY)
    assert kept(shop) == {"anonymous_id:tablet"}
    assert list(shop.shelf.people) == [shop.person("anonymous_id:tablet").id]
    assert len(shop.engine.state.index) == 1, "and memory forgets whom it led to"
    counts = {name: shop.count(name) for name in ("applied", "expired", "people", "segment:warm")}
    assert counts == {"applied": 5, "expired": 3, "people": 1, "segment:warm": 1}
    shop.do("page_viewed", anon="laptop")
    assert shop.person("anonymous_id:laptop").leaves["anonymous_id:laptop"].total == 1
    assert shop.count("people") == 2


def test_an_old_visit_that_an_import_tells_of_today_is_no_reason_to_forget() -> None:
    shop = Shop(workspace=WORKSPACE + WEEK)
    shop.do("page_viewed", anon="laptop", time=shop.now - 300 * DAY, import_id="2025")
    shop.wait(6 * DAY)
    assert kept(shop) == {"anonymous_id:laptop"}


def test_who_is_known_waits_or_took_back_a_consent_stays() -> None:
    shop = Shop(CART, workspace=WORKSPACE + WEEK)
    shop.do("page_viewed", user="ana", anon="anas-phone")
    shop.do("cart_updated", anon="full-cart")
    shop.do("unsubscribed", anon="no-more")
    shop.do("page_viewed", anon="asks-for-privacy", context={"gpc": True})
    shop.do("consent_updated", anon="gladly", purpose="marketing", granted=True)
    for user in ("bob", "cyd"):
        shop.do("page_viewed", user=user, anon="shared")
    shop.wait(10 * DAY)
    users = {f"user_id:{user}" for user in ("ana", "bob", "cyd")}
    devices = {f"anonymous_id:{it}" for it in ("anas-phone", "full-cart", "no-more", "shared")}
    assert kept(shop) == users | devices
    shop.wait(30 * DAY)
    assert len(shop.sent) == 1
    assert kept(shop) == users | devices - {"anonymous_id:full-cart"}


def test_everybody_is_come_by_once_a_day_however_many_they_are() -> None:
    shop = Shop(workspace=WORKSPACE + WEEK)
    for n in range(1_000):
        shop.do("page_viewed", anon=f"v{n}")
    before = shop.log.last(0)
    start = shop.now
    while shop.now < start + DAY:
        shop.wait(10 * MINUTE)
    found = [r for e in shop.log.read(0, before, 10**6, 0) for r in record.decode(e.payload)]
    swept = sum(r.last - r.first + 1 for r in found if isinstance(r, Sweep))
    assert 5 < len(found) < 20
    assert abs(swept - 4096) < 500


@pytest.mark.parametrize("seed", range(4))
def test_i1_whom_time_takes_is_the_same_for_any_batches_and_crashes(seed: int) -> None:
    day = "identity: {anonymous_id: {forget_after: 1d}}\n"
    shop = Shop({**FILES, "workspace.yaml": FILES["workspace.yaml"] + day}, start=at("9:00"))
    entries = history(seed, size=160)
    for nth, (_, events) in enumerate(entries):
        shop.wait(3 * DAY if nth % 40 == 39 else 10 * MINUTE)
        shop.say(events)
        shop.do("product_viewed", anon=f"visitor{nth % 25}", product_id="p1")
    shop.engine.drain()
    assert shop.shelf.counts["expired"] > 50
    live = people_of(shop.shelf)
    totals = sum(leaf["total"] for _, leaves, *_ in live.values() for leaf in leaves.values())
    assert totals + shop.shelf.counts["expired"] == shop.shelf.counts["applied"]
    for bounds in (shop.bounds, CROWDED):
        shelf, crashes, _ = read_again(shop.log, seed, bounds)
        assert crashes > 3
        assert people_of(shelf) == live
        assert activations_of(shelf) == activations_of(shop.shelf)
        assert (shelf.index, shelf.dues) == (shop.shelf.index, shop.shelf.dues)
        assert +shelf.counts == +shop.shelf.counts
        seen = {p: unpack(value, {}).seen for p, value in shelf.people.items()}
        assert seen == {p: unpack(value, {}).seen for p, value in shop.shelf.people.items()}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{user_id: {forget_after: 90d}}", "only anonymous_id is forgotten"),
        ("{anonymous_id: {forget_after: soon}}", "a duration such as"),
        ("{anonymous_id: {forget_after: 2h}}", "`1d` or more was expected, found '2h'"),
    ],
)
def test_a_wrong_forget_after_is_an_error_with_its_place(said: str, expected: str) -> None:
    with pytest.raises(WorkspaceError, match=rf"workspace\.yaml:\d+:\d+: .*{expected}"):
        Shop(workspace=WORKSPACE + f"identity: {said}\n")
