"""Hold-out, control group and exclusions: decided and recorded, and never sent."""

import pytest

from events.record import VERIFIED
from tests.shop import ADDRESSES, DAY, HOUR, WORKSPACE, Shop
from triggers.load import load
from triggers.problems import WorkspaceError

PEOPLE = [f"u{n}" for n in range(400)]


def offer(name: str, rest: str = "", purpose: str = "product") -> dict[str, str]:
    return {
        f"triggers/{name}.yaml": f"""
trigger: {name}
when: {{event: visited}}
reentry: always
{rest}
do: [{{send: {{channels: [webhook, log], purpose: {purpose}}}}}]
"""
    }


def reached(shop: Shop, name: str) -> set[str]:
    return {one.leaf.removeprefix("user_id:") for one in shop.sent_by(name)}


def test_a_hold_out_is_a_stable_share_of_people_of_its_own() -> None:
    shop = Shop({**offer("one", "holdout: 20%"), **offer("other", "holdout: 20%")})
    for _ in range(2):
        for user in PEOPLE:
            shop.do("visited", user=user)
    one, other = (set(PEOPLE) - reached(shop, name) for name in ("one", "other"))
    assert 50 < len(one) < 110
    assert 50 < len(other) < 110
    assert len(one & other) < 40, "each trigger holds out people of its own"
    assert len(shop.sent_by("one")) == 2 * (len(PEOPLE) - len(one)), "the second time as the first"
    assert shop.refusals("one").count("refused:holdout") == 2 * len(one)
    assert shop.count("held_out:one") == len(one)
    assert shop.count("treated:one") == len(PEOPLE) - len(one)


def test_who_is_held_out_stays_so_whatever_becomes_of_their_profile() -> None:
    shop = Shop(offer("one", "holdout: 50%"))
    held: dict[int, bool] = {}
    for nth in range(40):
        shop.do("visited", anon=f"a{nth}")
        held[nth] = len(shop.sent_by("one")) == sum(not h for h in held.values())
    assert 5 < sum(held.values()) < 35
    shop.edit(triggers__one=offer("one", "holdout: 60%")["triggers/one.yaml"])
    for nth in range(40):
        shop.do("identify", user=f"u{nth}", anon=f"a{nth}", trust=VERIFIED, time=shop.now - 9 * DAY)
        before = len(shop.sent_by("one"))
        shop.do("visited", user=f"u{nth}")
        assert (len(shop.sent_by("one")) == before) is held[nth]


def test_of_two_people_who_are_joined_the_earlier_verdict_stands() -> None:
    shop = Shop(offer("one", "holdout: 50%"))
    verdicts = {}
    for nth in range(30):
        before = len(shop.sent_by("one"))
        shop.now += 1
        shop.do("visited", anon=f"a{nth}")
        verdicts[nth] = len(shop.sent_by("one")) == before
    for nth in range(0, 30, 2):
        shop.do("identify", user=f"u{nth}", anon=f"a{nth}", trust=VERIFIED)
        shop.do("identify", user=f"u{nth}", anon=f"a{nth + 1}", trust=VERIFIED)
        before = len(shop.sent_by("one"))
        shop.do("visited", anon=f"a{nth + 1}")
        assert (len(shop.sent_by("one")) == before) is verdicts[nth]


def test_one_control_group_gets_nothing_of_a_purpose_from_any_trigger() -> None:
    shop = Shop(
        {**offer("one"), **offer("other"), **offer("receipt", purpose="transactional")},
        workspace=WORKSPACE + "control_group: {product: 10%}\n",
    )
    for user in PEOPLE:
        shop.do("visited", user=user)
    control = set(PEOPLE) - reached(shop, "one")
    assert 20 < len(control) < 65
    assert control == set(PEOPLE) - reached(shop, "other")
    assert reached(shop, "receipt") == set(PEOPLE)
    assert set(shop.refusals("one")) == {"sent:webhook", "refused:control_group"}


def test_a_send_that_is_held_out_goes_on_no_other_channel_and_holds_up_no_step() -> None:
    shop = Shop(
        {
            "triggers/one.yaml": """
trigger: one
when: {event: visited}
holdout: 50%
do:
  - send: {channels: [webhook, log]}
  - wait: 1h
  - send: {channels: [webhook]}
deliver: {purpose: product}
"""
        }
    )
    for user in PEOPLE[:40]:
        shop.do("visited", user=user)
    shop.wait(2 * HOUR)
    treated = reached(shop, "one")
    assert 8 < len(treated) < 32
    assert len(shop.sent_by("one")) == 2 * len(treated)
    assert {one.channel for one in shop.sent_by("one")} == {"webhook"}


def test_an_exclusion_holds_for_every_trigger_and_ends_with_its_cause() -> None:
    shop = Shop(
        {
            **offer("one"),
            **offer("receipt", purpose="transactional"),
            "segments/open_complaint.yaml": (
                "segment: open_complaint\nif: ['count(complained, last 7d) >= 1']\n"
            ),
        },
        workspace=WORKSPACE + "exclude: {product: [in_segment(open_complaint)]}\n",
    )
    shop.do("visited", user="ana")
    shop.do("complained", user="ana")
    shop.do("visited", user="ana")
    assert shop.refusals("one") == ["sent:webhook", "refused:excluded"]
    assert len(shop.sent_by("receipt")) == 2
    shop.wait(8 * DAY)
    shop.do("visited", user="ana")
    assert len(shop.sent_by("one")) == 2


