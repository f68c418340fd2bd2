"""Caps: what counts, by the clock and by the calendar, and when a send that is held may leave."""

from datetime import datetime
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from profile_state.leaf import Run
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop
from triggers.activation import Activation

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
WORKSPACE = """
workspace: test
timezone: %s
purposes: {marketing: {default: allowed}, product: {default: allowed}}
channels: {email: {caps: {%s}}}
"""
TEMPLATES = {
    "templates/hello.liquid": "---\nsubject: Hello\n---\nHello",
    "templates/receipt.liquid": "---\nsubject: Thanks\npurpose: transactional\n---\nThanks",
}
RECEIPT = """
trigger: receipt
when: {event: ordered}
do: [{send: {channels: [email], template: receipt}}]
deliver: {purpose: transactional, caps: {email: 1 per 7d}}
"""


def local(wall: str, zone: str = BERLIN) -> int:
    """Return the instant (ms) of a time on the wall; after `+1` the second of two."""
    text, _, second = wall.partition("+")
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=1 if second else 0)
    return int(moment.timestamp() * 1000)


def trigger(name: str, event: str, deliver: str, channels: str = "email", rest: str = "") -> str:
    return f"""
trigger: {name}
when: {{event: {event}}}
reentry: always
do: [{{send: {{channels: [{channels}], template: hello{rest}}}}}]
deliver: {{purpose: marketing, {deliver}}}
"""


def shop_of(*triggers: str, start: str, caps: str = "", zone: str = BERLIN, rest: str = "") -> Shop:
    """Open a shop that knows Ana, at a time on the wall."""
    files = {f"triggers/t{nth}.yaml": text for nth, text in enumerate(triggers)}
    shop = Shop(
        {**TEMPLATES, **files}, workspace=WORKSPACE % (zone, caps) + rest, start=local(start, zone)
    )
    shop.know("ana", email="ana@shop.example", phone="+33600000000")
    return shop


def at_a_time(shop: Shop, wall: str, event: str = "seen", zone: str = BERLIN) -> str:
    """Let something happen at a time on the wall; return what became of it."""
    shop.wait_until(local(wall, zone))
    before = len(shop.explanations)
    shop.do(event, user="ana")
    return " ".join(f"{outcome}:{reason}" for _, _, outcome, reason in shop.explanations[before:])


def left_at(one: Activation, wall: str, zone: str = BERLIN) -> bool:
    """Say whether a message was decided at a time on the wall, within the second of its timer."""
    return local(wall, zone) <= one.decided <= local(wall, zone) + SECOND


def held(shop: Shop) -> list[Run]:
    return [run for _, run in shop.person("user_id:ana").runs()]


BY_TRIGGER, BY_WORKSPACE = ("caps: {email: %s}", ""), ("priority: 50", "marketing: %s")


@pytest.mark.parametrize("place", [BY_TRIGGER, BY_WORKSPACE])
def test_e5_a_day_is_24_hours_unless_the_cap_counts_by_the_calendar(place: tuple[str, str]) -> None:
    for calendar, came in (
        ("", ["sent:email", "refused:cap", "refused:cap", "sent:email"]),
        (", calendar: true", ["sent:email", "sent:email", "refused:cap", "refused:cap"]),
        (", calendar: false", ["sent:email", "refused:cap", "refused:cap", "sent:email"]),
    ):
        deliver, caps = (text.replace("%s", f"1 per 1d{calendar}") for text in place)
        shop = shop_of(trigger("offer", "seen", deliver), start="2026-03-02 22:00", caps=caps)
        walls = ("2026-03-02 23:00", "2026-03-03 00:00", "2026-03-03 22:59", "2026-03-03 23:00")
        assert [at_a_time(shop, wall) for wall in walls] == came, calendar


