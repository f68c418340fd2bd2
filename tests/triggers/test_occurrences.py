"""What starts a run without an event of the trigger's own: changes of traits, and the calendar."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from events.record import VERIFIED
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, WORKSPACE, Shop, at
from triggers.load import load
from triggers.problems import WorkspaceError


def trigger(when: str, rest: str = "") -> dict[str, str]:
    return {
        "triggers/it.yaml": f"""
trigger: it
when: {{{when}}}
{rest}
do: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
    }


def local(text: str, zone: str = "Europe/Berlin") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def sent_at(shop: Shop, name: str = "it") -> list[str]:
    return [
        f"{datetime.fromtimestamp(one.decided / 1000, ZoneInfo('Europe/Berlin')):%a %d %b %H:%M}"
        for one in shop.sent_by(name)
    ]


@pytest.mark.parametrize(
    ("when", "sent"),
    [
        ("changed: tier", 3),
        ("changed: tier, from: silver", 1),
        ("changed: tier, to: gold", 1),
        ("changed: tier, from: silver, to: gold", 1),
        ("changed: tier, from: gold, to: silver", 0),
    ],
)
def test_a_change_of_a_trait_occurs_once_where_it_changes(when: str, sent: int) -> None:
    shop = Shop(trigger(when, "reentry: always"))
    shop.know("ana", tier="silver")
    shop.know("ana", tier="silver")
    shop.know("ana", city="Rome")
    shop.know("ana", tier="gold")
    late = shop.now - DAY
    shop.do("identify", user="ana", trust=VERIFIED, traits={"tier": "bronze"}, time=late)
    shop.know("ana", tier="none")
    assert len(shop.sent_by("it")) == sent


def test_a_change_says_what_was_and_what_is() -> None:
    files = trigger("changed: tier", "if: [event.to = gold]\nkey: to\nreentry: once")
    shop = Shop(files)
    for tier in ("silver", "gold", "silver", "gold"):
        shop.know("ana", tier=tier)
    assert [one.event for one in shop.sent_by("it")] == [
        {"trait": "tier", "from": "silver", "to": "gold"}
    ]


def test_joining_people_changes_nobodys_traits() -> None:
    shop = Shop(trigger("changed: tier", "reentry: always"))
    shop.do("identify", anon="a1", trust=VERIFIED, traits={"tier": "gold"})
    shop.do("identify", anon="a2", trust=VERIFIED, traits={"tier": "silver"})
    before = len(shop.sent_by("it"))
    shop.do("identify", user="ana", anon="a1", trust=VERIFIED)
    shop.do("identify", user="ana", anon="a2", trust=VERIFIED)
    assert shop.person("user_id:ana") is shop.person("anonymous_id:a1")
    assert len(shop.sent_by("it")) == before == 2


def test_a_score_that_crosses_a_line_occurs_and_again_only_after_it_came_back() -> None:
    files = trigger('crosses: "churn > 0.7"', "reentry: always\nif: [tier is high]")
    shop = Shop(files, workspace=WORKSPACE + "bands: {tier: {high: '>= 2'}}\n")
    shop.score("ana", tier=2)
    for churn in (0.5, 0.7, 0.71, 0.9, 0.3, "0.8"):
        shop.score("ana", churn=churn)
    shop.score("bob", tier=1, churn=0.9)
    assert [one.leaf for one in shop.sent_by("it")] == ["user_id:ana"] * 2
    assert shop.refusals("it")[-1] == "ignored:condition"


def test_what_time_alone_makes_true_crosses_too() -> None:
    shop = Shop(trigger('crosses: "since(bought) > 3d"', "reentry: always"))
    shop.do("bought", user="ana")
    shop.wait(3 * DAY)
    assert shop.sent_by("it") == []
    shop.wait(SECOND)
    assert len(shop.sent_by("it")) == 1


