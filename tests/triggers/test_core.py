"""The core through the real engine, on a clock that the test moves."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import msgspec

from events.arrival import Arrival
from events.parse import parse
from events.record import VERIFIED, Event, Settled
from profile_state.identity import person_id
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, an_event, at

TEMPLATES = {
    "templates/hello.email.liquid": "---\nsubject: Hello\n---\nHello {{ first_name }}, {{ event.items }}",
    "templates/receipt.email.liquid": "---\nsubject: Hi\npurpose: transactional\n---\nHi",
}
CART = """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
key: cart_id
while_active: restart
exit_when: [cart_emptied]
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: marketing}
"""
WARM = "segment: warm\nif: ['count(product_viewed, last 7d) >= 3']\n"


def shop_with(*triggers: str, segments: tuple[str, ...] = (), **options: object) -> Shop:
    files = dict(TEMPLATES)
    files |= {f"triggers/t{n}.yaml": text for n, text in enumerate(triggers)}
    files |= {f"segments/s{n}.yaml": text for n, text in enumerate(segments)}
    return Shop(files, **options)  # type: ignore[arg-type]


def known(shop: Shop, user: str = "u1") -> None:
    shop.know(user, email=f"{user}@shop.example", first_name="Ana")
    shop.allow(user)


def simple(name: str, event: str, rest: str = "", deliver: str = "purpose: marketing") -> str:
    return f"""
trigger: {name}
when: {{event: {event}}}
{rest}
do: [{{send: {{channels: [email], template: hello}}}}]
deliver: {{{deliver}}}
"""


def test_d1_one_reminder_for_the_cart_that_was_left() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", user="u1", cart_id="c1")
    shop.wait(5 * MINUTE)
    shop.do("cart_updated", user="u1", cart_id="c2")
    shop.wait(15 * MINUTE)
    shop.do("order_completed", user="u1", cart_id="c1")
    shop.wait_until(at("10:34"))
    assert shop.sent == []
    shop.wait_until(at("10:36"))
    assert [(a.trigger, a.address) for a in shop.sent] == [("cart", "u1@shop.example")]
    assert at("10:35") <= shop.sent[0].decided <= at("10:35") + SECOND
    shop.wait(DAY)
    assert len(shop.sent) == 1


def test_d2_a_newer_cart_starts_the_wait_again_with_its_items() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", user="u1", cart_id="c1", items="shoes")
    shop.wait_until(at("10:20"))
    shop.do("cart_updated", user="u1", cart_id="c1", items="shoes and hat")
    shop.wait_until(at("10:49"))
    assert shop.sent == []
    shop.wait_until(at("10:51"))
    assert [a.event for a in shop.sent] == [{"items": "shoes and hat"}]


def test_an_order_without_the_key_ends_every_cart_of_the_person() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", user="u1", cart_id="c1")
    shop.do("cart_updated", user="u1", cart_id="c2")
    shop.do("order_completed", user="u1")
    shop.wait(HOUR)
    assert shop.sent == []


def test_a_cart_without_its_key_starts_no_run() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", user="u1")
    shop.wait(HOUR)
    assert shop.sent == []
    assert shop.refusals("cart") == ["ignored:no_key"]


def test_an_order_that_arrives_before_its_older_cart_still_ends_the_wait() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("order_completed", user="u1", cart_id="c1", time=at("9:58"))
    shop.do("cart_updated", user="u1", cart_id="c1", time=at("9:50"))
    shop.wait(HOUR)
    assert shop.sent == []


def test_exit_when_ends_the_wait_at_once() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", user="u1", cart_id="c1")
    shop.do("cart_emptied", user="u1", cart_id="c1")
    assert shop.person("user_id:u1").due > shop.now + DAY
    shop.wait(HOUR)
    assert shop.sent == []


def test_r27_cart_on_a_device_and_order_on_another_that_login_joins_later() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", anon="phone", cart_id="c1")
    shop.wait(10 * MINUTE)
    shop.do("order_completed", user="u1", cart_id="c1")
    shop.wait(19 * MINUTE)
    shop.do("identify", user="u1", anon="phone")
    shop.wait(2 * HOUR)
    assert shop.sent == []


def test_r26_a_merge_of_two_leaves_with_the_same_cart_timer_sends_one_message() -> None:
    shop = shop_with(CART)
    known(shop)
    shop.do("cart_updated", anon="phone", cart_id="c1")
    shop.do("cart_updated", user="u1", cart_id="c1")
    shop.wait(10 * MINUTE)
    shop.do("identify", user="u1", anon="phone")
    shop.wait(2 * HOUR)
    assert len(shop.sent) == 1


def test_d7_once_is_once_through_restart_and_merge() -> None:
    shop = shop_with(simple("once", "signed_up", "reentry: once"))
    known(shop)
    shop.do("signed_up", user="u1")
    shop.do("signed_up", user="u1")
    shop.engine.drain()
    shop.open()
    shop.do("signed_up", user="u1")
    shop.do("identify", user="u1", anon="phone")
    shop.do("signed_up", anon="phone")
    assert len(shop.sent) == shop.count("entered:once") == 1


def test_d7_once_stays_once_where_both_had_entered_before_they_were_one() -> None:
    shop = shop_with(simple("once", "signed_up", "reentry: once"))
    known(shop)
    for who in ({"user": "u1"}, {"anon": "phone"}):
        shop.do("signed_up", **who)  # type: ignore[arg-type]
    shop.engine.drain()
    shop.open()
    shop.do("identify", user="u1", anon="phone")
    for who in ({"user": "u1"}, {"anon": "phone"}):
        shop.do("signed_up", **who)  # type: ignore[arg-type]
    assert shop.count("entered:once") == 2
    assert shop.refusals("once")[-2:] == ["ignored:reentry"] * 2
    shop.join("user_id:u1", "anonymous_id:phone", cut=True)
    shop.do("signed_up", anon="phone")
    assert shop.count("entered:once") == 2, "each has entered once"


def test_d8_cooldown_lets_in_again_when_it_is_over() -> None:
    shop = shop_with(simple("cool", "visited", "reentry: cooldown 7d"))
    known(shop)
    for day in (0, 3, 8):
        shop.wait_until(at("10:00", day))
        shop.do("visited", user="u1")
    assert [a.decided for a in shop.sent] == [at("10:00", 0), at("10:00", 8)]


def test_c1_a_window_closes_within_a_second_without_any_event() -> None:
    shop = shop_with(segments=(WARM,))
    views = []
    for day in range(3):
        shop.wait_until(at("10:00", day))
        views.append(shop.now)
        shop.do("product_viewed", user="u1")
    assert list(shop.person("user_id:u1").member) == ["warm"]
    shop.wait_until(views[0] + 7 * DAY)
    assert list(shop.person("user_id:u1").member) == ["warm"], "exactly 7 days old is inside"
    shop.wait(SECOND)
    assert list(shop.person("user_id:u1").member) == []
    assert shop.count("segment:warm") == 0


def test_a_segment_trigger_fires_on_the_edge_and_not_again_while_inside() -> None:
    trigger = """