def test_e5_several_days_are_today_and_those_before_it() -> None:
    shop = shop_of(
        trigger("offer", "seen", "caps: {email: 3 per 7d, calendar: true}"),
        start="2026-03-02 09:00",
    )
    for wall, came in {
        "2026-03-02 10:00": "sent:email",
        "2026-03-03 18:00": "sent:email",
        "2026-03-04 12:00": "sent:email",
        "2026-03-04 13:00": "refused:cap",
        "2026-03-08 23:59": "refused:cap",
        "2026-03-09 00:00": "sent:email",  # Monday has left the days that count
        "2026-03-09 00:01": "refused:cap",
        "2026-03-10 00:00": "sent:email",
    }.items():
        assert at_a_time(shop, wall) == came, wall


@pytest.mark.parametrize(
    ("zone", "first", "again", "free"),
    [
        (BERLIN, "2026-03-02 23:59", "2026-03-02 23:59", "2026-03-03 00:00"),
        (BERLIN, "2026-03-29 00:10", "2026-03-29 23:30", "2026-03-30 00:00"),  # of 23 hours
        (BERLIN, "2026-10-25 00:10", "2026-10-25 23:50", "2026-10-26 00:00"),  # of 25
        ("Australia/Lord_Howe", "2026-04-05 00:10", "2026-04-05 23:50", "2026-04-06 00:00"),
        ("Asia/Kathmandu", "2026-03-02 12:00", "2026-03-02 12:01", "2026-03-03 00:00"),
        ("America/Havana", "2026-03-07 12:00", "2026-03-07 13:00", "2026-03-08 01:00"),  # no 00:30
        ("America/Havana", "2026-10-31 12:00", "2026-10-31 13:00", "2026-11-01 00:00"),  # the first
        (NEW_YORK, "2026-03-02 23:59", "2026-03-02 23:59", "2026-03-03 00:00"),
    ],
)
def test_a_send_that_is_delayed_by_calendar_leaves_at_midnight(
    zone: str, first: str, again: str, free: str
) -> None:
    shop = shop_of(
        trigger("offer", "seen", "caps: {email: 1 per 1d, calendar: true}, on_cap: delay"),
        start=first,
        zone=zone,
    )
    assert at_a_time(shop, first, zone=zone) == "sent:email"
    assert at_a_time(shop, again, zone=zone) == "held:cap"
    assert [run.due for run in held(shop)] == [local(free, zone)]
    shop.wait_until(local(free, zone) + 2 * DAY)
    assert len(shop.sent) == 2
    assert left_at(shop.sent[1], free, zone)


def test_days_are_those_of_the_zone_in_which_the_person_is_now() -> None:
    calendar = "caps: {email: 1 per 1d, calendar: true}"
    shop = shop_of(trigger("offer", "seen", calendar), start="2026-03-02 23:00")
    assert at_a_time(shop, "2026-03-02 23:30") == "sent:email"
    shop.know("ana", timezone=NEW_YORK)  # where it is 17:30 of the same Monday
    assert at_a_time(shop, "2026-03-03 05:59") == "refused:cap"
    assert at_a_time(shop, "2026-03-03 06:00") == "sent:email", "on Tuesday at 00:00 in New York"
    shop.know("ana", timezone=BERLIN)  # where that was at 06:00
    assert at_a_time(shop, "2026-03-03 23:59") == "refused:cap"
    shop.know("ana", timezone="Asia/Tokyo")  # where it is Wednesday, and was Tuesday
    assert at_a_time(shop, "2026-03-03 23:59") == "sent:email"


def test_a_send_that_is_held_until_midnight_waits_for_the_one_where_the_person_has_gone() -> None:
    shop = shop_of(
        trigger("offer", "seen", "caps: {email: 1 per 1d, calendar: true}, on_cap: delay"),
        start="2026-03-02 12:00",
    )
    shop.do("seen", user="ana")
    shop.do("seen", user="ana")
    shop.know("ana", timezone=NEW_YORK)
    shop.wait_until(local("2026-03-03 00:01"))
    assert [run.due for run in held(shop)] == [local("2026-03-03 00:00", NEW_YORK)]
    shop.wait(DAY)
    assert [left_at(one, "2026-03-03 00:00", NEW_YORK) for one in shop.sent] == [False, True]


