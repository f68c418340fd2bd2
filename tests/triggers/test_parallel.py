"""Runs side by side: several of one trigger and key, each in its own time."""

import pytest

from events.record import Join, Tick
from kairos.operators.picture import to_come
from profile_state.identity import person_id
from profile_state.leaf import RUNS
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, Shop, an_event, at
from triggers.load import load
from triggers.problems import WorkspaceError

ORDERED = """
trigger: journey
when: {event: ordered}
while_active: parallel
reentry: always
exit_when: [returned]
do:
  - wait: 2h
  - send: {channels: [webhook]}
deliver: {purpose: product}
"""
LEFT = """
trigger: journey
when: {event: cart_updated, then_no: order_completed, within: 30m}
while_active: parallel
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


def shop(text: str = ORDERED) -> Shop:
    return Shop({"triggers/journey.yaml": text})


def waiting(made: Shop, who: str = "user_id:ana") -> list[str]:
    return [run.event["order_id"] for _, run in made.person(who).runs()]


def told(made: Shop) -> list[tuple[int, str]]:
    return [(one.decided, one.event["order_id"]) for one in made.sent]


@pytest.mark.parametrize("dies", [False, True])
def test_each_entry_goes_its_own_way_in_its_own_time(dies: bool) -> None:
    made = shop()
    for nth in range(3):
        made.do("ordered", user="ana", order_id=f"o{nth}")
        made.wait(30 * MINUTE)
        if dies:
            made.engine.drain()
            made.open()
    made.wait(3 * HOUR)
    moments = [at("12:00"), at("12:30"), at("13:00")]
    assert [order for _, order in told(made)] == ["o0", "o1", "o2"]
    assert all(
        0 <= one.decided - due <= SECOND for one, due in zip(made.sent, moments, strict=True)
    )
    assert len({one.id for one in made.sent}) == 3
    made.do("visited", user="ana")
    assert waiting(made) == []


def test_reentry_says_how_many_there_are() -> None:
    made = shop(ORDERED.replace("always", "max 2 per 1d"))
    for nth in range(3):
        made.do("ordered", user="ana", order_id=f"o{nth}")
    assert waiting(made) == ["o0", "o1"]
    assert made.refusals("journey")[-1] == "ignored:reentry"
    made.wait(DAY + SECOND)
    made.do("ordered", user="ana", order_id="o3")
    assert waiting(made) == ["o3"]


def test_what_ends_runs_ends_those_that_began_before_it() -> None:
    made = shop()
    for order, time in (("o0", "10:00"), ("o1", "10:20")):
        made.wait_until(at(time))
        made.do("ordered", user="ana", order_id=order)
    made.do("returned", user="ana", time=at("10:10"))  # told of late
    assert waiting(made) == ["o1"]
    made.do("returned", user="ana")
    assert waiting(made) == []


def test_an_absence_is_waited_for_from_each_entry() -> None:
    made = shop(LEFT)
    for order, time in (("o0", "10:00"), ("o1", "10:20"), ("o2", "10:25")):
        made.wait_until(at(time))
        made.do("cart_updated", user="ana", order_id=order)
    made.do("order_completed", user="ana", time=at("10:10"))
    made.wait_until(at("10:52"))
    assert [order for _, order in told(made)] == ["o1"]
    made.do("order_completed", user="ana")
    made.wait(HOUR)
    assert len(told(made)) == 1


def test_receipts_are_those_of_each_run() -> None:
    made = shop(
        ORDERED.replace(
            "  - wait: 2h\n  - send: {channels: [webhook]}",
            "  - send: {channels: [webhook]}\n"
            "  - wait_for: {event: clicked, timeout: 1d, then: [{send: {channels: [log]}}]}",
        )
    )
    for order in ("o0", "o1"):
        made.do("ordered", user="ana", order_id=order)
    made.do("webhook_clicked", user="ana", message=made.sent[1].id)
    assert [(one.channel, one.event["order_id"]) for one in made.sent] == [
        ("webhook", "o0"),
        ("webhook", "o1"),
        ("log", "o1"),
    ]
    assert waiting(made) == ["o0"]


def test_what_several_put_into_the_log_at_one_instant_all_counts() -> None:
    made = shop(ORDERED.replace("send: {channels: [webhook]}", "increment: {points: event.points}"))
    both = [
        an_event(
            "ordered", user="ana", message_id=f"o{n}", time=made.now, order_id=f"o{n}", points=n
        )
        for n in (3, 4)
    ]
    made.say(both)
    made.wait(3 * HOUR)
    assert made.person("user_id:ana").view.traits["points"][2] == 7
    assert not made.person("user_id:ana").waits


def test_a_merge_keeps_them_all_and_a_cut_gives_each_their_own_back() -> None:
    made = shop()
    for nth, who in enumerate(({"user": "ana"}, {"anon": "phone"}) * 2):
        made.do("ordered", **who, order_id=f"o{nth}")  # type: ignore[arg-type]
    made.join("user_id:ana", "anonymous_id:phone")
    assert sorted(waiting(made)) == ["o0", "o1", "o2", "o3"]
    made.join("user_id:ana", "anonymous_id:phone", cut=True)
    assert (waiting(made), waiting(made, "anonymous_id:phone")) == (["o0", "o2"], ["o1", "o3"])
    made.join("user_id:ana", "anonymous_id:phone")
    made.wait(3 * HOUR)
    assert sorted(order for _, order in told(made)) == ["o0", "o1", "o2", "o3"]


def test_an_entry_that_is_made_again_is_still_one() -> None:
    """Two people are joined at nine, after one of them was asked what nine o'clock brings."""
    text = ORDERED.replace("{event: ordered}", "{every: 'day 09:00'}")
    made = Shop({"triggers/journey.yaml": text}, start=at("8:00"))
    first, then = sorted(("user_id:ana", "anonymous_id:phone"), key=person_id)
    for nth, who in enumerate((first, then)):
        kind, _, name = who.partition(":")
        made.do("visited", time=made.now + nth, **{kind.partition("_")[0][:4]: name})
    made.now = at("9:00")
    joined = Join("j", made.now, first, then, cut=False, by="operator", reason="")
    made.say([Tick(made.now, person_id(first)), joined])
    assert made.refusals("journey") == ["waits:0", "ignored:active"]
    (run,) = [run for _, run in made.person(then).runs()]
    assert run.entry == f"{first}/calendar@{made.now}"


