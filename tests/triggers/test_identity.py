"""Who is who, through the real engine: joining, refusing, cutting, and old ids."""

import random
from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

import pytest

from events.record import VERIFIED
from profile_state.identity import DEFAULT_LIMITS, SPARE, Edge, edge, group, person_id
from tests.shop import DAY, MINUTE, WORKSPACE, Shop
from triggers.problems import WorkspaceError

CART = """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
WARM = (
    "segment: warm\nif: ['count(product_viewed, last 7d) >= 2', 'sum(product_viewed.price) > 0']\n"
)
FILES = {"segments/warm.yaml": WARM}


def own(shop: Shop, identifier: str) -> Any:
    """What a person is, apart from when they were looked at."""
    person = shop.person(identifier)
    leaves = {
        key: (lf.first, lf.last, lf.total, lf.traits, lf.cells, lf.consents)
        for key, lf in person.leaves.items()
    }
    return person.id, sorted(person.ids), leaves, sorted(person.member), person.view.cells


def two_people(shop: Shop, *, ana: bool = True, bob: bool = True) -> None:
    start = shop.now
    for minute, (who, price) in enumerate(
        [("ana", 5), ("bob", 7), ("ana", 6), ("bob", 8)], start=1
    ):
        if (ana and who == "ana") or (bob and who == "bob"):
            shop.wait_until(start + minute * MINUTE)
            shop.do("product_viewed", user=who, price=price, message_id=f"{who}{minute}")
            shop.do(
                "identify",
                user=who,
                anon=f"{who}s-phone",
                traits={"name": who},
                message_id=f"i-{who}",
            )
    shop.wait_until(start + 5 * MINUTE)


def test_a7_the_same_address_of_the_network_joins_nobody() -> None:
    shop = Shop()
    context = {"ip": "203.0.113.9"}
    shop.do("page_viewed", user="ana", anon="d1", context=context)
    shop.do("page_viewed", user="bob", anon="d2", context=context)
    assert shop.person("user_id:ana") is not shop.person("user_id:bob")
    assert shop.count("people") == 2


def test_a9_a_trait_is_replaced_not_added_up() -> None:
    shop = Shop()
    shop.do("identify", user="ana", traits={"age": 30, "sizes": "M"})
    shop.wait(MINUTE)
    shop.do("identify", user="ana", traits={"age": 31, "sizes": "L"})
    traits = shop.person("user_id:ana").view.traits
    assert (traits["age"][2], traits["sizes"][2]) == (31, "L")


def test_a13_what_was_done_before_login_stays_and_its_cart_goes_on() -> None:
    shop = Shop({"triggers/cart.yaml": CART})
    shop.do("identify", user="ana")
    shop.do("product_viewed", anon="d1")
    shop.do("product_viewed", anon="d1")
    shop.do("cart_updated", anon="d1")
    shop.wait(MINUTE)
    shop.do("identify", user="ana", anon="d1")
    person = shop.person("user_id:ana")
    assert person is shop.person("anonymous_id:d1")
    assert person.leaves["anonymous_id:d1"].total == 3
    shop.wait(30 * MINUTE)
    assert [(a.trigger, a.person) for a in shop.sent] == [("cart", person.id)]


def test_a15_after_a_cut_each_is_as_if_they_had_never_been_one() -> None:
    shop = Shop(FILES)
    two_people(shop)
    shop.do("identify", user="ana", anon="bobs-phone", message_id="wrong", trust=VERIFIED)
    joined = shop.join("user_id:ana", "user_id:bob")
    assert shop.person("user_id:ana") is shop.person("user_id:bob")
    shop.join("user_id:ana", "user_id:bob", cut=True, time=joined.time)
    shop.join("user_id:ana", "anonymous_id:bobs-phone", cut=True)
    assert shop.count("people") == 2
    for who, other in (("ana", "bob"), ("bob", "ana")):
        alone = Shop(FILES)
        two_people(alone, **{other: False})
        if who == "ana":
            alone.do("identify", user="ana", message_id="wrong", trust=VERIFIED)
        assert own(shop, f"user_id:{who}") == own(alone, f"user_id:{who}")
        assert shop.person(shop.person(f"user_id:{who}").id) is shop.person(f"user_id:{who}")


def test_a_cut_outranks_what_is_said_later_until_an_operator_joins_again() -> None:
    shop = Shop()
    shop.do("identify", user="ana", anon="d1")
    shop.wait(MINUTE)
    shop.join("anonymous_id:d1", "user_id:ana", cut=True)
    shop.wait(MINUTE)
    shop.do("identify", user="ana", anon="d1")
    shop.do("identify", user="ana", anon="d1", trust=VERIFIED)
    assert shop.person("user_id:ana") is not shop.person("anonymous_id:d1")
    assert shop.count("merge_refused") == 0, "it was not a limit that parted them"
    shop.wait(MINUTE)
    shop.join("user_id:ana", "anonymous_id:d1")
    assert shop.person("user_id:ana") is shop.person("anonymous_id:d1")


def test_a_cut_that_comes_before_what_it_cuts_holds_too() -> None:
    shop = Shop()
    shop.join("user_id:ana", "anonymous_id:d1", cut=True)
    shop.do("identify", user="ana", anon="d1")
    assert shop.person("user_id:ana") is not shop.person("anonymous_id:d1")


def test_i6_only_an_operator_joins_two_users() -> None:
    shop = Shop()
    shop.do("page_viewed", user="ana")
    shop.do("page_viewed", user="bob")
    shop.do("alias", user="ana", trust=VERIFIED)
    event = shop.do("identify", user="ana", email="both@shop.example", trust=VERIFIED)
    shop.do("identify", user="bob", email="both@shop.example", trust=VERIFIED)
    assert event.ids == ("user_id:ana", "email:both@shop.example")
    assert shop.person("user_id:ana") is not shop.person("user_id:bob")
    assert shop.count("merge_refused") == 1
    shop.join("user_id:ana", "user_id:bob")
    assert shop.person("user_id:ana") is shop.person("user_id:bob")
    shop.do("identify", user="bob", anon="d1")
    shop.do("page_viewed", user="ana", anon="d2")
    assert len(shop.person("user_id:ana").ids) == 5, "and whoever exceeds a limit may have devices"


def test_a17_the_latest_weak_identifier_too_many_stays_outside() -> None:
    shop = Shop(workspace=WORKSPACE + "identity: {anonymous_id: {max: 3}}\n")
    for n in range(5):
        shop.wait(MINUTE)
        shop.do("page_viewed", user="ana", anon=f"d{n}")
    ids = shop.person("user_id:ana").ids
    assert sorted(ids) == ["anonymous_id:d0", "anonymous_id:d1", "anonymous_id:d2", "user_id:ana"]
    assert shop.count("merge_refused") == 2
    assert [e.b for e in shop.person("user_id:ana").refused] == ["user_id:ana"] * 2


@pytest.mark.parametrize("kind", ["session_id", "sessionId", "request_id", "page_id"])
def test_a17_an_id_of_a_session_is_no_identifier(kind: str) -> None:
    with pytest.raises(WorkspaceError, match=r"workspace\.yaml:\d+:\d+: .*session"):
        Shop(workspace=WORKSPACE + f"identity: {{{kind}: {{max: 3}}}}\n")


def test_a_statement_of_an_operator_counts_once() -> None:
    shop = Shop()
    shop.do("page_viewed", user="ana")
    shop.do("page_viewed", anon="d1")
    said = shop.join("user_id:ana", "anonymous_id:d1")
    shop.say([said, said])
    assert (shop.count("joins"), shop.count("people")) == (1, 1)


def test_a_merge_by_hand_enters_a_segment_and_a_cut_leaves_it() -> None:
    trigger = """
