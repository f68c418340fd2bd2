"""Addresses: the newest good one is used, and nothing is sent where nobody is."""

from typing import Any

import pytest

from events.record import VERIFIED
from profile_state.identity import person_id
from profile_state.reach import SUPPRESSED, hidden
from tests.shop import DAY, Shop
from triggers.activation import Activation

OLD, NEW = "old@shop.example", "new@shop.example"
FILES = {
    "triggers/hello.yaml": """
trigger: hello
when: {event: signed_up}
reentry: always
do: [{send: {channels: [email, sms], template: hi}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "templates/hi.liquid": "---\nsubject: Hi\n---\nHi",
}


def lose(shop: Shop, address: str, user: str = "ana", kind: str = "email") -> None:
    told: dict[str, Any] = {"kind": kind, "address": address, "reason": "bounced"}
    shop.do("address_lost", user=user, trust=VERIFIED, **told)


def hello(shop: Shop, user: str = "ana") -> Activation | None:
    """Have the trigger run; returns what it sent."""
    before = len(shop.sent)
    shop.do("signed_up", user=user)
    return shop.sent[-1] if len(shop.sent) > before else None


def sent_to(shop: Shop) -> tuple[str, str | None] | None:
    one = hello(shop)
    return None if one is None else (one.channel, one.address)


def test_of_several_the_newest_good_one_is_used() -> None:
    shop = Shop(FILES)
    shop.know("ana", email=OLD)
    shop.know("ana", email=NEW)
    assert sent_to(shop) == ("email", NEW)
    lose(shop, NEW)
    assert sent_to(shop) == ("email", OLD)
    shop.wait(DAY)
    shop.open()
    shop.know("ana", email=NEW)
    assert sent_to(shop) == ("email", OLD), "a list that says the same again brings nothing back"
    shop.do("address_restored", user="ana", trust=VERIFIED, kind="email", address=NEW)
    assert sent_to(shop) == ("email", NEW)
    shop.compare()


def test_where_all_are_lost_the_send_is_refused_or_takes_the_next_channel() -> None:
    shop = Shop(FILES)
    shop.know("ana", email=OLD)
    lose(shop, OLD)
    assert sent_to(shop) is None
    assert shop.refusals("hello")[-1] == "refused:suppressed"
    shop.know("ana", phone="+33600000000")
    assert sent_to(shop) == ("sms", "+33600000000")


def test_another_persons_address_is_not_lost_with_one() -> None:
    shop = Shop(FILES)
    shop.know("ana", email=OLD)
    shop.know("bob", email=NEW)
    lose(shop, NEW, user="ana")
    assert sent_to(shop) == ("email", OLD)
    found = hello(shop, "bob")
    assert found is not None
    assert found.address == NEW


def test_an_address_that_a_shops_list_names_is_lost_for_whoever_turns_out_to_have_it() -> None:
    """A list of an earlier sender's: nobody knows yet whose the addresses are."""
    shop = Shop(FILES)
    told: dict[str, Any] = {"kind": "email", "address": OLD, "reason": "bounced elsewhere"}
    shop.do("address_lost", email=OLD, trust=VERIFIED, **told)
    shop.know("ana", email=OLD)
    assert sent_to(shop) is None
    assert shop.refusals("hello")[-1] == "refused:suppressed"


def test_workers_hear_of_a_lost_address_at_once() -> None:
    """Whatever was decided for it before is looked at again right before it leaves."""
    shop = Shop(FILES)
    shop.know("ana", email=OLD)
    lose(shop, OLD)
    key = person_id("user_id:ana"), SUPPRESSED, hidden(OLD)
    assert shop.shelf.withdrawals[key] == shop.now
    assert OLD not in str(shop.shelf.withdrawals)


@pytest.mark.parametrize("lost", [False, True])
def test_a_claimed_address_that_was_lost_is_not_asked(lost: bool) -> None:
    ask = {
        "triggers/ask.yaml": """
trigger: ask
when: {event: joined}
do: [{opt_in: {channel: email, purpose: marketing, template: please}}]
deliver: {purpose: marketing, quiet_hours: off}
""",
        "templates/please.liquid": "---\nsubject: Yes?\npurpose: transactional\n---\nReally?",
    }
    shop = Shop(FILES | ask)
    if lost:
        shop.know("ana", email=OLD)
        lose(shop, OLD)
    shop.do("identify", user="ana", traits={"email": OLD})
    shop.do("joined", user="ana")
    assert [one.address for one in shop.sent] == ([] if lost else [OLD])
    if lost:
        assert "refused:suppressed" in shop.refusals("ask")


def test_who_answers_stop_gets_nothing_more_there_and_workers_hear_of_it() -> None:
    shop = Shop(FILES)
    shop.know("ana", phone="+33600000000")
    assert sent_to(shop) == ("sms", "+33600000000")
    shop.do("sms_replied", user="ana", trust=VERIFIED, text="STOP")
    assert shop.shelf.withdrawals[person_id("user_id:ana"), "product", "sms"] == shop.now
    assert sent_to(shop) is None
    shop.know("ana", email=NEW)
    assert sent_to(shop) == ("email", NEW)
    shop.compare()