def test_an_edit_lets_new_runs_go_beside_one_that_began_when_there_was_one_only() -> None:
    made = shop(ORDERED.replace("parallel", "ignore"))
    for nth in range(2):
        made.do("ordered", user="ana", order_id=f"o{nth}")
    assert waiting(made) == ["o0"]
    made.edit(triggers__journey=ORDERED)
    for nth in (2, 3):
        made.do("ordered", user="ana", order_id=f"o{nth}")
    assert waiting(made) == ["o0", "o2", "o3"]
    made.edit(triggers__journey=ORDERED.replace("parallel", "ignore"))
    made.do("ordered", user="ana", order_id="o4")
    assert waiting(made) == ["o0", "o2", "o3"]
    made.wait(3 * HOUR)
    assert [order for _, order in told(made)] == ["o0", "o2", "o3"]


def test_their_number_is_bounded() -> None:
    made = shop()
    for hundred in range(0, RUNS + 100, 100):
        made.say(
            [
                an_event("ordered", user="ana", time=made.now, message_id=f"o{n}", order_id=f"o{n}")
                for n in range(hundred, hundred + 100)
            ]
        )
    assert len(waiting(made)) == RUNS
    assert made.count("ended:journey:too_many") == 100


def test_an_operator_is_told_what_becomes_of_each() -> None:
    made = shop()
    for nth in range(2):
        made.do("ordered", user="ana", order_id=f"o{nth}")
        made.wait(MINUTE)
    person = made.person("user_id:ana").id
    runs = [(person, "journey", "", at("10:00")), (person, "journey", "", at("10:01"))]
    assert to_come(made.engine.state, ADDRESSES) == dict.fromkeys(runs, "sent webhook")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [("reentry: always\n", "", "4:15"), ("reentry: always", "reentry: once", "5:10")],
)
def test_once_and_side_by_side_exclude_each_other(old: str, new: str, place: str) -> None:
    files = {
        "workspace.yaml": "workspace: shop",
        "triggers/journey.yaml": ORDERED.replace(old, new),
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert f"triggers/journey.yaml:{place}: with `reentry: once` no second run" in str(error.value)