@pytest.mark.parametrize(
    ("zone", "day"), [(BERLIN, "2026-10-25"), ("Australia/Lord_Howe", "2026-04-05")]
)
def test_what_was_sent_is_remembered_for_all_of_a_long_day(zone: str, day: str) -> None:
    often = "trigger: often\nwhen: {event: clicked}\nreentry: always\ndo: [{send: {channels: [log]}}]\ndeliver: {purpose: product}\n"
    calendar = "caps: {email: 1 per 1d, calendar: true}"
    shop = shop_of(trigger("offer", "seen", calendar), often, start=f"{day} 00:00", zone=zone)
    assert at_a_time(shop, f"{day} 00:00", zone=zone) == "sent:email"
    shop.wait_until(local(f"{day} 23:50", zone))
    assert shop.now > shop.sent[0].decided + DAY
    for _ in range(20):
        shop.do("clicked", user="ana")  # each of which lets go of what no cap counts
    assert at_a_time(shop, f"{day} 23:55", zone=zone) == "refused:cap"


def test_e6_the_third_in_a_week_leaves_when_the_first_has_left_the_window() -> None:
    text = trigger("sms", "seen", "priority: 50", "sms")
    shop = shop_of(
        trigger("offer", "seen", "on_cap: delay, valid_for: 6d"),
        text,
        RECEIPT,
        start="2026-03-02 10:00",
        caps="marketing: 2 per 7d",
    )
    for wall in ("2026-03-02 10:00", "2026-03-03 11:00"):
        assert at_a_time(shop, wall) == "sent:email sent:sms"
        assert at_a_time(shop, wall, "ordered") == "sent:email", "and it counts nowhere"
    assert at_a_time(shop, "2026-03-04 12:00") == "held:cap sent:sms"
    for _ in range(3):
        assert at_a_time(shop, "2026-03-04 12:00", "ordered") == "sent:email"
    shop.wait_until(local("2026-03-09 10:00") - 1)
    assert len(shop.sent_by("offer")) == 2
    shop.wait_until(local("2026-03-20 10:00"))
    assert len(shop.sent_by("offer")) == 3
    assert left_at(shop.sent_by("offer")[2], "2026-03-09 10:00")


def test_e6_a_receipt_counts_in_no_cap_of_its_own_trigger_either() -> None:
    both = """
trigger: ordered
when: {event: ordered}
reentry: always
do:
  - send: {channels: [email], template: receipt, purpose: transactional}
  - send: {channels: [email], template: hello}
deliver: {purpose: marketing, caps: {email: 2 per 7d}}
"""
    shop = shop_of(both, start="2026-03-02 10:00")
    came = [at_a_time(shop, "2026-03-02 10:00", "ordered") for _ in range(3)]
    assert came == ["sent:email sent:email"] * 2 + ["sent:email refused:cap"]


@pytest.mark.parametrize("said", ["", "purposes: {transactional: {default: allowed}}"])
def test_e6_transactional_sends_are_never_capped_whatever_the_purpose_says(said: str) -> None:
    purposes = "purposes: {marketing: {default: allowed}, product: {default: allowed}}"
    files = {**TEMPLATES, "triggers/receipt.yaml": RECEIPT}
    workspace = f"workspace: test\nquiet_hours: 00:00-23:59\n{said or purposes}\n"
    shop = Shop(files, workspace=workspace)
    shop.know("ana", email="ana@shop.example")
    for _ in range(3):
        shop.do("ordered", user="ana")
    assert shop.refusals("receipt") == ["sent:email"] * 3


