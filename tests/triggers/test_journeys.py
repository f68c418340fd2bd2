"""Journeys: steps one after the other, waits in between, and what moves or ends a run meanwhile."""

from typing import Any

import pytest

from events.record import VERIFIED
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, Shop, at
from triggers.load import load
from triggers.problems import WorkspaceError

TEMPLATES = {
    f"templates/{name}.liquid": f"---\nsubject: {name}\n---\n<p>{name} {{{{ event.cart_id }}}}</p>\n"
    for name in ("welcome", "tips", "help", "pro", "team", "reminder", "discount")
}


def shop(text: str, **given: Any) -> Shop:
    """A shop with one journey, and Ana, who may be written to."""
    made = Shop({"triggers/journey.yaml": text, **TEMPLATES}, **given)
    made.know("ana", email="ana@shop.example")
    made.allow("ana")
    return made


def templates(made: Shop) -> list[str | None]:
    return [one.template for one in made.sent_by("journey")]


SERIES = """
trigger: journey
when: {event: signed_up}
exit_when: [account_deleted, plan = pro]
do:
  - send: {channels: [email], template: welcome}
  - wait: 2d
  - send: {channels: [email], template: tips}
  - wait_for: {event: first_login, timeout: 1d, else: [{send: {channels: [email], template: help}}]}
  - if: team_size > 1
    then: [{send: {channels: [email], template: team}}]
    else:
      - switch: event.via
        cases:
          advert: [exit]
          friend: [{send: {channels: [email], template: pro}}]
        else: [{send: {channels: [webhook], purpose: product}}]
  - send: {channels: [email], template: discount}
deliver: {purpose: marketing}
"""


def test_steps_are_taken_in_order_each_in_its_time() -> None:
    made = shop(SERIES)
    start = made.now
    made.do("signed_up", user="ana", via="friend")
    assert templates(made) == ["welcome"]
    made.wait_until(start + 2 * DAY - SECOND)
    assert templates(made) == ["welcome"]
    made.wait_until(start + 2 * DAY + SECOND)
    assert templates(made) == ["welcome", "tips"]
    made.do("first_login", user="ana")
    assert templates(made) == ["welcome", "tips", "pro", "discount"]
    assert not made.person("user_id:ana").waits
    made.wait(5 * DAY)
    assert len(templates(made)) == 4


def test_each_way_is_taken_by_whom_it_is_for() -> None:
    made = shop(SERIES)
    made.do("signed_up", user="ana", via="advert")
    made.wait(3 * DAY + MINUTE)
    assert templates(made) == ["welcome", "tips", "help"], "an advert's journey ends there"
    made = shop(SERIES)
    made.know("ana", team_size=4)
    made.do("signed_up", user="ana", via="advert")
    made.wait(3 * DAY + MINUTE)
    assert templates(made) == ["welcome", "tips", "help", "team", "discount"]
    made = shop(SERIES)
    made.do("signed_up", user="ana")
    made.wait(3 * DAY + MINUTE)
    assert templates(made) == ["welcome", "tips", "help", None, "discount"]


def test_d3_who_buys_in_the_middle_of_a_wait_is_out_at_once_and_gets_nothing() -> None:
    made = shop(SERIES.replace("wait: 2d", "wait: 30d"))
    made.do("signed_up", user="ana")
    made.wait(DAY)
    made.do("account_deleted", user="ana")
    assert not made.person("user_id:ana").waits
    assert made.refusals("journey")[-1] == "ended:account_deleted"
    made.wait(60 * DAY)
    assert templates(made) == ["welcome"]


def test_a_condition_of_exit_when_ends_a_wait_at_once() -> None:
    made = shop(SERIES)
    made.do("signed_up", user="ana")
    made.wait(DAY)
    made.know("ana", plan="pro")
    assert not made.person("user_id:ana").waits
    assert made.refusals("journey")[-1] == "ended:condition"


def test_a_condition_that_time_alone_makes_true_ends_a_wait_then() -> None:
    made = shop(
        SERIES.replace("wait: 2d", "wait: 30d").replace("plan = pro", '"never(visited, last 3d)"')
    )
    made.do("visited", user="ana")
    made.do("signed_up", user="ana")
    start = made.now
    made.wait_until(start + 3 * DAY - SECOND)
    assert made.person("user_id:ana").waits
    made.wait_until(start + 3 * DAY + SECOND)
    assert not made.person("user_id:ana").waits


