"""What became of a message stands beside it: when each thing first happened."""

from typing import Any

import msgspec

from events.record import VERIFIED
from tests.shop import DAY, MINUTE, Shop, an_event
from triggers.receipts import MOST

FILES = {
    "triggers/hello.yaml": """
trigger: hello
when: {event: signed_up}
reentry: always
do: [{send: {channels: [email], template: hi}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "templates/hi.liquid": "---\nsubject: Hi\n---\nHi",
}


def told(shop: Shop) -> dict[str, dict[str, int]]:
    (leaf,) = (one for one in shop.person("user_id:ana").leaves.values() if one.sent)
    return leaf.receipts


def greeted() -> tuple[Shop, str]:
    shop = Shop(FILES)
    shop.know("ana", email="ana@shop.example")
    shop.do("signed_up", user="ana")
    return shop, shop.sent[-1].id


def say(shop: Shop, name: str, message: str, **more: Any) -> int:
    shop.wait(MINUTE)
    shop.do(name, user="ana", message=message, trust=VERIFIED, **more)
    return shop.now


def test_each_thing_that_is_told_of_a_message_is_known_by_when_it_first_happened() -> None:
    shop, one = greeted()
    sent = say(shop, "email_sent", one)
    opened = say(shop, "email_opened", one)
    say(shop, "email_opened", one)
    failed = say(shop, "delivery_failed", one)
    assert told(shop) == {one: {"sent": sent, "opened": opened, "failed": failed}}
    shop.wait(DAY)
    shop.open()
    clicked = say(shop, "email_clicked", one)
    assert told(shop)[one]["clicked"] == clicked
    shop.compare()


def test_a_machines_open_is_one_of_its_own() -> None:
    shop, one = greeted()
    said = an_event(
        "email_opened", user="ana", time=shop.now, message_id="m", trust=VERIFIED, message=one
    )
    shop.say([msgspec.structs.replace(said, flags=("machine",))])
    assert told(shop) == {one: {"machine_opened": shop.now}}


def test_what_is_no_receipt_of_theirs_is_none() -> None:
    shop, one = greeted()
    say(shop, "email_opened", "another")
    say(shop, "sms_opened", one)
    say(shop, "product_viewed", one)
    shop.do("email_opened", user="bob", message=one, trust=VERIFIED)
    assert told(shop) == {}


def test_kinds_are_bounded_and_those_of_forgotten_messages_go() -> None:
    shop, one = greeted()
    for n in range(MOST + 3):
        say(shop, f"email_kind_{n}", one)
    assert len(told(shop)[one]) == MOST
    for _ in range(12):
        shop.wait(DAY)
        shop.do("signed_up", user="ana")
    assert one not in told(shop)