@pytest.mark.parametrize(
    ("every", "times"),
    [
        ("wed 09:00", ["Wed 04 Mar 09:00", "Wed 11 Mar 09:00", "Wed 18 Mar 09:00"]),
        ("mon,fri 18:30", ["Mon 02 Mar 18:30", "Fri 06 Mar 18:30", "Mon 09 Mar 18:30"]),
        ("day 08:00", ["Tue 03 Mar 08:00", "Wed 04 Mar 08:00", "Thu 05 Mar 08:00"]),
        ("month 15 12:00", ["Sun 15 Mar 12:00", "Wed 15 Apr 12:00", "Fri 15 May 12:00"]),
        ("month last 12:00", ["Tue 31 Mar 12:00", "Thu 30 Apr 12:00", "Sun 31 May 12:00"]),
        ("month 31 12:00", ["Tue 31 Mar 12:00", "Sun 31 May 12:00", "Fri 31 Jul 12:00"]),
        # Clocks go from 2:00 to 3:00 on 29 March: the first instant that there is.
        ("sun 02:30", ["Sun 08 Mar 02:30", "Sun 15 Mar 02:30", "Sun 22 Mar 02:30", "Sun 29 Mar 03:00"]),
    ],
)  # fmt: skip
def test_every_comes_again_and_again_where_the_person_is(every: str, times: list[str]) -> None:
    shop = Shop(trigger(f"every: '{every}'"))
    shop.do("visited", user="ana")
    shop.wait_until(local("2026-03-30T00:00") if len(times) == 4 else shop.now + 160 * DAY)
    assert sent_at(shop)[: len(times)] == times


def test_every_is_asked_whether_it_concerns_somebody_then() -> None:
    shop = Shop(trigger("every: wed 09:00", "if: ['count(visited, last 2d) >= 1']"))
    shop.do("visited", user="ana")
    shop.wait_until(at("12:00", day=5))
    shop.do("visited", user="bob")
    shop.wait_until(at("12:00", day=9))
    assert sent_at(shop) == ["Wed 04 Mar 09:00"]
    assert shop.refusals("it").count("ignored:condition") == 2


@pytest.mark.parametrize(
    ("when", "birthday", "times"),
    [
        ("birthday", "1990-03-05", ["Thu 05 Mar 09:00"]),
        ("birthday -3d at 08:00", "1990-03-05T23:00:00Z", ["Tue 03 Mar 08:00"]),
        ("birthday +1d", "03-05", ["Fri 06 Mar 09:00"]),
        ("birthday", "1988-02-29", ["Sun 28 Feb 09:00", "Tue 29 Feb 09:00"]),
        ("birthday", "2027-03-05", ["Fri 05 Mar 09:00"]),
        ("birthday -10d", "2000-01-05", ["Sat 26 Dec 09:00"]),
        ("birthday", "soon", []),
    ],
)
def test_a_date_comes_each_year(when: str, birthday: str, times: list[str]) -> None:
    shop = Shop(trigger(f"date: {when}"))
    shop.know("ana", birthday=birthday)
    if not times:
        shop.wait(800 * DAY)
        assert sent_at(shop) == []
        return
    if "2027" in birthday or "02-29" in birthday:
        shop.wait_until(local("2026-12-31T00:00"))
        assert sent_at(shop) == []
        shop.wait_until(local("2028-03-01T00:00"))
    else:
        shop.wait_until(local("2026-12-31T00:00"))
    assert sent_at(shop)[: len(times)] == times


def test_a_date_follows_the_trait_and_the_time_zone() -> None:
    shop = Shop(trigger("date: birthday at 09:00"))
    shop.know("ana", birthday="1990-03-04")
    shop.know("ana", birthday="1990-03-06")
    shop.know("ana", timezone="America/New_York")
    shop.wait(30 * DAY)
    assert sent_at(shop) == ["Fri 06 Mar 15:00"]