trigger: warmed
when: {segment: entered warm}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
    shop = Shop({**FILES, "triggers/warmed.yaml": trigger})
    shop.do("product_viewed", user="ana", price=1)
    shop.do("product_viewed", anon="d1", price=1)
    shop.join("user_id:ana", "anonymous_id:d1")
    assert "warm" in shop.person("user_id:ana").member
    assert len(shop.sent_by("warmed")) == 1
    shop.wait(DAY)
    shop.join("user_id:ana", "anonymous_id:d1", cut=True)
    assert not shop.person("user_id:ana").member
    assert not shop.person("anonymous_id:d1").member
    assert shop.count("segment:warm") == 0


def test_a_person_is_named_by_the_first_leaf_whatever_came_first() -> None:
    start, names = Shop().now, set()
    for order in permutations(range(3)):
        shop = Shop()
        steps: list[Callable[[], object]] = [
            partial(shop.do, "page_viewed", user="u1", time=start - 10, message_id="a"),
            partial(shop.do, "page_viewed", anon="d1", time=start - 20, message_id="b"),
            partial(shop.do, "identify", user="u1", anon="d1", time=start - 30, message_id="c"),
        ]
        for nth in order:
            steps[nth]()
        names.add((shop.person("user_id:u1").id, shop.facts))
    assert names == {(person_id("user_id:u1"), shop.facts)}