def test_a_condition_that_time_makes_true_ends_an_absence_and_a_held_send_too() -> None:
    text = """
trigger: journey
when: {event: cart_updated, then_no: order_completed, within: 4h}
exit_when: ['never(visited, last 3h)']
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: "12:00-22:00"}
"""
    made = shop(text)
    made.do("visited", user="ana")
    made.do("cart_updated", user="ana")
    made.wait(3 * HOUR - MINUTE)
    assert made.person("user_id:ana").waits
    made.wait(2 * MINUTE)
    assert not made.person("user_id:ana").waits
    made.do("visited", user="ana")
    made.do("cart_updated", user="ana")
    for _ in range(4):
        made.wait(HOUR)
        made.do("visited", user="ana")
    assert made.refusals("journey")[-1] == "held:quiet_hours"
    made.wait(3 * HOUR + MINUTE)
    assert not made.person("user_id:ana").waits


def test_what_comes_first_decides_a_wait_and_it_is_decided_once() -> None:
    text = """
trigger: journey
when: {event: cart_updated}
key: cart_id
do:
  - wait_for: {event: order_completed, timeout: 1h, then: [{send: {channels: [webhook], purpose: product}}], else: [{send: {channels: [email], template: reminder}}]}
  - wait: 1d
deliver: {purpose: marketing}
"""
    made = shop(text)
    start = made.now
    for cart in ("c1", "c2", "c3", "c4"):
        made.do("cart_updated", user="ana", cart_id=cart, time=start)
    made.do("order_completed", user="ana", cart_id="c1", time=start + 30 * MINUTE)
    made.wait_until(start + HOUR + SECOND)
    # It happened in time, but is told of too late; and what is told of in time happens too late.
    made.do("order_completed", user="ana", cart_id="c2", time=start + 59 * MINUTE)
    decided = {one.event["cart_id"]: one.channel for one in made.sent_by("journey")}
    assert decided == {"c1": "webhook", "c2": "email", "c3": "email", "c4": "email"}
    made.wait(2 * DAY)
    assert len(made.sent_by("journey")) == 4


def test_an_event_without_the_key_ends_every_wait_for_it() -> None:
    made = shop("""
trigger: journey
when: {event: cart_updated}
key: cart_id
do:
  - wait_for: {event: order_completed, timeout: 1h, then: exit}
  - send: {channels: [email], template: reminder}
deliver: {purpose: marketing}
""")
    made.do("cart_updated", user="ana", cart_id="c1")
    made.do("cart_updated", user="ana", cart_id="c2")
    made.do("order_completed", user="ana")
    made.wait(2 * HOUR)
    assert templates(made) == []


def test_a_second_event_of_the_same_name_is_waited_for_not_the_one_that_entered() -> None:
    made = shop("""
trigger: journey
when: {event: product_viewed}
do:
  - wait_for: {event: product_viewed, timeout: 1h, else: exit}
  - wait_for: {event: product_viewed, timeout: 1h, else: exit}
  - send: {channels: [email], template: reminder}
deliver: {purpose: marketing}
""")
    for n in range(3):
        made.do("product_viewed", user="ana")
        assert templates(made) == (["reminder"] if n == 2 else [])
        made.wait(MINUTE)


RECEIPTS = """
trigger: journey
when: {event: signed_up}
do:
  - send: {channels: [email], template: welcome}
  - wait_for: {event: %s, timeout: 1d, then: exit}
  - send: {channels: [email], template: help}
deliver: {purpose: marketing}
"""


@pytest.mark.parametrize(
    ("word", "own"), [("clicked", True), ("email_clicked", True), ("any email_clicked", False)]
)
def test_a_receipt_is_that_of_the_runs_own_message_unless_any_will_do(word: str, own: bool) -> None:
    made = shop(RECEIPTS % word)
    made.do("signed_up", user="ana")
    made.do("email_clicked", user="ana", message="of another journey")
    assert made.person("user_id:ana").waits is own
    if own:
        made.do("email_clicked", user="ana", message=made.sent_by("journey")[0].id)
    assert not made.person("user_id:ana").waits
    made.wait(2 * DAY)
    assert templates(made) == ["welcome"]


