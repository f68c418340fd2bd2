"""Erasure: nothing of a person stays in memory or ledger, and nothing of them comes back."""

import asyncio

import msgspec
import pytest

from channels.delivery.gate import InMemoryWithdrawals
from events.record import VERIFIED
from profile_state.identity import person_id
from tests.shop import MINUTE, WORKSPACE, Shop, an_event

CART = """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
WELCOME = """
trigger: welcome
when: {event: signed_up}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
WARM = "segment: warm\nif: ['count(cart_updated, last 7d) >= 1']\n"
FILES = {"triggers/cart.yaml": CART, "segments/warm.yaml": WARM}
WORDS = (b"ana", b"anas-phone", b"secret")


def with_ana() -> Shop:
    shop = Shop(FILES)
    shop.know("ana", email="ana@shop.example", name="secret")
    shop.do("identify", user="ana", anon="anas-phone")
    shop.do("cart_updated", anon="anas-phone", item="secret")
    shop.do("unsubscribed", user="ana")
    shop.do("page_viewed", user="bob", anon="ipad")
    return shop


def remains(shop: Shop) -> list[bytes]:
    """Whatever of Ana is left in the ledger, after everything is written."""
    shop.engine.drain()
    shelf = shop.shelf
    kept = msgspec.msgpack.encode(
        (
            *(
                list(kept.items())
                for kept in (shelf.people, shelf.index, shelf.dues, shelf.withdrawals)
            ),
        )
    )
    return [word for word in WORDS if word in kept]


def test_nothing_of_the_person_stays_and_nothing_fires() -> None:
    shop = with_ana()
    shop.engine.drain()
    assert remains(shop) == list(WORDS)
    former = shop.person("user_id:ana").id
    shop.erase("email:ana@shop.example")
    assert remains(shop) == []
    for way in ("user_id:ana", "anonymous_id:anas-phone", "email:ana@shop.example", former):
        assert shop.engine.state.find(way) is None
    shop.wait(60 * MINUTE)
    assert shop.sent == []
    assert shop.count("segment:warm") == 0
    assert (shop.count("people"), shop.count("erasures")) == (1, 1)


def test_i11_what_was_under_way_is_dropped_and_counted() -> None:
    shop = with_ana()
    applied = shop.count("applied")
    shop.erase("user_id:ana")
    late = an_event("page_viewed", anon="anas-phone", time=shop.now, message_id="late")
    shop.say([late, late])
    shop.engine.drain()
    shop.open()
    shop.say([late])
    shop.join("user_id:bob", "anonymous_id:anas-phone")
    assert remains(shop) == []
    assert (shop.count("erased"), shop.count("words_dropped")) == (3, 1)
    leaves = [lf for p in shop.engine.state.people.values() for lf in p.leaves.values()]
    assert sum(leaf.total for leaf in leaves) + shop.count("forgotten") == applied


def test_someone_else_on_an_erased_device_is_themselves() -> None:
    shop = with_ana()
    shop.erase("user_id:ana")
    shop.do("page_viewed", user="bob", anon="anas-phone")
    assert shop.person("user_id:bob").ids == {"user_id:bob", "anonymous_id:ipad"}
    assert shop.person("user_id:bob").leaves["user_id:bob"].total == 2
    assert remains(shop) == []


def test_whoever_shared_a_device_keeps_it() -> None:
    shop = with_ana()
    shop.do("page_viewed", user="ana", anon="ipad")
    assert len(shop.person("anonymous_id:ipad").refused) == 2
    shop.erase("user_id:ana")
    assert shop.person("anonymous_id:ipad") is shop.person("user_id:bob")
    assert remains(shop) == []


def test_an_identifier_that_nobody_has_yet_is_erased_ahead() -> None:
    shop = Shop(FILES)
    shop.erase("user_id:ana")
    shop.do("cart_updated", user="ana", anon="anas-phone")
    shop.do("identify", user="bob", email="ana@shop.example", trust=VERIFIED)
    assert shop.engine.state.find("user_id:ana") is None
    assert (shop.count("erased"), shop.count("people")) == (1, 1)


