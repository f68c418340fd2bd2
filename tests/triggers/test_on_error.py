"""Messages that fail for good: the next channel, while the steps behind go on."""

from typing import Any

import pytest

from events.record import VERIFIED
from tests.shop import DAY, HOUR, MINUTE, WORKSPACE, Shop

CHANNELS = ("email", "sms", "webhook")
TEMPLATES = {"templates/hi.liquid": "---\nsubject: Hi\n---\nHi"}


def journey(
    deliver: str = ", on_error: next_channel", rest: str = "", steps: str = ""
) -> dict[str, str]:
    text = f"""
trigger: it
when: {{event: signed_up}}
{rest}
do:
  - send: {{channels: [email, sms, webhook], template: hi}}
{steps}
deliver: {{purpose: product{deliver}}}
"""
    return TEMPLATES | {"triggers/it.yaml": text}


def failed(shop: Shop, nth: int, user: str = "u1") -> None:
    """A worker says that a message never will arrive."""
    one = shop.sent[nth]
    shop.do("delivery_failed", user=user, message=one.id, channel=one.channel, trust=VERIFIED)


def signed_up(shop: Shop, user: str = "u1", **more: Any) -> None:
    shop.know(user, email=f"{user}@shop.example", phone="+33600000000", **more)
    shop.do("signed_up", user=user)


def channels(shop: Shop) -> list[str]:
    return [one.channel for one in shop.sent]


def test_d10_a_message_that_fails_goes_to_the_next_channel_and_the_steps_behind_go_on() -> None:
    shop = Shop(journey(steps="  - wait: 1h\n  - send: {channels: [log]}"))
    signed_up(shop)
    assert shop.sent[0].tell
    failed(shop, 0)
    assert channels(shop) == ["email", "sms"]
    shop.wait(2 * HOUR)
    assert channels(shop) == ["email", "sms", "log"], "nothing waited for the receipt"
    shop.open()
    failed(shop, 1)
    assert channels(shop) == ["email", "sms", "log", "webhook"]
    assert not shop.sent[3].tell, "there is no channel behind it"
    assert len({one.id for one in shop.sent}) == 4
    assert not shop.person("user_id:u1").waits


def test_d10_without_it_a_failure_changes_nothing_and_stalls_nothing() -> None:
    shop = Shop(journey("", steps="  - wait: 1h\n  - send: {channels: [log]}"))
    signed_up(shop)
    assert not shop.sent[0].tell
    failed(shop, 0)
    shop.wait(2 * HOUR)
    assert channels(shop) == ["email", "log"]


def test_word_of_another_message_or_twice_or_too_late_changes_nothing() -> None:
    shop = Shop(journey(", on_error: next_channel, valid_for: 6h", "reentry: always"))
    signed_up(shop)
    shop.do("delivery_failed", user="u1", message="another", trust=VERIFIED)
    assert channels(shop) == ["email"]
    failed(shop, 0)
    failed(shop, 0)
    assert channels(shop) == ["email", "sms"]
    shop.wait(7 * HOUR)
    failed(shop, 1)
    assert channels(shop) == ["email", "sms"]
    shop.do("signed_up", user="u1")
    assert channels(shop) == ["email", "sms", "email"], "who waits for word is not in the way"


def test_the_next_channel_is_decided_like_any_send_and_what_failed_counts_in_no_cap() -> None:
    caps = WORKSPACE + "channels: {email: {caps: {product: 1 per 7d}}}\nquiet_hours: 22:00-08:00\n"
    shop = Shop(journey(rest="reentry: always"), workspace=caps)
    signed_up(shop)
    shop.allow("u1", "product", "sms", granted=False)
    failed(shop, 0)
    assert channels(shop) == ["email", "webhook"], "no consent for what is between"
    shop.do("signed_up", user="u1")
    assert channels(shop)[2:] == ["email"], "the cap has room again"
    shop.wait(13 * HOUR)
    failed(shop, 2)
    assert len(shop.sent) == 3
    shop.wait(DAY)
    assert channels(shop)[3:] == ["webhook"], "after the quiet hours"


def test_a_click_on_the_message_that_came_through_is_the_runs_own() -> None:
    steps = "  - wait_for: {event: clicked, timeout: 2d, then: [{send: {channels: [log]}}]}"
    shop = Shop(journey(steps=steps))
    signed_up(shop)
    failed(shop, 0)
    shop.do("sms_clicked", user="u1", message=shop.sent[1].id)
    shop.wait(MINUTE)
    assert channels(shop) == ["email", "sms", "log"]


@pytest.mark.parametrize("parallel", [False, True])
def test_every_run_has_its_own_word_and_an_exit_ends_the_waiting(parallel: bool) -> None:
    rest = "reentry: always\nkey: order\nexit_when: [cancelled]\n" + (
        "while_active: parallel" if parallel else ""
    )
    shop = Shop(journey(rest=rest, steps="  - wait: 2d"))
    shop.know("u1", email="u1@shop.example", phone="+33600000000")
    for order in ("o1", "o2", "o3"):
        shop.do("signed_up", user="u1", order=order)
    failed(shop, 1)
    assert channels(shop)[3:] == ["sms"]
    shop.do("cancelled", user="u1", order="o1")
    failed(shop, 0)
    failed(shop, 2)
    assert channels(shop) == ["email", "email", "email", "sms", "sms"], "o1 was cancelled"


def test_the_next_channel_speaks_of_the_same_offer() -> None:
    files = journey()
    text = files["triggers/it.yaml"].replace("template: hi}", 'template: hi, offer: "7%"}')
    shop = Shop(files | {"triggers/it.yaml": text})
    signed_up(shop)
    failed(shop, 0)
    assert [one.facts["offer"] for one in shop.sent] == ["7%", "7%"]