trigger: warmed
when: {segment: entered warm}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
    shop = shop_with(trigger, segments=(WARM,))
    for _ in range(5):
        shop.do("product_viewed", user="u1")
    assert len(shop.sent) == 1
    shop.wait(8 * DAY)
    for _ in range(3):
        shop.do("product_viewed", user="u1")
    assert len(shop.sent) == 2


def test_time_alone_can_enter_a_segment() -> None:
    quiet = "segment: lapsed\nif: ['since(order_completed) > 45d']\n"
    trigger = """
trigger: come_back
when: {segment: entered lapsed}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
    shop = shop_with(trigger, segments=(quiet,))
    shop.do("order_completed", user="u1")
    ordered = shop.now
    shop.wait(45 * DAY)
    assert shop.sent == []
    shop.wait(SECOND)
    assert len(shop.sent) == 1
    assert ordered + 45 * DAY < shop.sent[0].decided <= ordered + 45 * DAY + SECOND


def test_a11_a_merge_enters_a_segment_once() -> None:
    trigger = """
trigger: warmed
when: {segment: entered warm}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
    shop = shop_with(trigger, segments=(WARM,))
    shop.do("product_viewed", anon="a1")
    shop.do("product_viewed", anon="a1")
    shop.do("product_viewed", user="u1")
    assert shop.sent == []
    shop.do("identify", user="u1", anon="a1")
    assert len(shop.sent) == 1
    assert shop.person("anonymous_id:a1") is shop.person("user_id:u1")
    assert shop.count("segment:warm") == 1
    assert shop.count("people") == 1


def test_b5_a_copy_counts_once_and_two_people_may_use_one_message_id() -> None:
    shop = shop_with(segments=(WARM,))
    for _ in range(3):
        shop.do("product_viewed", user="u1", message_id="m")
    shop.engine.drain()
    shop.open()
    shop.do("product_viewed", user="u1", message_id="m")
    shop.do("product_viewed", user="u2", message_id="m")
    assert shop.person("user_id:u1").leaves["user_id:u1"].total == 1
    assert shop.person("user_id:u2").leaves["user_id:u2"].total == 1
    assert shop.count("applied") == 2
    assert shop.count("duplicate") == 3