@pytest.mark.parametrize(
    ("valid_for", "became"), [("23h", ["held:cap", "sent:email"]), ("20h", ["refused:cap"])]
)
@pytest.mark.parametrize("on_quiet", ["delay", "skip", "next_channel"])
def test_e6_a_slot_in_quiet_hours_is_their_end(
    valid_for: str, became: list[str], on_quiet: str
) -> None:
    deliver = f"on_cap: delay, on_quiet: {on_quiet}, quiet_hours: 21:00-08:00"
    shop = shop_of(
        trigger("first", "early", "quiet_hours: off"),
        trigger("offer", "seen", f"{deliver}, valid_for: {valid_for}"),
        start="2026-03-01 20:00",
        caps="marketing: 1 per 1d",
    )
    assert at_a_time(shop, "2026-03-02 04:00", "early") == "sent:email"
    at_a_time(shop, "2026-03-02 10:00")
    shop.wait(2 * DAY)
    assert shop.refusals("offer") == became
    assert [left_at(one, "2026-03-03 08:00") for one in shop.sent_by("offer")] == (
        [True] if valid_for == "23h" else []
    )


@pytest.mark.parametrize("calendar", ["", ", calendar: true"])
def test_e6_midnight_in_quiet_hours_and_two_caps_leave_the_later_slot(calendar: str) -> None:
    shop = shop_of(
        trigger("other", "early", "priority: 50"),
        trigger("offer", "seen", f"on_cap: delay, caps: {{email: 1 per 2d{calendar}}}"),
        start="2026-03-02 10:00",
        caps="marketing: 2 per 7d",
        rest="quiet_hours: 21:00-08:00\n",
    )
    assert at_a_time(shop, "2026-03-02 10:00", "early") == "sent:email"
    assert at_a_time(shop, "2026-03-03 11:00") == "sent:email"
    # The trigger's own cap has room on Thursday or Friday, the workspace's the next Monday.
    assert at_a_time(shop, "2026-03-03 12:00") == "held:cap"
    assert [run.due for run in held(shop)] == [local("2026-03-09 10:00")]
    shop.wait_until(local("2026-03-09 09:59"))
    assert len(shop.sent_by("offer")) == 1
    shop.wait_until(local("2026-03-09 10:01"))
    assert left_at(shop.sent_by("offer")[1], "2026-03-09 10:00")
    # And now it is its own that has room last: on Wednesday at 10:00, or as quiet hours end.
    at_a_time(shop, "2026-03-10 12:00")
    slot = "2026-03-11 08:00" if calendar else "2026-03-11 10:00"
    assert [local(slot) <= run.due <= local(slot) + SECOND for run in held(shop)] == [True]


@pytest.mark.parametrize("names", [("aaa", "zzz"), ("zzz", "aaa")])
def test_e6_of_two_held_for_one_slot_the_more_important_goes_and_the_other_waits_on(
    names: tuple[str, str],
) -> None:
    low, high = names
    shop = shop_of(
        trigger(low, "seen", "on_cap: delay, priority: 10"),
        trigger(high, "looked", "on_cap: delay, priority: 90"),
        start="2026-03-02 10:00",
        caps="marketing: 2 per 7d",
    )
    assert at_a_time(shop, "2026-03-02 10:00") == "sent:email"
    assert at_a_time(shop, "2026-03-04 18:00") == "sent:email"
    assert at_a_time(shop, "2026-03-05 10:00") == "held:cap"
    assert at_a_time(shop, "2026-03-06 10:00", "looked") == "held:cap"
    shop.wait_until(local("2026-03-09 10:01"))
    assert [left_at(one, "2026-03-09 10:00") for one in shop.sent_by(high)] == [True]
    assert [(run.trigger, run.due) for run in held(shop)] == [(low, local("2026-03-11 18:00"))]
    shop.wait(7 * DAY)
    assert [left_at(one, "2026-03-11 18:00") for one in shop.sent_by(low)[2:]] == [True]


REASONS = {  # `on_cap` -> what becomes of the second send of a day
    "delay": "held:cap",
    "skip": "refused:cap",
    "next_channel": "sent:sms",
}