def test_a_computer_that_thousands_share_leads_nobody_to_everybody() -> None:
    shop = Shop()
    for n in range(300):
        shop.wait(MINUTE)
        shop.do("page_viewed", user=f"u{n}", anon="library")
    library = shop.person("anonymous_id:library")
    assert library.ids == {"anonymous_id:library"}
    assert len(library.refused) == DEFAULT_LIMITS["user_id"] + SPARE
    assert shop.person("user_id:u0").refused == library.refused[:1]
    assert shop.person("user_id:u299").refused == []
    shop.do("page_viewed", user="u299", anon="library")
    assert shop.person("user_id:u299").leaves["user_id:u299"].total == 2
    assert shop.count("people") == 300
    for n in range(SPARE):
        shop.join(f"user_id:u{n}", "anonymous_id:library", cut=True)
    assert shop.person("user_id:u8") is shop.person("anonymous_id:library")


@pytest.mark.parametrize("seed", range(5))
def test_i2_a_crowd_comes_out_the_same_in_any_order(seed: int) -> None:
    draw = random.Random(seed)
    edges = [
        edge(
            draw.randrange(50), f"m{n}", f"user_id:u{draw.randrange(30)}", other, draw.randrange(2)
        )
        for n in range(60)
        for other in (f"anonymous_id:d{draw.randrange(2)}", "email:test@test.example")
    ]
    found = set()
    for _ in range(30):
        draw.shuffle(edges)
        known: list[Edge] = []
        for new in edges:  # one after the other, as events come
            out = group([], [*known, new])
            known = [*out.accepted, *out.refused]
        found.add((tuple(out.groups), tuple(out.accepted), tuple(out.refused)))
    assert len(found) == 1


def test_a6_an_id_of_whom_nobody_had_seen_yet_stays_valid_through_every_merge() -> None:
    shop = Shop(workspace=WORKSPACE + "identity: {email: {max: 1}}\n")
    shop.know("ana", email="one@shop.example")
    shop.know("ana", email="two@shop.example")  # one address too many: a person of its own
    lone = shop.person("email:two@shop.example").id
    shop.do("identify", user="zoe", email="two@shop.example", trust=VERIFIED)
    assert shop.person(lone) is shop.person("user_id:zoe")
    shop.do("page_viewed", user="old", time=shop.now - DAY)
    shop.join("user_id:old", "user_id:zoe")
    assert shop.person(lone) is shop.person("user_id:old")
    shop.join("user_id:old", "user_id:zoe", cut=True)
    assert shop.person(lone) is shop.person("user_id:zoe")
    shop.engine.drain()
    shop.open()
    shop.run()
    shop.do("page_viewed", user="zoe")
    assert shop.shelf.index[lone] == shop.person("user_id:zoe").id


def test_a_limit_that_was_too_low_for_a_while_costs_nobody_a_device() -> None:
    shop = Shop()
    for n in range(30):
        shop.do("page_viewed", user="ana", anon=f"d{n}")
        shop.wait(MINUTE)
    shop.edit(workspace=WORKSPACE + "identity: {anonymous_id: {max: 1}}\n")
    assert len(shop.person("user_id:ana").ids) == 2
    shop.edit(workspace=WORKSPACE)
    assert len(shop.person("user_id:ana").ids) == 31