def test_the_same_message_with_another_body_becomes_a_dead_letter() -> None:
    shop = shop_with()
    shop.do("product_viewed", user="u1", message_id="m", product="a")
    shop.do("product_viewed", user="u1", message_id="m", product="b")
    shop.engine.drain()
    assert len(shop.shelf.dead) == 1
    assert shop.count("applied") == 1


def test_b1_an_older_trait_does_not_overwrite_a_newer_one() -> None:
    shop = shop_with()
    shop.do("identify", user="u1", traits={"plan": "pro"}, time=at("10:00"))
    shop.do("identify", user="u1", traits={"plan": "free"}, time=at("9:00"))
    assert shop.person("user_id:u1").view.traits["plan"][2] == "pro"


def test_consent_is_denied_for_marketing_until_it_is_given() -> None:
    shop = shop_with(simple("offer", "visited", "reentry: always"))
    shop.know("u1", email="u1@shop.example")
    shop.do("visited", user="u1")
    assert shop.refusals("offer") == ["refused:consent"]
    shop.allow("u1")
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1
    shop.allow("u1", granted=False)
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1
    assert shop.shelf.withdrawals[person_id("user_id:u1"), "marketing", "email"] == shop.now


def test_g1_a_merge_gives_nobody_a_consent() -> None:
    for grant_first in (True, False):
        shop = shop_with(simple("offer", "visited", "reentry: always"))
        shop.know("u1", email="u1@shop.example")
        steps = [
            lambda shop=shop: shop.allow("u1", granted=False),
            lambda shop=shop: shop.do(
                "consent_updated", anon="a1", purpose="marketing", channel="email", granted=True
            ),
        ]
        for step in reversed(steps) if grant_first else steps:
            step()
            shop.wait(MINUTE)
        shop.do("identify", user="u1", anon="a1", trust=VERIFIED)
        shop.do("visited", user="u1")
        assert shop.sent == [], "denied until a new grant after the merge"
        shop.wait(MINUTE)
        shop.do("consent_updated", anon="a1", purpose="marketing", channel="email", granted=True)
        shop.do("visited", user="u1")
        assert len(shop.sent) == 1


def test_what_a_visitor_allows_counts_for_nobody_whom_only_a_browser_says_they_are() -> None:
    """Or anybody could allow things in a customer's name. What they deny counts at once."""
    shop = shop_with(simple("offer", "visited", "reentry: always"))
    shop.know("u1", email="u1@shop.example")
    shop.do("identify", user="u1", anon="thief")
    shop.wait(MINUTE)
    said: dict[str, Any] = {"purpose": "marketing", "channel": "email"}
    shop.do("consent_updated", anon="thief", **said, granted=True)
    shop.do("visited", user="u1")
    assert shop.refusals("offer") == ["refused:consent"]
    shop.allow("u1")
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1
    shop.wait(MINUTE)
    shop.do("consent_updated", anon="thief", **said, granted=False)
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1
    shop.wait(MINUTE)
    shop.do("consent_updated", anon="thief", **said, granted=True)
    shop.do("visited", user="u1")
    assert len(shop.sent) == 2, "who takes back their own denial leaves what was before"


def test_a_claimed_address_receives_nothing() -> None:
    shop = shop_with(simple("offer", "visited"))
    shop.do("identify", user="u1", traits={"email": "thief@evil.example"})
    shop.allow("u1")
    shop.do("visited", user="u1")
    assert shop.refusals("offer") == ["refused:no_address"]


def test_e1_overnight_quiet_hours_hold_until_the_morning() -> None:
    shop = shop_with(
        simple("offer", "visited", deliver="purpose: marketing, quiet_hours: 21:00-08:00"),
        start=at("20:00"),
    )
    known(shop)
    shop.wait_until(at("23:00"))
    shop.do("visited", user="u1")
    assert shop.refusals("offer") == ["held:quiet_hours"]
    shop.wait_until(at("7:59", 1))
    assert shop.sent == []
    shop.wait_until(at("8:00", 1) + SECOND)
    assert len(shop.sent) == 1


def test_quiet_hours_are_local_to_the_person() -> None:
    shop = shop_with(
        simple("offer", "visited", deliver="purpose: marketing, quiet_hours: 21:00-08:00"),
        start=at("20:00"),
    )
    shop.know("u1", email="u1@shop.example", timezone="America/New_York")
    shop.allow("u1")
    shop.wait_until(at("23:00"))  # 17:00 in New York
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1