@pytest.mark.parametrize("action", REASONS)
def test_e8_on_cap_says_what_becomes_of_a_send_without_room(action: str) -> None:
    deliver = f"on_cap: {action}, caps: {{email: 1 per 1d}}"
    shop = shop_of(trigger("offer", "seen", deliver, "email, sms"), start="2026-03-02 10:00")
    assert at_a_time(shop, "2026-03-02 10:00") == "sent:email"
    assert at_a_time(shop, "2026-03-02 11:00") == REASONS[action]
    shop.wait(3 * DAY)
    later = {"delay": ["email"], "skip": [], "next_channel": ["sms"]}[action]
    assert [one.channel for one in shop.sent] == ["email", *later]


@pytest.mark.parametrize(
    ("action", "became"),
    [("delay", "held:quiet_hours"), ("skip", "refused:quiet_hours"), ("next_channel", "refused:quiet_hours")],
)  # fmt: skip
def test_e8_on_quiet_says_what_becomes_of_a_send_in_quiet_hours(action: str, became: str) -> None:
    deliver = f"on_quiet: {action}, quiet_hours: 21:00-08:00"
    shop = shop_of(trigger("offer", "seen", deliver, "email, sms"), start="2026-03-02 20:00")
    assert at_a_time(shop, "2026-03-02 23:00") == became, "all channels are quiet at once"
    shop.wait(3 * DAY)
    assert [one.channel for one in shop.sent] == (["email"] if action == "delay" else [])


@pytest.mark.parametrize("action", ["delay", "skip", "next_channel"])
def test_e8_where_each_channel_gets_it_those_without_room_do_as_is_said(action: str) -> None:
    deliver = f"on_cap: {action}, on_quiet: {action}, caps: {{email: 1 per 1d}}"
    shop = shop_of(
        trigger("offer", "seen", deliver, "email, sms", ", all: true"),
        start="2026-03-02 10:00",
        rest="quiet_hours: 21:00-08:00\n",
    )
    assert at_a_time(shop, "2026-03-02 10:00") == "sent:email sent:sms"
    waits = action == "delay"
    assert at_a_time(shop, "2026-03-02 11:00") == (
        "sent:sms held:cap" if waits else "refused:cap sent:sms"
    )
    shop.wait(DAY)
    assert len(shop.sent_by("offer")) == (4 if waits else 3)
    assert at_a_time(shop, "2026-03-05 23:00") == (
        "held:quiet_hours" if waits else "refused:quiet_hours refused:quiet_hours"
    )


@pytest.mark.parametrize("on_quiet", ["delay", "skip", "next_channel"])
@pytest.mark.parametrize("on_cap", ["delay", "skip", "next_channel"])
def test_e8_every_send_that_is_not_made_has_a_reason(on_cap: str, on_quiet: str) -> None:
    deliver = f"on_cap: {on_cap}, on_quiet: {on_quiet}, caps: {{email: 2 per 1d}}, valid_for: 30h"
    shop = shop_of(
        trigger("offer", "seen", deliver, "email, sms"),
        start="2026-03-02 00:00",
        rest="quiet_hours: 21:00-08:00\n",
    )
    for hour in range(0, 48, 3):
        shop.wait_until(local("2026-03-02 00:00") + hour * HOUR)
        shop.do("seen", user="ana")
    shop.wait(4 * DAY)
    ends = [outcome for _, _, outcome, _ in shop.explanations if outcome != "held"]
    # Who waits already is why another does not begin to.
    assert ends.count("sent") + ends.count("refused") + ends.count("ignored") == len(ends) == 16
    assert all(reason for _, _, _, reason in shop.explanations)
    assert ends.count("sent") == len(shop.sent)
    assert not held(shop)


@pytest.mark.parametrize("names", list(permutations(("aaa", "zzz"))))
@pytest.mark.parametrize("files", list(permutations(("a", "z"))))
def test_e9_of_two_by_one_record_the_more_important_is_sent(
    names: tuple[str, str], files: tuple[str, str]
) -> None:
    low, high = names
    texts = (
        trigger(low, "seen", "priority: 10"),
        trigger(high, "seen", "priority: 90"),
    )
    _both(dict(zip(files, texts, strict=True)), low, high)