GOAL = offer("one", "goal: {event: bought, within: 7d}\nholdout: 30%\nexit_when: goal")


def test_a_goal_is_counted_for_both_sides_of_the_hold_out() -> None:
    shop = Shop(GOAL)
    for user in PEOPLE:
        shop.do("visited", user=user)
    treated = reached(shop, "one")
    for nth, user in enumerate(PEOPLE):
        if nth % (2 if user in treated else 4) == 0:
            shop.do("bought", user=user)
            shop.do("bought", user=user)
    sides = {"treated": treated, "held_out": set(PEOPLE) - treated}
    for side, people in sides.items():
        assert shop.count(f"tried:one:{side}") == len(people)
        every = 2 if side == "treated" else 4
        came = sum(nth % every == 0 for nth, user in enumerate(PEOPLE) if user in people)
        assert shop.count(f"goal:one:{side}") == came
    assert 60 < len(sides["held_out"]) < 180


@pytest.mark.parametrize(
    ("late", "told", "counted"), [(6, 0, 1), (8, 0, 0), (6, 12, 1), (6, 2 * 24, 0), (-1, 0, 0)]
)
def test_a_goal_counts_within_its_time_even_if_it_is_told_of_late(
    late: int, told: int, counted: int
) -> None:
    shop = Shop(offer("one", "goal: {event: bought, within: 7d}"))
    start = shop.now
    shop.do("visited", user="ana")
    shop.wait_until(start + 7 * DAY + told * HOUR if told else start + max(late, 0) * DAY)
    shop.do("bought", user="ana", time=start + late * DAY)
    shop.wait(9 * DAY)
    shop.do("bought", user="ana")
    assert shop.count("goal:one:treated") == counted
    assert shop.person("user_id:ana").leaves["user_id:ana"].trials == []


def test_a_goal_ends_a_run_and_counts_on_whatever_device_it_was_reached() -> None:
    shop = Shop(
        {
            "triggers/one.yaml": """
trigger: one
when: {event: visited}
key: plan
goal: {event: [bought, subscribed], within: 7d}
exit_when: [goal]
do: [{wait: 1d}, {send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
        }
    )
    shop.do("visited", anon="phone", plan="a")
    shop.do("visited", anon="phone", plan="b")
    shop.do("subscribed", anon="laptop", plan="a")
    for device in ("laptop", "phone"):
        shop.do("identify", user="ana", anon=device, trust=VERIFIED)
    shop.wait(2 * DAY)
    assert [one.event["plan"] for one in shop.sent_by("one")] == ["b"]
    assert shop.count("goal:one:treated") == 1


def test_an_event_that_enters_is_not_its_own_goal() -> None:
    shop = Shop(offer("one", "goal: {event: visited, within: 7d}"))
    for nth in range(3):
        shop.do("visited", user="ana")
        assert shop.count("goal:one:treated") == nth
        shop.wait(HOUR)


def test_a_verdict_is_counted_once_also_where_a_call_gave_it() -> None:
    caller = """
trigger: caller
when: {event: visited}
do: [{call: one}]
"""
    one = GOAL["triggers/one.yaml"].replace("event: visited", "event: never_sent")
    shop = Shop({"triggers/caller.yaml": caller, "triggers/one.yaml": one})
    for user in PEOPLE[:40]:
        shop.do("visited", user=user)
    assert shop.count("treated:one") + shop.count("held_out:one") == 40


@pytest.mark.parametrize(
    ("workspace", "rest", "problem"),
    [
        ("", "holdout: 0%", "triggers/one.yaml:4:10: a share above 0% and below 100%"),
        ("", "holdout: half", "triggers/one.yaml:4:10: a share above 0% and below 100%"),
        ("", "exit_when: goal", "there is no `goal: {event: .., within: ..}` to reach"),
        ("", "goal: {event: clicked, within: 1d}", "no message is sent before this"),
        ("", "goal: {event: bought}", "the key 'within' is missing"),
        ("control_group: {product: 200%}", "", "workspace.yaml:3:26: a share above 0%"),
        ("control_group: {prodct: 2%}", "", "3:17: unknown purpose 'prodct'. Did you mean 'product'?"),
        ("control_group: {transactional: 2%}", "", "transactional sends are never held out"),
        ("exclude: {prodct: [vip exists]}", "", "3:11: unknown purpose 'prodct'."),
        ("exclude: {product: [in_segment(a)]}", "", "3:32: unknown segment 'a'."),
        ("exclude: {product: [event.x = 1]}", "", "3:21: a segment has no event"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_place(workspace: str, rest: str, problem: str) -> None:
    text = offer("one", rest)["triggers/one.yaml"].strip()
    files = {
        "workspace.yaml": f"workspace: w\npurposes: {{product: {{}}}}\n{workspace}\n",
        "triggers/one.yaml": text,
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert problem in str(error.value)