def test_a_held_send_asks_consent_and_condition_again() -> None:
    shop = shop_with(
        simple(
            "offer",
            "visited",
            "if: ['never(order_completed, last 7d)']\nreentry: always",
            deliver="purpose: marketing, quiet_hours: 21:00-08:00",
        ),
        start=at("23:00"),
    )
    for user in ("u1", "u2"):
        known(shop, user)
        shop.do("visited", user=user)
    shop.do("order_completed", user="u1")
    shop.allow("u2", granted=False)
    shop.wait_until(at("9:00", 1))
    assert shop.sent == []
    assert shop.refusals("offer")[-2:] in (
        ["refused:condition", "refused:consent"],
        ["refused:consent", "refused:condition"],
    )


def test_a_send_that_quiet_hours_outlast_is_expired() -> None:
    shop = shop_with(
        simple(
            "offer",
            "visited",
            deliver="purpose: marketing, quiet_hours: 21:00-08:00, valid_for: 2h",
        ),
        start=at("23:00"),
    )
    known(shop)
    shop.do("visited", user="u1")
    shop.wait(DAY)
    assert shop.sent == []


def test_on_cap_delay_sends_when_the_window_has_room() -> None:
    capped = "purpose: marketing, caps: {email: 1 per 24h}, on_cap: delay"
    shop = shop_with(simple("offer", "visited", "reentry: always", deliver=capped))
    known(shop)
    shop.do("visited", user="u1")
    shop.wait(HOUR)
    shop.do("visited", user="u1")
    shop.wait(30 * HOUR)
    assert [a.decided - shop.sent[0].decided for a in shop.sent] == [0, 24 * HOUR]


def test_a_cap_that_outlasts_the_send_is_told_as_a_cap() -> None:
    capped = "purpose: marketing, caps: {email: 1 per 24h}, on_cap: delay, valid_for: 1h"
    shop = shop_with(simple("offer", "visited", "reentry: always", deliver=capped))
    known(shop)
    shop.do("visited", user="u1")
    shop.do("visited", user="u1")
    assert shop.refusals("offer")[-1] == "refused:cap"


def test_what_a_machine_does_occurs_nowhere() -> None:
    shop = shop_with(simple("offer", "email_opened"), segments=(WARM,))
    known(shop)
    opened = an_event("email_opened", user="u1", message_id="o1", time=shop.now, trust=VERIFIED)
    shop.say([msgspec.structs.replace(opened, flags=("machine",))])
    assert shop.sent == []
    assert shop.count("applied") == 3


def test_a14_any_order_of_page_signup_and_login_gives_one_person() -> None:
    found = set()
    for order in permutations(("page", "signup", "login")):
        shop = shop_with()
        first = shop.now
        for step in order:
            match step:
                case "page":
                    shop.do("page_viewed", anon="a1", message_id="p", time=first - 3)
                case "signup":
                    shop.do("signed_up", user="alice", message_id="s", time=first - 2)
                case "login":
                    shop.do("identify", user="alice", anon="a1", message_id="i", time=first - 1)
        person = shop.person("anonymous_id:a1")
        assert person is shop.person("user_id:alice")
        leaves = tuple((k, lf.first, lf.last, lf.total) for k, lf in sorted(person.leaves.items()))
        found.add((person.id, leaves, tuple(person.edges), shop.count("people")))
    assert len(found) == 1


