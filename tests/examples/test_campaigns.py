"""The campaigns of examples/campaigns, each with what a marketer would try first, on the live engine."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from events.record import VERIFIED
from flows.workspace_folder import read_folder
from tests.docs.pages import ROOT
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, at

FILES = read_folder(ROOT / "examples/campaigns")
PHONE = "+4915112345678"


@pytest.fixture
def shop() -> Shop:
    """Ana may be written to on every channel. Nobody is in the control group who would be by chance."""
    files = {path: text for path, text in FILES.items() if path != "workspace.yaml"}
    made = Shop(
        files, workspace=FILES["workspace.yaml"].replace("control_group: {marketing: 2%}", "")
    )
    made.know("ana", email="ana@shop.example", phone=PHONE, first_name="Ana")
    for channel in ("email", "whatsapp", "sms", "push"):
        made.allow("ana", channel=channel)
    return made


def got(shop: Shop, trigger: str) -> list[str]:
    """What a trigger sent: channel, template, and when, in Berlin."""
    return [
        f"{one.channel} {one.template} {datetime.fromtimestamp(one.decided / 1000, ZoneInfo('Europe/Berlin')):%a %H:%M}"
        for one in shop.sent_by(trigger)
    ]


def test_welcome_series(shop: Shop) -> None:
    shop.know("ana", team_size=5)
    shop.do("signed_up", user="ana")
    shop.wait_until(at("9:00", day=4))
    assert got(shop, "welcome_series") == [
        "email welcome Mon 10:00",
        "email need_help Wed 10:00",
        "email invite_your_team Wed 10:00",
    ]


def test_welcome_series_for_who_gets_going_and_on_a_friday(shop: Shop) -> None:
    shop.wait_until(at("15:00", day=4))
    shop.do("signed_up", user="ana")
    shop.wait(HOUR)
    shop.do("first_login", user="ana")
    shop.wait(7 * DAY)
    assert got(shop, "welcome_series") == ["email welcome Fri 15:00", "email tips Mon 10:00"]
    shop.do("signed_up", user="ana")
    shop.wait(7 * DAY)
    assert len(got(shop, "welcome_series")) == 2


def test_welcome_series_ends_with_the_account(shop: Shop) -> None:
    shop.do("signed_up", user="ana")
    shop.wait(DAY)
    shop.do("account_deleted", user="ana")
    shop.wait(7 * DAY)
    assert got(shop, "welcome_series") == ["email welcome Mon 10:00"]


def look(shop: Shop, *categories: str) -> None:
    for category in categories:
        shop.do("product_viewed", user="ana", category=category, product_id=f"{category}{shop.now}")
        shop.wait(MINUTE)


def test_browse_abandonment_by_category_affinity(shop: Shop) -> None:
    look(shop, "shoes", "hats", "shoes", "shoes")
    shop.wait(3 * HOUR)
    assert got(shop, "browse_abandonment") == ["email browse_abandonment Mon 12:03"]
    assert shop.sent_by("browse_abandonment")[0].event == {"category": "shoes"}
    look(shop, "shoes", "shoes", "shoes")
    shop.wait(3 * HOUR)
    assert len(got(shop, "browse_abandonment")) == 1, "once in two weeks"


@pytest.mark.parametrize("why", ["the last was of another category", "a cart", "an order before"])
def test_browse_abandonment_is_not_for_everybody(shop: Shop, why: str) -> None:
    if why == "an order before":
        shop.do("order_completed", user="ana", category="shoes")
    look(shop, "shoes", "shoes", "shoes")
    if why == "a cart":
        shop.do("cart_updated", user="ana")
    if why == "the last was of another category":
        look(shop, "hats")
    shop.wait(3 * HOUR)
    assert got(shop, "browse_abandonment") == []


def test_win_back(shop: Shop) -> None:
    shop.do("order_completed", user="ana")
    shop.wait(90 * DAY + MINUTE)
    assert got(shop, "win_back") == ["whatsapp we_miss_you Sun 11:00"], "in summer it is 11:00"
    shop.wait(7 * DAY)
    assert got(shop, "win_back")[1:] == ["email come_back_offer Sun 11:00"]


def test_win_back_ends_with_an_order(shop: Shop) -> None:
    shop.do("order_completed", user="ana")
    shop.wait(91 * DAY)
    shop.do("order_completed", user="ana")
    shop.wait(30 * DAY)
    assert len(got(shop, "win_back")) == 1


def test_birthday(shop: Shop) -> None:
    shop.know("ana", birthday="1990-03-12")
    shop.know("bob", birthday="1990-03-12", email="bob@shop.example", first_name="Bob")
    shop.allow("bob")
    shop.do("order_completed", user="ana")
    shop.wait_until(at("12:00", day=12))
    assert [(one.leaf, one.template) for one in shop.sent_by("birthday")] == [
        ("user_id:ana", "birthday")
    ], "Bob has bought nothing"
    assert got(shop, "birthday") == ["email birthday Mon 09:00"]


def test_replenishment_by_the_usual_interval(shop: Shop) -> None:
    for pause in (20, 30, 28, 29):
        shop.do("order_completed", user="ana", product_id="coffee")
        shop.wait(pause * DAY)
    assert got(shop, "replenishment") == [], "three intervals make a habit; four orders do"
    shop.do("order_completed", user="ana", product_id="coffee")
    shop.do("order_completed", user="ana", product_id="tea")
    shop.wait(29 * DAY)
    assert got(shop, "replenishment") == []
    shop.wait(DAY)
    # Nine of ten of 20, 28, 29 and 30 days are at most 29.7: 16 hours and 48 minutes after 29 days.
    assert [one.event["product_id"] for one in shop.sent_by("replenishment")] == ["coffee"]
    assert shop.refusals("replenishment").count("ignored:no_habit") == 4


def test_loyalty_tier_change(shop: Shop) -> None:
    for tier in ("bronze", "silver", "gold", "silver", "gold"):
        shop.know("ana", tier=tier)
        shop.wait(HOUR)
    assert [one.event["to"] for one in shop.sent_by("loyalty_tier")] == ["silver", "gold"]
    assert shop.person("user_id:ana").view.traits["tags"][2] == ["loyal"]


def test_fallback_for_who_does_not_open_within_a_day(shop: Shop) -> None:
    shop.do("renewal_due", user="ana", contract_id="c1")
    shop.do("renewal_due", user="ana", contract_id="c2")
    first = shop.sent_by("fallback")[0]
    assert first.event == {"contract_id": "c1"}
    shop.do("email_opened", user="ana", message=first.id)
    shop.wait(DAY + MINUTE)
    assert [(one.channel, one.event["contract_id"]) for one in shop.sent_by("fallback")] == [
        ("email", "c1"),
        ("email", "c2"),
        ("whatsapp", "c2"),
    ]


def test_fallback_ends_where_the_contract_is_renewed(shop: Shop) -> None:
    shop.do("renewal_due", user="ana", contract_id="c1")
    shop.do("renewal_done", user="ana", contract_id="c1")
    shop.wait(2 * DAY)
    assert got(shop, "fallback") == ["email renewal Mon 10:00"]


def test_first_order_of_a_category(shop: Shop) -> None:
    for category in ("shoes", "hats", "shoes"):
        shop.do("order_completed", user="ana", category=category)
        shop.wait(HOUR)
    shop.wait(DAY)
    assert [one.event["category"] for one in shop.sent_by("first_of_category")] == ["shoes", "hats"]


def test_the_same_product_three_times(shop: Shop) -> None:
    for product in ("p1", "p2", "p1", "p2", "p1"):
        shop.do("product_viewed", user="ana", product_id=product, category=product)
        shop.wait(DAY)
    assert got(shop, "looked_three_times") == ["email still_thinking Fri 10:00"]
    shop.do("order_completed", user="ana")
    shop.do("product_viewed", user="ana", product_id="p2", category="p2")
    assert len(got(shop, "looked_three_times")) == 1


def test_who_has_complained_gets_no_marketing_until_it_is_answered(shop: Shop) -> None:
    shop.do("complaint_opened", user="ana")
    for _ in range(3):
        shop.do("product_viewed", user="ana", product_id="p1")
    assert shop.refusals("looked_three_times") == ["refused:excluded"]
    shop.do("complaint_closed", user="ana")
    for _ in range(3):
        shop.do("product_viewed", user="ana", product_id="p2")
    assert len(got(shop, "looked_three_times")) == 1


def test_the_journey_of_a_visitor_goes_on_when_they_say_who_they_are(shop: Shop) -> None:
    shop.do("signed_up", anon="a1")
    shop.wait(DAY)
    shop.do("identify", user="ana", anon="a1", trust=VERIFIED)
    shop.do("first_login", user="ana")
    shop.wait(DAY + SECOND)
    assert got(shop, "welcome_series") == ["email tips Tue 10:00"]