@pytest.mark.parametrize("names", list(permutations(("aaa", "zzz"))))
@pytest.mark.parametrize("files", list(permutations(("a", "z"))))
def test_e9_of_two_at_one_due_time_the_more_important_is_sent(
    names: tuple[str, str], files: tuple[str, str]
) -> None:
    low, high = names
    waits = "when: {event: seen, then_no: ordered, within: 30m}"
    texts = (
        trigger(low, "seen", "priority: 10").replace("when: {event: seen}", waits),
        trigger(high, "seen", "priority: 90").replace("do: [", "do: [{wait: 30m}, "),
    )
    _both(dict(zip(files, texts, strict=True)), low, high)


def _both(texts: dict[str, str], low: str, high: str) -> None:
    files = {f"triggers/{name}.yaml": text for name, text in texts.items()}
    workspace = WORKSPACE % (BERLIN, "marketing: 1 per 1d")
    shop = Shop({**TEMPLATES, **files}, workspace=workspace)
    shop.know("ana", email="ana@shop.example")
    shop.do("seen", user="ana")
    shop.wait(31 * MINUTE)
    assert [one.trigger for one in shop.sent] == [high]
    assert shop.refusals(low)[-1] == "refused:cap"


@pytest.mark.parametrize(
    ("deliver", "require", "why"),
    [
        ("caps: {email: 1 per 30d}, on_cap: skip", "", "refused:cap"),
        ("caps: {email: 1 per 30d}, on_cap: delay, valid_for: 1h", "", "refused:cap"),
        ("quiet_hours: 11:00-12:00, on_quiet: skip", "", "refused:quiet_hours"),
        ("quiet_hours: 11:00-18:00, valid_for: 1h", "", "refused:quiet_hours"),
        ("quiet_hours: off", ", require: [size]", "refused:missing"),
        ("quiet_hours: off", ", purpose: news", "refused:consent"),
    ],
)
def test_d10_a_send_that_is_refused_does_not_stall_the_steps_behind_it(
    deliver: str, require: str, why: str
) -> None:
    journey = f"""
trigger: journey
when: {{event: seen}}
do:
  - send: {{channels: [email], template: hello}}
  - wait: 30m
  - send: {{channels: [email], template: hello{require}}}
  - send: {{channels: [log], purpose: calm}}
  - wait: 1d
  - send: {{channels: [log], purpose: calm}}
deliver: {{purpose: marketing, {deliver}}}
"""
    files = {
        **TEMPLATES,
        "triggers/journey.yaml": journey,
    }
    purposes = "marketing: {default: allowed}, calm: {default: allowed, caps: off, quiet_hours: off}, news: {default: denied}"
    workspace = f"workspace: test\ntimezone: {BERLIN}\npurposes: {{{purposes}}}\n"
    shop = Shop(files, workspace=workspace, start=local("2026-03-02 10:40"))
    shop.know("ana", email="ana@shop.example")
    shop.do("seen", user="ana")
    shop.wait(31 * MINUTE)
    assert shop.refusals("journey") == ["sent:email", "waits:1", why, "sent:log", "waits:4"]
    shop.wait(DAY)
    assert [one.step for one in shop.sent] == ["0", "3", "5"]


@pytest.mark.parametrize("opts_out", [True, False])
def test_d10_nor_does_one_that_is_refused_after_it_was_held(opts_out: bool) -> None:
    journey = """
trigger: journey
when: {event: seen}
do:
  - send: {channels: [email], template: hello}
  - send: {channels: [log], purpose: product}
deliver: {purpose: marketing, quiet_hours: 21:00-08:00}
"""
    shop = shop_of(journey, start="2026-03-02 22:00")
    shop.do("seen", user="ana")
    assert shop.sent == [], "one that is held holds up the steps behind it"
    if opts_out:
        shop.allow("ana", granted=False)
    shop.wait(DAY)
    assert [one.channel for one in shop.sent] == (["log"] if opts_out else ["email", "log"])