def test_r27_what_happened_on_another_device_moves_a_wait_once_it_is_known_to_be_theirs() -> None:
    text = """
trigger: journey
when: {event: cart_updated}
exit_when: order_completed
do:
  - wait_for: {event: coupon_used, timeout: 1h, then: [{send: {channels: [webhook]}}, {wait: 1d}]}
deliver: {purpose: product}
"""
    made = shop(text)
    made.do("cart_updated", anon="phone")
    made.do("coupon_used", anon="laptop")
    assert made.sent_by("journey") == []
    made.do("identify", user="ana", anon="laptop", trust=VERIFIED)
    made.do("identify", user="ana", anon="phone", trust=VERIFIED)
    assert [one.channel for one in made.sent_by("journey")] == ["webhook"]
    made.do("order_completed", anon="tablet")
    assert made.person("user_id:ana").waits
    made.do("identify", user="ana", anon="tablet", trust=VERIFIED)
    assert not made.person("user_id:ana").waits


@pytest.mark.parametrize(
    ("wait", "start", "then"),
    [
        ("until 10:00", at("9:00"), at("10:00")),
        ("until 10:00", at("10:00"), at("10:00")),
        ("until 10:00", at("10:01"), at("10:00", day=1)),
        ("until 10:00 mon-fri", at("11:00", day=4), at("10:00", day=7)),  # Friday -> Monday
        ("until 10:00 sat,sun", at("11:00"), at("10:00", day=5)),
        # Clocks go from 2:00 to 3:00 on Sunday 29 March: the first instant that there is.
        ("until 02:30", at("12:00", day=26), at("2:00", day=27)),
    ],
)
def test_a_wait_until_a_time_of_day_is_local(wait: str, start: int, then: int) -> None:
    made = shop(
        f"""
trigger: journey
when: {{event: signed_up}}
do: [{{wait: "{wait}"}}, {{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
""",
        start=start,
    )
    made.do("signed_up", user="ana", time=start)
    made.wait_until(then - 1)
    sent_before = len(made.sent_by("journey"))
    made.wait_until(then + SECOND)
    assert (sent_before, len(made.sent_by("journey"))) == (0 if then > start else 1, 1)


DELIVERY = """
trigger: journey
when: {event: order_completed}
do: [{wait: "%s"}, {send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


def test_a_wait_until_a_date_follows_the_date_where_it_moves() -> None:
    made = shop(DELIVERY % "until delivery_date -1d at 09:00")
    made.do("order_completed", user="ana")
    made.wait(DAY)  # nobody knows the date yet
    made.know("ana", delivery_date="2026-03-20")
    made.wait(DAY)
    made.know("ana", delivery_date="2026-03-10")
    made.wait_until(at("8:59", day=7))
    assert made.sent_by("journey") == []
    made.wait_until(at("9:01", day=7))
    assert len(made.sent_by("journey")) == 1


@pytest.mark.parametrize(
    ("wait", "then"),
    [
        ("until event.slot", at("18:30", day=3)),
        ("until event.slot -2h", at("16:30", day=3)),
        ("until event.slot +1d", at("18:30", day=4)),
        ("until event.slot at 08:00", at("8:00", day=3)),
    ],
)
def test_a_wait_until_a_date_of_the_event(wait: str, then: int) -> None:
    made = shop(DELIVERY % wait)
    made.do("order_completed", user="ana", slot="2026-03-05T17:30:00Z")
    made.wait_until(then - 1)
    assert made.sent_by("journey") == []
    made.wait_until(then + SECOND)
    assert len(made.sent_by("journey")) == 1


def test_a_wait_until_a_trait_is_set() -> None:
    made = shop(DELIVERY % "until trait size set")
    made.do("order_completed", user="ana")
    made.know("ana", size="")
    made.wait(30 * DAY)
    assert made.sent_by("journey") == []
    made.know("ana", size=0)
    assert len(made.sent_by("journey")) == 1


def test_each_channel_of_a_send_on_all_of_them_is_decided_once() -> None:
    made = shop(
        """
trigger: journey
when: {event: alarm}
do: [{send: {channels: [email, webhook], all: true, template: help}}]
deliver: {purpose: product, caps: {email: 1 per 1h}, on_cap: delay}
reentry: always
"""
    )
    made.do("alarm", user="ana")
    made.do("alarm", user="ana")
    assert [one.channel for one in made.sent_by("journey")] == ["email", "webhook", "webhook"]
    made.wait(2 * HOUR)
    assert [one.channel for one in made.sent_by("journey")] == [
        "email", "webhook", "webhook", "email",
    ]  # fmt: skip
    assert [outcome for _, _, outcome, _ in made.explanations if outcome == "sent"] == ["sent"] * 4


@pytest.mark.parametrize(
    ("word", "sent"), [("ignore", ["a"]), ("update", ["b"]), ("restart", ["b"])]
)
def test_what_a_new_entry_does_to_a_run_that_waits(word: str, sent: list[str]) -> None:
    made = shop(
        f"""
