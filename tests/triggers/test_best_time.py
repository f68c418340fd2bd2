"""The best time: by a person's own opens, by everybody's where those are few, and never against a rule."""

from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

import pytest

from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, WORKSPACE, Shop, at
from triggers.best_time import best_instant, everybodys
from triggers.load import load
from triggers.problems import WorkspaceError

BERLIN = ZoneInfo("Europe/Berlin")


def offer(deliver: str = "", steps: str = "", name: str = "offer") -> dict[str, str]:
    text = f"""
trigger: {name}
when: {{event: visited}}
reentry: always
do:{steps}
  - send: {{channels: [webhook]}}
deliver: {{purpose: product{deliver}}}
"""
    return {f"triggers/{name}.yaml": text}


def opens_at(shop: Shop, user: str, clock: str, times: int = 3) -> None:
    """Somebody opens e-mails at the same time on several days."""
    for day in range(times):
        shop.wait_until(at(clock, day=1 + (shop.now - at("00:00")) // DAY))
        shop.do("email_opened", user=user, message=f"{user}{day}{shop.now}")


def hour(shop: Shop, nth: int = -1, where: ZoneInfo = BERLIN) -> str:
    return datetime.fromtimestamp(shop.sent[nth].decided / 1000, where).strftime("%H:%M")


@pytest.mark.parametrize("way", ["deliver", "wait"])
def test_a_message_waits_for_the_hour_at_which_the_person_opens_them(way: str) -> None:
    files = (
        offer(", best_time: within 12h")
        if way == "deliver"
        else offer(steps="\n  - wait: best_time")
    )
    shop = Shop(files)
    opens_at(shop, "ana", "19:40")
    shop.wait_until(at("09:30", day=6))
    shop.do("visited", user="ana")
    assert not shop.sent
    shop.open()
    shop.wait(11 * HOUR)
    assert hour(shop) == "19:00"
    shop.wait_until(at("19:20", day=7))
    shop.do("visited", user="ana")
    assert hour(shop) == "19:20", "it is that hour already"


def test_it_waits_no_longer_than_it_may_and_sends_at_the_best_hour_before() -> None:
    shop = Shop(offer(", best_time: within 4h"))
    opens_at(shop, "ana", "19:40")
    opens_at(shop, "ana", "12:10", times=1)
    shop.wait_until(at("09:30", day=8))
    shop.do("visited", user="ana")
    shop.wait(DAY)
    assert hour(shop) == "12:00"
    shop.wait_until(at("21:30", day=10))
    shop.do("visited", user="ana")
    assert hour(shop) == "21:30", "nothing better comes in time"


def test_it_never_leaves_in_quiet_hours_or_beyond_its_validity_or_without_consent() -> None:
    night = WORKSPACE + "quiet_hours: 19:00-08:00\n"
    files = offer(", best_time: within 23h") | offer(
        ", best_time: within 23h, valid_for: 90m", name="brief"
    )
    shop = Shop(files, workspace=night)
    opens_at(shop, "ana", "19:40")
    shop.wait_until(at("10:15", day=6))
    shop.do("visited", user="ana")
    shop.wait(DAY)
    decided = {
        a.trigger: datetime.fromtimestamp(a.decided / 1000, BERLIN).strftime("%H:%M")
        for a in shop.sent
    }
    assert decided == {"offer": "18:00", "brief": "10:15"}
    shop.allow("ana", "product", "webhook", granted=False)
    shop.do("visited", user="ana")
    assert shop.refusals("offer")[-1] == "refused:consent", "who may not be sent to is not held"


def test_whose_hours_are_unknown_is_sent_to_when_everybody_opens_or_at_once() -> None:
    shop = Shop(offer(", best_time: within 12h"))
    shop.do("visited", user="new")
    assert len(shop.sent) == 1, "nobody has opened anything yet"
    for n in range(8):
        opens_at(shop, f"u{n}", "17:05", times=1)
    shop.wait(MINUTE)
    shop.wait(MINUTE)
    shop.wait_until(at("09:30", day=12))
    shop.do("visited", user="other")
    assert len(shop.sent) == 1
    shop.wait(10 * HOUR)
    assert hour(shop) == "17:00"
    opens_at(shop, "other", "11:30", times=7)
    shop.wait_until(at("09:30", day=22))
    shop.do("visited", user="other")
    shop.wait(10 * HOUR)
    assert hour(shop) == "11:00", "their own habits outweigh everybody's"


def test_hours_are_the_persons_own() -> None:
    shop = Shop(offer(", best_time: within 23h"))
    tokyo = ZoneInfo("Asia/Tokyo")
    shop.know("ana", timezone="Asia/Tokyo")
    for day in range(3):
        noon = datetime(2026, 3, 3 + day, 12, 30, tzinfo=tokyo)
        shop.wait_until(int(noon.timestamp() * 1000))
        shop.do("email_opened", user="ana", message=f"m{day}")
    shop.wait(DAY)
    shop.do("visited", user="ana")
    shop.wait(DAY)
    assert hour(shop, where=tokyo) == "12:30"
    assert everybodys(dict(shop.shelf.counts)) == {"12": 1.0}


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
def test_the_best_instant_is_that_of_trying_every_minute(zone: str) -> None:
    where, random = ZoneInfo(zone), Random(zone)
    changes = ["2025-03-30", "2025-10-26", "2025-11-02", "2025-04-06", "2025-07-01"]
    for _ in range(60):
        change = datetime.fromisoformat(random.choice(changes)).replace(tzinfo=where)
        now = int(change.timestamp() * 1000) + random.randrange(-1500, 1500) * MINUTE
        until = now + random.randrange(1, 30) * HOUR
        opened = [now - random.randrange(1, 80 * DAY) for _ in range(random.randrange(6))]
        everybody = {str(h): random.choice((0.0, 0.1, 0.3)) for h in range(24)}
        hours = [datetime.fromtimestamp(o / 1000, where).hour for o in opened]

        def score(
            instant: int, hours: list[int] = hours, everybody: dict[str, float] = everybody
        ) -> float:
            hour = datetime.fromtimestamp(instant / 1000, where).hour
            own = sum(1.0 if h == hour else 0.5 if (h - hour) % 24 in (1, 23) else 0 for h in hours)
            return round(own + 5 * everybody[str(hour)], 9)

        tried = [now, *range(now - now % MINUTE + MINUTE, until + 1, MINUTE)]
        best = max(map(score, tried))
        expected = next(instant for instant in tried if score(instant) == best)
        found = best_instant(opened, everybody, now, until, where, lambda _: True)
        assert (found, score(found)) == (expected, best)


@pytest.mark.parametrize(
    ("deliver", "message"),
    [
        (", best_time: 12h", "`within 12h` was expected"),
        (", best_time: within 9d", "at most `within 7d`"),
    ],
)
def test_a_best_time_that_is_none_is_refused(deliver: str, message: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WORKSPACE, **offer(deliver)}, ADDRESSES)
    assert message in str(error.value)
