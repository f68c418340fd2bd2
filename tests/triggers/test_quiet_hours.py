"""Quiet hours through every change of the clocks, and who takes consent back meanwhile."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from events.record import VERIFIED
from profile_state.identity import person_id
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, an_event, at

NIGHT = "22:00-08:00"
NOTE = """
trigger: note
when: {event: seen}
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: %s}
"""
CHANGES = [
    ("Europe/Berlin", "2025-03-30"),
    ("Europe/Berlin", "2025-10-26"),
    ("America/New_York", "2025-03-09"),
    ("America/New_York", "2025-11-02"),
    ("Australia/Lord_Howe", "2025-04-06"),  # half an hour
    ("Australia/Lord_Howe", "2025-10-05"),
    ("Asia/Kathmandu", "2025-03-30"),  # 5:45 ahead of UTC, all the year
]


def shop_in(zone: str, start: int, quiet: str) -> Shop:
    workspace = f"workspace: test\ntimezone: {zone}\npurposes: {{product: {{default: allowed}}}}\n"
    return Shop({"triggers/note.yaml": NOTE % f'"{quiet}"'}, workspace=workspace, start=start)


def wall(instant: int, zone: str) -> datetime:
    return datetime.fromtimestamp(instant / 1000, ZoneInfo(zone))


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_r35_nobody_is_woken_on_a_night_in_which_clocks_change_and_nobody_gets_it_twice(
    zone: str, day: str
) -> None:
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    start, end = ms(midnight - timedelta(hours=4)), ms(midnight + timedelta(hours=10))
    shop = shop_in(zone, start, NIGHT)
    came = list(range(start, end, 5 * MINUTE))
    for nth, instant in enumerate(came):
        shop.wait_until(instant)
        shop.do("seen", user=f"u{nth}")
    shop.wait(2 * DAY)
    sent = {one.leaf: one.decided for one in shop.sent}
    assert len(shop.sent) == len(sent) == len(came), "each once"
    morning = ms(midnight.replace(hour=8))
    for nth, instant in enumerate(came):
        decided = sent[f"user_id:u{nth}"]
        told = wall(decided, zone)
        assert 8 <= told.hour < 22, f"at {told}"
        night = not 8 <= wall(instant, zone).hour < 22
        assert decided == instant or night, "and nobody waits by day"
        assert not night or morning <= decided <= morning + SECOND


@pytest.mark.parametrize(
    ("zone", "quiet", "came", "leaves"),
    [
        # What ends in the hour that clocks skip ends with it; what ends in the one that comes twice
        # ends twice, and begins twice.
        ("Europe/Berlin", "21:00-02:30", "2025-03-30T01:10:20+01:00", "2025-03-30T03:00:00+02:00"),
        ("Europe/Berlin", "21:00-02:30", "2025-10-26T01:10:20+02:00", "2025-10-26T02:30:00+02:00"),
        ("Europe/Berlin", "21:00-02:30", "2025-10-26T02:40:20+02:00", "2025-10-26T02:40:20+02:00"),
        ("Europe/Berlin", "21:00-02:30", "2025-10-26T02:10:20+01:00", "2025-10-26T02:30:00+01:00"),
        ("Europe/Berlin", "02:15-02:45", "2025-10-26T02:20:20+01:00", "2025-10-26T02:45:00+01:00"),
        ("Australia/Lord_Howe", "21:00-01:45", "2025-04-06T01:40:20+10:30", "2025-04-06T01:45:00+10:30"),
    ],
)  # fmt: skip
def test_r35_quiet_hours_that_end_within_the_change_end_to_the_minute(
    zone: str, quiet: str, came: str, leaves: str
) -> None:
    instant, end = ms(datetime.fromisoformat(came)), ms(datetime.fromisoformat(leaves))
    shop = shop_in(zone, instant, quiet)
    shop.do("seen", user="ana")
    shop.wait(DAY)
    assert [end <= one.decided <= end + SECOND for one in shop.sent] == [True]
    assert shop.refusals("note").count("held:quiet_hours") == (1 if end > instant else 0)


CHANNELS = ["email", "sms", "whatsapp", "push", "webhook", "log"]
HELD = """
trigger: offer
when: {event: seen}
do: [{send: {channels: [%s], template: hello}}]
deliver: {purpose: marketing, quiet_hours: 21:00-08:00}
"""
WAITING = """
trigger: offer
when: {event: seen}
do: [{wait: 5h}, {send: {channels: [%s], template: hello}}]
deliver: {purpose: marketing, quiet_hours: off}
"""
CAPPED = """
trigger: offer
when: {event: seen}
reentry: always
do: [{send: {channels: [%s], template: hello}}]
deliver: {purpose: marketing, caps: {%s: 1 per 5h}, on_cap: delay, quiet_hours: off}
"""
OPT_OUTS: dict[str, tuple[str, dict[str, Any], bool]] = {  # and whether it names the channel
    "consent": ("consent_updated", {"purpose": "marketing", "granted": False}, True),
    "channel": ("unsubscribed", {}, True),
    "everything": ("unsubscribed", {}, False),
}


def reachable(trigger: str, channel: str) -> Shop:
    """Open a shop in which Ana can be reached on every channel, and has said that she may be."""
    files = {
        "triggers/offer.yaml": trigger.replace("%s", channel),
        "templates/hello.liquid": "---\nsubject: Hello\n---\nHello",
    }
    shop = Shop(files, start=at("22:00"))
    known = an_event("identify", user="ana", time=shop.now, message_id="i", trust=VERIFIED)
    addresses = {"email": "ana@shop.example", "phone": "+33600000000", "push_token": "t1"}
    shop.say([msgspec.structs.replace(known, addresses=addresses)])
    shop.allow("ana", channel=channel)
    return shop


@pytest.mark.parametrize("opt_out", OPT_OUTS)
@pytest.mark.parametrize("trigger", [HELD, WAITING, CAPPED], ids=["quiet", "waiting", "capped"])
@pytest.mark.parametrize("channel", CHANNELS)
def test_f5_who_opts_out_between_schedule_and_send_gets_nothing(
    channel: str, trigger: str, opt_out: str
) -> None:
    name, said, on_channel = OPT_OUTS[opt_out]
    where: dict[str, Any] = {"channel": channel} if on_channel else {}
    for opts_out in (False, True):
        shop = reachable(trigger, channel)
        for _ in range(2 if trigger is CAPPED else 1):
            shop.do("seen", user="ana")
        before = len(shop.sent)
        assert shop.person("user_id:ana").waits
        shop.wait(HOUR)
        if opts_out:
            shop.do(name, user="ana", **said, **where)
        shop.wait(DAY)
        assert [one.channel for one in shop.sent[before:]] == ([] if opts_out else [channel])
        assert shop.refusals("offer")[-1] == ("refused:consent" if opts_out else f"sent:{channel}")


@pytest.mark.parametrize("channel", CHANNELS)
def test_f5_an_opt_out_on_one_channel_leaves_the_others(channel: str) -> None:
    shop = reachable(HELD, channel)
    shop.do("seen", user="ana")
    for other in CHANNELS:
        if other != channel:
            shop.do("unsubscribed", user="ana", channel=other)
    shop.wait(DAY)
    assert [one.channel for one in shop.sent] == [channel]


def test_f5_who_opts_out_when_it_is_decided_is_known_to_the_workers() -> None:
    shop = reachable(CAPPED, "sms")
    shop.do("seen", user="ana")
    (decided,) = shop.sent
    shop.wait(MINUTE)
    shop.do("unsubscribed", user="ana")
    shop.engine.drain()
    withdrawn = shop.shelf.withdrawals[person_id("user_id:ana"), "marketing", "*"]
    assert withdrawn == shop.now > decided.decided