def test_an_address_that_only_they_named_goes_along_although_it_was_refused() -> None:
    shop = Shop(FILES, workspace=WORKSPACE + "identity: {email: {max: 1}}\n")
    shop.know("bob", email="bob@shop.example")
    for address in ("ana@shop.example", "secret@shop.example", "bob@shop.example"):
        shop.know("ana", email=address)
    assert shop.person("email:secret@shop.example") is not shop.person("user_id:ana")
    shop.erase("user_id:ana")
    assert remains(shop) == []
    assert shop.person("email:bob@shop.example") is shop.person("user_id:bob")
    shop.know("cid", email="secret@shop.example")
    assert shop.person("email:secret@shop.example") is shop.person("user_id:cid")


def test_memory_keeps_no_name_of_a_tombstone_that_is_none() -> None:
    shop = with_ana()
    shop.erase("user_id:ana")
    known = len(shop.engine.state.index)
    shop.do("page_viewed", user="cid", anon="tv")
    assert len(shop.engine.state.index) == known + 2  # of one person


def test_nothing_is_sent_to_an_erased_address_whoever_names_it() -> None:
    hello = """
trigger: hello
when: {event: signed_up}
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: product, quiet_hours: off}
"""
    shop = Shop(
        {"triggers/hello.yaml": hello, "templates/hello.email.liquid": "---\nsubject: a\n---\nb"}
    )
    shop.know("ana", email="ana@shop.example")
    shop.erase("user_id:ana")
    shop.know("anas-second", email="ana@shop.example")
    shop.do("identify", anon="phone", traits={"email": "ana@shop.example"})
    shop.do("signed_up", user="anas-second")
    assert shop.sent == []
    shop.engine.drain()
    assert b"ana@shop.example" not in b"".join(shop.shelf.people.values())


@pytest.mark.parametrize("first", ["login", "erasure"])
def test_i11_a_login_under_way_takes_its_device_along(first: str) -> None:
    shop = Shop(FILES)
    shop.do("page_viewed", anon="phone", url="secret")
    shop.do("page_viewed", user="ana")
    shop.do("page_viewed", user="bob", anon="ipad")
    login = an_event("identify", user="ana", anon="phone", time=shop.now, message_id="login")
    shared = an_event("identify", user="ana", anon="ipad", time=shop.now, message_id="shared")
    if first == "login":
        shop.say([login, shared])
    shop.erase("user_id:ana")
    shop.say([login, shared])
    assert [sorted(p.ids) for p in shop.engine.state.people.values() if p.ids] == [
        ["anonymous_id:ipad", "user_id:bob"]
    ]
    shop.do("page_viewed", anon="phone")
    assert shop.count("people") == 1


def test_an_erasure_counts_once_whatever_its_key() -> None:
    shop = with_ana()
    said = shop.erase("user_id:ana")
    shop.say([said])
    shop.erase("user_id:ana", key=b"l" * 16)
    shop.erase("anonymous_id:anas-phone")
    assert shop.count("erasures") == 1


def test_what_is_decided_is_turned_away_at_the_door_also_after_a_cut() -> None:
    shop = Shop({"triggers/welcome.yaml": WELCOME})
    shop.do("page_viewed", anon="ipad")
    shop.do("signed_up", user="ana", anon="ipad")
    (decided,) = shop.sent
    assert (decided.leaf, decided.person) == ("user_id:ana", person_id("anonymous_id:ipad"))
    shop.join("user_id:ana", "anonymous_id:ipad", cut=True)
    shop.erase("user_id:ana")
    shop.engine.drain()
    assert list(shop.shelf.withdrawals) == [(person_id("user_id:ana"), "*", "*")]
    asked = InMemoryWithdrawals()
    for withdrawn, at in shop.shelf.withdrawals.items():
        asked.withdraw(*withdrawn, at)
    assert asyncio.run(asked.check([decided])) == {decided.id: "erased"}


def test_what_is_decided_is_turned_away_at_the_door() -> None:
    shop = with_ana()
    shop.wait(31 * MINUTE)
    (decided,) = shop.sent
    shop.erase("user_id:ana")
    shop.engine.drain()
    assert shop.shelf.withdrawals[decided.person, "*", "*"] >= decided.decided