def test_at_concerns_each_member_once_at_that_time_where_they_are() -> None:
    shop = Shop(
        {
            **trigger("at: 2026-03-05 09:00, in: warm"),
            "segments/warm.yaml": "segment: warm\nif: ['count(visited, last 3d) >= 1']\n",
        }
    )
    shop.know("ana", timezone="Asia/Tokyo")
    for user in ("ana", "bob", "cyd"):
        shop.wait(HOUR)
        shop.do("visited", user=user)
    shop.know("dan")
    shop.wait_until(at("8:00", day=3))
    shop.do("visited", user="eve")
    shop.wait(30 * DAY)
    # Three days after their visit Bob and Cyd are just not yet gone, and Dan never visited.
    assert sorted((one.leaf, one.decided // MINUTE * MINUTE) for one in shop.sent_by("it")) == [
        ("user_id:ana", local("2026-03-05T09:00", "Asia/Tokyo")),
        ("user_id:bob", at("9:00", day=3)),
        ("user_id:cyd", at("9:00", day=3)),
        ("user_id:eve", at("9:00", day=3)),
    ]


def test_an_instant_that_passed_while_the_engine_was_away_comes_once_and_late() -> None:
    shop = Shop(trigger("every: day 09:00"))
    shop.do("visited", user="ana")
    shop.wait(MINUTE)
    shop.engine.drain()
    shop.now += 3 * DAY
    shop.open()
    shop.wait(MINUTE)
    assert len(shop.sent_by("it")) == 1
    shop.wait(DAY)
    assert len(shop.sent_by("it")) == 2


def test_an_edit_brings_no_instant_and_loses_none() -> None:
    shop = Shop(trigger("every: day 09:00"))
    shop.do("visited", user="ana")
    shop.wait_until(at("8:59", day=1))
    shop.edit(triggers__it=trigger("every: day 08:30")["triggers/it.yaml"])
    shop.wait_until(at("12:00", day=1))
    assert sent_at(shop) == [], "today's half past eight was over when it came into force"
    shop.edit(triggers__it=trigger("every: day 12:30")["triggers/it.yaml"])
    shop.wait_until(at("13:00", day=1))
    assert sent_at(shop) == ["Tue 03 Mar 12:30"]


def test_people_who_are_joined_around_an_instant_have_it_once() -> None:
    shop = Shop(trigger("every: day 09:00"))
    shop.do("visited", user="ana")
    shop.do("visited", anon="a1")
    shop.wait_until(at("9:00", day=1) - SECOND)
    shop.do("identify", user="ana", anon="a1", trust=VERIFIED)
    shop.wait(MINUTE)
    assert len(shop.sent_by("it")) == 1
    shop.do("visited", anon="a2")
    shop.wait_until(at("9:00", day=2) + SECOND)
    assert len(shop.sent_by("it")) == 3
    shop.do("identify", user="ana", anon="a2", trust=VERIFIED)
    shop.wait(MINUTE)
    assert len(shop.sent_by("it")) == 3


@pytest.mark.parametrize(
    ("when", "problem"),
    [
        ("every: noon", "2:15: `mon 09:00`, `mon-fri 09:00`, `day 09:00`"),
        ("every: month 32 09:00", "2:15: a day of the month, 1 to 31 or `last`, was expected"),
        ("date: birthday -3h", "2:14: whole days such as -3d were expected, found -3h"),
        ("date: birthday at nine", "2:14: a date such as `birthday -3d at 09:00` was expected"),
        ("at: tomorrow, in: warm", "2:12: a date and a time such as 2026-11-27 09:00 were expected"),
        ("at: 2026-03-05 09:00", "2:12: `in: SEGMENT` is missing: whom does it concern?"),
        ("at: 2026-03-05 09:00, in: wram", "2:34: unknown segment 'wram'. Did you mean 'warm'?"),
        ("changed: tier, within: 3d", "2:23: `within` goes with event or sequence, not with changed"),
        ('crosses: "event.x > 1"', "2:18: a segment has no event"),
        ("crosses: churn is high", "2:26: workspace.yaml sets no bands for 'churn'. It has bands for: tier"),
        ("crosses: tier is hihg", "'tier' has no band 'hihg'. Did you mean 'high'? Known: high"),
        ("event: a, from: b", "2:18: `from` goes with changed, not with event"),
        ("every: day 09:00, event: a", "2:7: one of event, sequence, absence, segment, changed, crosses"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_occurrence_is_said_at_its_place(when: str, problem: str) -> None:
    files = {
        "workspace.yaml": "workspace: w\npurposes: {product: {}}\nbands: {tier: {high: '> 1'}}",
        "segments/warm.yaml": "segment: warm\nif: [vip exists]\n",
        "triggers/it.yaml": trigger(when)["triggers/it.yaml"].strip(),
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert "triggers/it.yaml:" in str(error.value)
    assert problem in str(error.value)