trigger: journey
when: {{event: seat_chosen}}
while_active: {word}
reentry: always
do: [{{wait: 1h}}, {{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
    )
    start = made.now
    made.do("seat_chosen", user="ana", seat="a")
    made.wait(30 * MINUTE)
    made.do("seat_chosen", user="ana", seat="b")
    made.wait_until(start + HOUR + SECOND)
    assert [one.event["seat"] for one in made.sent_by("journey")] == (
        [] if word == "restart" else sent
    )
    made.wait(HOUR)
    assert [one.event["seat"] for one in made.sent_by("journey")] == sent


HABIT = """
trigger: journey
when: {absence: {after: ordered, of: %s, for: {usual: 0.5, min: 2d, max: 10d}}}
reentry: always
while_active: restart
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


@pytest.mark.parametrize(("pause", "wait"), [(1, 2), (4, 4), (30, 10)])
@pytest.mark.parametrize("of", ["ordered", "called_off"])
def test_a_usual_interval_is_the_persons_own_within_bounds(of: str, pause: int, wait: int) -> None:
    made = shop(HABIT % of)
    for _ in range(4):
        made.do("ordered", user="ana")
        made.wait(pause * DAY)
    before = len(made.sent_by("journey"))
    made.do("ordered", user="ana")
    made.wait(wait * DAY - MINUTE)
    assert len(made.sent_by("journey")) == before
    made.wait(2 * MINUTE)
    assert len(made.sent_by("journey")) == before + 1


def test_a_usual_interval_takes_all_devices_of_a_person_together() -> None:
    made = shop(HABIT % "ordered")
    for anon in ("a1", "a2", "a1", "a2"):
        made.do("ordered", anon=anon)
        made.wait(4 * DAY)
    assert made.sent_by("journey") == []
    for anon in ("a1", "a2"):
        made.do("identify", user="ana", anon=anon, trust=VERIFIED)
    made.do("ordered", user="ana")
    made.wait(4 * DAY + MINUTE)
    assert len(made.sent_by("journey")) == 1


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("[{snd: {channels: [email]}}]", "3:7: unknown step 'snd'. Did you mean 'send'?"),
        ("[exit, {wait: 1d}]", "3:12: this step is never reached: the one before ends the run"),
        ("[{wait: soon}]", "3:13: a duration such as 30s, 30m, 2h or 7d was expected, found 'soon'"),
        ("[{wait: until tea}, {wait: 1d}]", ""),
        ("[{wait: until 25:00}]", "3:13: a time of day such as 09:00 was expected, found '25:00'"),
        ("[{wait: until 9:00 mo}]", "3:13: days such as mon-fri or mon,wed were expected, found 'mo'"),
        ("[{wait: until a b c}]", "3:13: `until 10:00 mon-fri`, `until delivery_date -1d at 09:00`"),
        (
            "[{wait_for: {event: clicked, timeout: 1d}}]",
            "3:25: no message is sent before this that could be clicked",
        ),
        ("[{wait_for: {event: a, timeout: 1d, els: []}}]", "3:41: unknown key 'els'"),
        ("[{wait_for: {event: a}}]", "3:17: the key 'timeout' is missing"),
        ("[{if: plan = , then: []}]", "3:17: "),
        ("[{if: plan = pro, then: [{wait: 1d}, {wiat: 1d}]}]", "3:43: unknown step 'wiat'"),
        ("[{switch: plan, cases: {}}]", "3:28: a switch needs one case at least"),
        ("[{send: {channels: [webhook]}, wait: 1d}]", "3:6: one step was expected, found send and wait"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step_is_said_at_its_place(steps: str, problem: str) -> None:
    text = f"trigger: journey\nwhen: {{event: signed_up}}\ndo: {steps}\ndeliver: {{purpose: product}}\n"
    files = {"workspace.yaml": "workspace: w\npurposes: {product: {}}", "triggers/j.yaml": text}
    if not problem:
        load(files, ADDRESSES)
        return
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert str(error.value).startswith(f"triggers/j.yaml:{problem}"), str(error.value)