def test_b3_a_clock_in_the_future_moves_no_window() -> None:
    shop = shop_with(segments=(WARM,))
    ahead = datetime.fromtimestamp((shop.now + 3 * DAY) / 1000, UTC).isoformat()
    arrival = Arrival(source="web", trust=VERIFIED, accepted_us=shop.now * 1000)
    for n in range(3):
        body = {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": f"m{n}"}
        found = parse(msgspec.json.encode({**body, "timestamp": ahead}), arrival)
        assert isinstance(found, Event)
        assert (found.time, found.flags) == (shop.now, ("clock_future",))
        shop.say([found])
    assert "warm" in shop.person("user_id:u1").member
    shop.wait(7 * DAY + SECOND)
    assert "warm" not in shop.person("user_id:u1").member


def test_transactional_needs_no_consent_and_knows_no_quiet_hours() -> None:
    trigger = """
trigger: receipt
when: {event: order_completed}
do: [{send: {channels: [email], template: receipt}}]
deliver: {purpose: transactional, quiet_hours: 21:00-08:00}
"""
    shop = shop_with(trigger, start=at("23:00"))
    shop.know("u1", email="u1@shop.example")
    shop.do("order_completed", user="u1")
    shop.do("order_completed", user="u1")
    assert len(shop.sent) == 2, "re-entry is `always` for transactional sends"


def test_channel_fallback_takes_the_first_with_address_consent_and_room() -> None:
    trigger = """
trigger: offer
when: {event: visited}
do: [{send: {channels: [whatsapp, email], template: hello}}]
deliver: {purpose: marketing}
"""
    shop = Shop(
        {**TEMPLATES, "templates/hello.whatsapp.liquid": "Hello", "triggers/t.yaml": trigger}
    )
    known(shop)
    shop.allow("u1", channel="whatsapp")
    shop.do("visited", user="u1")
    assert [a.channel for a in shop.sent] == ["email"]


def test_shadow_decides_and_never_sends() -> None:
    shop = shop_with(
        simple("offer", "visited").replace("trigger: offer", "trigger: offer\nstatus: shadow")
    )
    known(shop)
    shop.do("visited", user="u1")
    assert shop.sent == []
    assert shop.refusals("offer") == ["shadow:"]


def test_a4_and_r30_a_shared_device_belongs_to_nobody() -> None:
    shop = shop_with()
    shop.do("page_viewed", anon="ipad")
    shop.do("page_viewed", user="bob", anon="ipad")
    assert shop.person("user_id:bob") is shop.person("anonymous_id:ipad")
    shop.do("page_viewed", user="carol", anon="ipad")
    people = {shop.person(i).id for i in ("user_id:bob", "user_id:carol", "anonymous_id:ipad")}
    assert len(people) == 3
    shop.do("page_viewed", anon="ipad")
    assert shop.person("anonymous_id:ipad").leaves["anonymous_id:ipad"].total == 2
    assert shop.count("people") == 3


def test_a6_the_cookie_and_the_person_id_of_who_was_merged_lead_to_whom_they_became() -> None:
    shop = shop_with()
    shop.do("page_viewed", user="p", anon="ps-cookie")
    shop.wait(MINUTE)
    shop.do("page_viewed", user="q", anon="qs-cookie")
    former = shop.person("anonymous_id:qs-cookie").id
    shop.join("user_id:p", "user_id:q")
    assert shop.count("people") == 1

    for restarts in range(2):
        shop.do("page_viewed", anon="qs-cookie")
        merged = shop.person("anonymous_id:qs-cookie")
        assert merged.id != former, "the first leaf names the person"
        assert {"user_id:p", "user_id:q"} <= merged.ids
        assert merged.leaves["anonymous_id:qs-cookie"].total == 1 + restarts
        assert sum(leaf.total for leaf in merged.leaves.values()) == 3 + restarts
        assert shop.count("people") == 1, "and no new anonymous one came"
        for way in (former, *merged.ids):
            assert shop.shelf.index[way] == merged.id, "as who reads the ledger finds it"
        if not restarts:
            assert shop.person(former) is merged
        shop.open()


def test_late_events_older_than_thirty_days_change_traits_only() -> None:
    shop = shop_with(simple("offer", "visited"), segments=(WARM,))
    known(shop)
    shop.do("visited", user="u1", time=shop.now - 31 * DAY, traits={"plan": "pro"})
    assert shop.sent == []
    assert shop.person("user_id:u1").view.traits["plan"][2] == "pro"


def test_a_new_version_changes_memberships_but_nothing_occurs_from_it() -> None:
    trigger = """
trigger: warmed
when: {segment: exited warm}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
    shop = shop_with(trigger, segments=(WARM,))
    for _ in range(3):
        shop.do("product_viewed", user="u1")
    shop.edit(segments__s0=WARM.replace(">= 3", ">= 4"))
    shop.do("page_viewed", user="u1")
    assert shop.person("user_id:u1").member == {}
    assert shop.sent == []


def test_a_dead_letter_is_settled_and_what_comes_beside_it_counts() -> None:
    shop = shop_with()
    shop.do("page_viewed", user="u1", message_id="m")
    shop.do("page_viewed", user="u1", message_id="m", colour="red")
    (place,) = shop.shelf.dead
    again = an_event("page_viewed", user="u1", time=shop.now, message_id="m2")
    shop.say([Settled(*place, "me"), again])
    assert shop.shelf.dead == {}
    assert shop.person("user_id:u1").leaves["user_id:u1"].total == 2
    assert shop.engine.state.offset.entry == shop.log.last(0)
