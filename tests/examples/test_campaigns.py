"""The campaigns of examples/campaigns, each with what a marketer would try first, on the live engine."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from events.catalog import posted
from events.record import VERIFIED
from flows.workspace_folder import read_catalog, read_folder
from tests.docs.pages import ROOT
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, at

FOLDER = ROOT / "examples/campaigns"
FILES = read_folder(FOLDER)
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


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """The same, with the catalogue of the file."""
    assert shop.engine.stock(read_catalog(FOLDER, "catalog.csv"))
    shop.run()
    return shop


def item(shop: Shop, which: str, **fields: Any) -> None:
    """The shop's server says something of an item, and everybody is asked."""
    body = json.dumps({"items": [{"id": which, **fields}]}).encode()
    shop.say(list(posted(body, shop.now)))
    shop.wait(MINUTE)


def restart(shop: Shop) -> None:
    """The engine dies and comes back."""
    shop.engine.drain()
    shop.open()
    shop.run()


@pytest.mark.parametrize("dies", [False, True])
def test_price_drop(stocked: Shop, dies: bool) -> None:
    stocked.do("product_viewed", user="ana", product_id="p1")
    stocked.wait(HOUR)
    if dies:
        restart(stocked)
    item(stocked, "p1", price=90.01)
    assert got(stocked, "price_drop") == [], "less than a tenth"
    item(stocked, "p1", price=81)
    if dies:
        restart(stocked)
    assert got(stocked, "price_drop") == ["email cheaper_now Mon 11:01"]
    told = stocked.sent_by("price_drop")[0].facts["item"]
    assert (told["name"], told["price"], told["was"]["price"]) == ("Trail shoe", 81, 90.01)
    item(stocked, "p1", price=60)
    assert len(got(stocked, "price_drop")) == 1, "once a week for an item"
    stocked.wait(8 * DAY)
    item(stocked, "p1", price=40)
    assert got(stocked, "price_drop")[1:] == ["email cheaper_now Tue 11:03"]


@pytest.mark.parametrize(
    "why",
    [
        "another item",
        "seen long ago",
        "bought meanwhile",
        "sold out",
        "no consent",
        "consent taken back",
        "a complaint",
    ],
)
def test_price_drop_is_not_for_everybody(stocked: Shop, why: str) -> None:
    who = "bob" if why == "no consent" else "ana"
    stocked.know("bob", email="bob@shop.example")
    viewed = "p3" if why == "another item" else "p1"
    stocked.do("product_viewed", user=who, product_id=viewed)
    stocked.wait(31 * DAY if why == "seen long ago" else DAY)
    if why == "bought meanwhile":
        stocked.do("order_completed", user=who, product_id="p1")
    if why == "sold out":
        item(stocked, "p1", in_stock=False)
    if why == "consent taken back":
        stocked.do("unsubscribed", user=who, channel="email")
    if why == "a complaint":
        stocked.do("complaint_opened", user=who)
    item(stocked, "p1", price=50)
    assert got(stocked, "price_drop") == []
    reasons = {
        "bought meanwhile": ["ignored:condition"],
        "sold out": ["ignored:condition"],
        "no consent": ["refused:consent"],
        "consent taken back": ["refused:no_address"],  # of push, which she still allows
        "a complaint": ["refused:excluded"],
    }
    assert stocked.refusals("price_drop") == reasons.get(why, [])


def test_price_drop_in_the_night_waits_and_who_buys_until_then_is_not_told(stocked: Shop) -> None:
    stocked.know("bob", email="bob@shop.example")
    stocked.allow("bob")
    for user in ("ana", "bob"):
        stocked.do("product_viewed", user=user, product_id="p1")
    stocked.wait_until(at("22:00"))
    item(stocked, "p1", price=50)
    stocked.do("order_completed", user="bob", product_id="p1")
    restart(stocked)
    stocked.wait_until(at("9:00", day=1))
    assert got(stocked, "price_drop") == ["email cheaper_now Tue 08:00"]
    assert "refused:condition" in stocked.refusals("price_drop")


