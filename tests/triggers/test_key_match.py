"""Whom an event concerns that does not carry the key by which a trigger's runs are told apart."""

import pytest

from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, WORKSPACE, Shop
from triggers.load import load
from triggers.problems import WorkspaceError

CART = """
trigger: cart
when: {event: cart_updated, then_no: ordered, within: 30m}
key: cart_id
key_match: %s
exit_when: [emptied]
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
TRIP = """
trigger: trip
when: {event: booked}
key: trip_id
key_match: %s
goal: {event: paid, within: 7d}
exit_when: [cancelled]
do:
  - wait_for: {event: checked_in, timeout: 1d, else: [{send: {channels: [webhook]}}]}
  - wait: 1d
deliver: {purpose: product}
"""
BOTH = pytest.mark.parametrize("match", ["loose", "strict"])


@BOTH
@pytest.mark.parametrize("ending", ["ordered", "emptied"])
def test_an_event_without_the_key_ends_every_run_or_none(match: str, ending: str) -> None:
    shop = Shop({"triggers/cart.yaml": CART % match})
    for cart in ("c1", "c2", "c3"):
        shop.do("cart_updated", user="ana", cart_id=cart)
    shop.wait(MINUTE)
    shop.do(ending, user="ana")
    assert len(list(shop.person("user_id:ana").runs())) == (3 if match == "strict" else 0)
    shop.do(ending, user="ana", cart_id="c2")
    shop.wait(HOUR)
    assert len(shop.sent) == (2 if match == "strict" else 0)


@BOTH
def test_a_wait_is_moved_by_events_with_the_key_alone_where_it_is_strict(match: str) -> None:
    shop = Shop({"triggers/trip.yaml": TRIP % match})
    for trip in ("t1", "t2"):
        shop.do("booked", user="ana", trip_id=trip)
    shop.do("checked_in", user="ana")
    shop.do("checked_in", user="ana", trip_id="t2")
    shop.wait(DAY + HOUR)
    assert len(shop.sent) == (1 if match == "strict" else 0), "t1 is reminded"


@BOTH
def test_a_goal_is_reached_by_events_with_the_key_alone_where_it_is_strict(match: str) -> None:
    shop = Shop({"triggers/trip.yaml": TRIP % match})
    for trip in ("t1", "t2"):
        shop.do("booked", user="ana", trip_id=trip)
    shop.do("paid", user="ana")
    assert shop.count("goal:trip:treated") == (0 if match == "strict" else 2)
    shop.do("paid", user="ana", trip_id="t2")
    assert shop.count("goal:trip:treated") == (1 if match == "strict" else 2)


def test_receipts_of_a_runs_own_messages_need_no_key() -> None:
    text = TRIP % "strict"
    shop = Shop(
        {
            "triggers/trip.yaml": text.replace(
                "  - wait_for: {event: checked_in,",
                "  - send: {channels: [log]}\n  - wait_for: {event: clicked,",
            )
        }
    )
    shop.do("booked", user="ana", trip_id="t1")
    shop.do("log_clicked", user="ana", message=shop.sent[0].id)
    shop.wait(DAY + HOUR)
    assert [one.channel for one in shop.sent] == ["log"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("key: trip_id\n", "", "4:12: without `key: PROPERTY` there is nothing"),
        ("event: checked_in", "event: any email_clicked", "9:23: email_clicked carries no 'trip_id'"),
        ("[cancelled]", "[any opened]", "7:13: email_opened carries no 'trip_id'"),
        ("[cancelled]", "[email_bounced]", "7:13: email_bounced carries no 'trip_id'"),
        ("strict", "strickt", "5:12: unknown word 'strickt'. Did you mean 'strict'? Known: loose, strict"),
    ],
)  # fmt: skip
def test_what_could_concern_no_run_is_said(old: str, new: str, problem: str) -> None:
    files = {
        "workspace.yaml": WORKSPACE,
        "triggers/trip.yaml": (TRIP % "strict").replace(old, new),
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert f"triggers/trip.yaml:{problem}" in str(error.value)


def test_an_event_that_is_only_named_like_a_receipt_may_carry_the_key() -> None:
    files = {
        "workspace.yaml": WORKSPACE,
        "triggers/trip.yaml": (TRIP % "strict").replace("[cancelled]", "[any order_delivered]"),
    }
    assert load(files, ADDRESSES).named["trip"].ends.events == ("order_delivered",)