@pytest.mark.parametrize("dies", [False, True])
def test_back_in_stock(stocked: Shop, dies: bool) -> None:
    stocked.do("stock_alert_requested", user="ana", product_id="p2")
    stocked.do("stock_alert_requested", user="ana", product_id="p2")
    stocked.do("product_viewed", anon="somebody", product_id="p2")
    stocked.wait(DAY)
    if dies:
        restart(stocked)
    item(stocked, "p2", price=110)
    assert got(stocked, "back_in_stock") == [], "it is not there yet"
    item(stocked, "p2", in_stock=True)
    if dies:
        restart(stocked)
    assert got(stocked, "back_in_stock") == ["email back_in_stock Tue 10:01"], (
        "asked twice, told once"
    )
    item(stocked, "p2", in_stock=True, name="Running shoe II")
    assert len(got(stocked, "back_in_stock")) == 1
    stocked.wait(DAY)
    item(stocked, "p2", in_stock=False)
    item(stocked, "p2", in_stock=True)
    assert len(got(stocked, "back_in_stock")) == 2


@pytest.mark.parametrize("why", ["asked long ago", "bought elsewhere meanwhile", "said no to it"])
def test_back_in_stock_is_not_for_everybody(stocked: Shop, why: str) -> None:
    stocked.do("stock_alert_requested", user="ana", product_id="p2")
    stocked.wait(91 * DAY if why == "asked long ago" else DAY)
    if why == "bought elsewhere meanwhile":
        stocked.do("order_completed", user="ana", product_id="p2")
    if why == "said no to it":
        for channel in ("email", "push"):
            stocked.allow("ana", "product", channel, granted=False)
    item(stocked, "p2", in_stock=True)
    assert got(stocked, "back_in_stock") == []


def ask(shop: Shop, user: str = "eva", address: str = "eva@shop.example") -> str:
    """Somebody types an address into a form, in a browser; returns the question's id, if one is sent."""
    before = len(shop.sent_by("double_opt_in"))
    shop.do("identify", user=user, traits={"email": address})
    shop.do("newsletter_requested", user=user)
    return next((one.id for one in shop.sent_by("double_opt_in")[before:]), "")


def confirm(shop: Shop, question: str, user: str = "eva") -> None:
    shop.do("opt_in_confirmed", user=user, message=question, trust=VERIFIED)


@pytest.mark.parametrize("dies", [False, True])
def test_double_opt_in(shop: Shop, dies: bool) -> None:
    question = ask(shop)
    assert got(shop, "double_opt_in") == ["email please_confirm Mon 10:00"]
    shop.wait(2 * DAY)
    if dies:
        restart(shop)
    confirm(shop, question)
    if dies:
        restart(shop)
    assert got(shop, "double_opt_in")[1:] == ["email newsletter_welcome Wed 10:00"]
    assert [one.address for one in shop.sent_by("double_opt_in")] == ["eva@shop.example"] * 2
    confirm(shop, question)
    shop.wait(8 * DAY)
    assert ask(shop) != ""
    assert got(shop, "double_opt_in")[2:] == ["email newsletter_welcome Thu 10:00"], (
        "who has said yes is not asked again"
    )


@pytest.mark.parametrize("why", ["no answer", "late", "another message", "another person"])
def test_double_opt_in_without_a_yes_allows_nothing(shop: Shop, why: str) -> None:
    question = ask(shop)
    shop.wait(3 * DAY + MINUTE if why == "late" else DAY)
    if why in ("late", "another message"):
        confirm(shop, question if why == "late" else "another")
    if why == "another person":
        confirm(shop, question, user="bob")
    shop.wait(7 * DAY)
    for _ in range(3):
        shop.do("product_viewed", user="eva", product_id="p1")
    assert got(shop, "double_opt_in") == ["email please_confirm Mon 10:00"]
    assert shop.refusals("looked_three_times") == ["refused:consent"]
    assert ask(shop) not in ("", question), "who asks again is asked again"


def test_double_opt_in_asks_once_however_often_the_form_is_sent(shop: Shop) -> None:
    question = ask(shop)
    assert ask(shop) == ""
    shop.wait(HOUR)
    assert ask(shop, address="eva@home.example") == "", "the question is on its way already"
    confirm(shop, question)
    assert [one.address for one in shop.sent_by("double_opt_in")] == ["eva@shop.example"] * 2, (
        "the address that was asked is the one that is vouched for"
    )


def test_double_opt_in_asks_nobody_twice_within_a_week(shop: Shop) -> None:
    assert ask(shop) != ""
    shop.wait(6 * DAY)
    assert ask(shop) == "", "the first question went without an answer three days ago"
    shop.wait(DAY + MINUTE)
    assert ask(shop) != ""


def test_double_opt_in_without_an_address_has_nobody_to_ask(shop: Shop) -> None:
    shop.do("newsletter_requested", user="eva")
    assert got(shop, "double_opt_in") == []
    assert shop.refusals("double_opt_in") == ["refused:no_address", "went:0.else"]
