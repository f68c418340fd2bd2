"""Splits: shares by hashes, what an arm is judged by, and a bandit that prefers the better one."""

from collections import Counter
from random import Random

import numpy as np
import pytest

from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, WORKSPACE, Shop
from triggers.bandit import best_mean, best_share
from triggers.load import load
from triggers.problems import WorkspaceError

ARMS = """arms:
        long: {share: 30, do: [{send: {channels: [webhook]}}]}
        short: {share: 70, do: [{send: {channels: [log]}}]}"""


def offer(split: str = ARMS, rest: str = "", name: str = "offer") -> dict[str, str]:
    text = f"""
trigger: {name}
when: {{event: visited}}
reentry: always
{rest}
do:
  - split:
      {split}
  - send: {{channels: [email], template: bye}}
deliver: {{purpose: product}}
"""
    return {f"triggers/{name}.yaml": text, "templates/bye.liquid": "---\nsubject: Bye\n---\nBye"}


def ways(shop: Shop, name: str = "offer") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in shop.sent_by(name):
        if one.channel != "email":
            found.setdefault(one.leaf, []).append(one.channel)
    return found


def test_people_go_by_the_shares_each_for_ever_the_same_way_and_then_on() -> None:
    shop = Shop(offer() | offer(name="other"))
    for _ in range(2):
        for n in range(500):
            shop.do("visited", user=f"u{n}")
    gone = ways(shop)
    assert len(gone) == 500
    assert all(first == second for first, second in gone.values())
    counts = Counter(way for way, _ in gone.values())
    assert 110 < counts["webhook"] < 190
    same = sum(gone[who] == ways(shop, "other")[who] for who in gone)
    assert 230 < same < 350, "each split draws for itself"
    shop.know("u1", email="u1@shop.example")
    shop.do("visited", user="u1")
    assert shop.sent[-1].channel == "email", "the steps behind a split are everybody's"


def of_arms(shop: Shop) -> dict[str, int]:
    shop.engine.drain()
    counts = shop.shelf.counts.items()
    return {name.removeprefix("arm:offer:0:"): n for name, n in counts if name.startswith("arm:")}


def test_an_arm_is_judged_by_the_goal_by_a_receipt_or_by_revenue() -> None:
    goal = "goal: {event: bought, within: 2d}"
    for aim, rest in (("goal", goal), ("clicked", ""), ("bought", "")):
        within = "" if aim == "goal" else "within: 2d\n      "
        shop = Shop(offer(f"aim: {aim}\n      {within}{ARMS}", rest))
        for n in range(60):
            shop.do("visited", user=f"u{n}")
        late, mine = ways(shop), {a.leaf: a.id for a in shop.sent}
        for day in (1, 2, 3):
            shop.wait(DAY)
            for n in range(day, 60, 4):
                channel, message = late[f"user_id:u{n}"][0], mine[f"user_id:u{n}"]
                other = mine[f"user_id:u{(n + 1) % 60}"]
                if aim == "clicked":
                    shop.do(f"{channel}_clicked", user=f"u{n}", message=message)
                    shop.do(f"{channel}_clicked", user=f"u{n - 1}", message=other)
                else:
                    shop.do("bought", user=f"u{n}", total=5)
        expected: Counter[str] = Counter()
        for n in range(60):
            arm = "long" if late[f"user_id:u{n}"] == ["webhook"] else "short"
            expected[f"{arm}:tried"] += 1
            expected[f"{arm}:reached"] += n % 4 in (1, 2)
        assert of_arms(shop) == dict(expected), aim


def test_revenue_is_added_up_exactly_whatever_comes_twice_or_late() -> None:
    shop = Shop(offer(f"aim: bought.total\n      within: 2d\n      {ARMS}"))
    random, earned = Random(5), dict.fromkeys((f"u{n}" for n in range(40)), 0)
    for user in earned:
        shop.do("visited", user=user)
    start = shop.now
    for _ in range(200):
        user, cents = random.choice(sorted(earned)), random.randrange(1, 9_999)
        when = start + random.randrange(1, 3 * DAY)
        shop.wait(HOUR // 4)
        time = min(when, shop.now)
        order = f"o{random.randrange(150)}"
        before = shop.shelf.counts.copy()
        shop.do("bought", user=user, total=cents / 100, time=time, message_id=order + user)
        shop.engine.drain()
        if shop.shelf.counts["applied"] > before["applied"] and time <= start + 2 * DAY:
            earned[user] += cents
        if random.random() < 0.1:
            shop.engine.drain()
            shop.open()
    gone = ways(shop)
    for channel, arm in (("webhook", "long"), ("log", "short")):
        mine = [c for user, c in earned.items() if gone[f"user_id:{user}"] == [channel]]
        assert of_arms(shop)[f"{arm}:cents"] == sum(mine)
        assert of_arms(shop)[f"{arm}:squares"] == sum(c * c for c in mine)


def test_who_is_held_out_is_no_result_of_any_arm() -> None:
    shop = Shop(offer(f"aim: bought\n      {ARMS}", "holdout: 50%"))
    for n in range(100):
        shop.do("visited", user=f"u{n}")
    tried = sum(n for name, n in of_arms(shop).items() if name.endswith(":tried"))
    assert tried == len(shop.sent) == 100 - shop.count("held_out:offer")


def test_a_bandit_prefers_nobody_before_a_hundred_results_and_then_the_better_arm() -> None:
    shop = Shop(offer(f"aim: bought\n      winner: bandit\n      {ARMS}"))
    random, by_round = Random(7), []
    for nth in range(6):
        before = len(shop.sent)
        for n in range(250):
            user = f"u{nth}_{n}"
            shop.do("visited", user=user)
            if random.random() < (0.4 if shop.sent[-1].channel == "webhook" else 0.2):
                shop.do("bought", user=user)
        by_round.append(sum(a.channel == "webhook" for a in shop.sent[before:]) / 250)
        shop.wait(10 * MINUTE)
        if nth == 2:
            shop.open()
            shop.run()
        if nth == 0:
            assert not shop.engine.state.learned, "the smaller arm has no hundred results yet"
    assert all(0.2 < share < 0.4 for share in by_round[:2])
    assert by_round[-1] > 0.9
    assert shop.engine.state.learned["split offer 0"]["short"] >= 0.01, "it may be better some day"


def test_the_probability_to_be_the_best_is_that_of_draws() -> None:
    random = np.random.default_rng(3)
    shares = [(30, 100), (38, 120), (5, 15)]
    drawn = np.stack([random.beta(s + 1, n - s + 1, 400_000) for s, n in shares])
    expected = [(drawn.argmax(axis=0) == arm).mean() for arm in range(3)]
    assert best_share(shares) == pytest.approx(expected, abs=0.005)
    amounts = [random.gamma(2.0, scale, 300) for scale in (50, 53, 47)]
    sums = [(300, int(a.sum()), int((a * a).sum())) for a in amounts]
    means = np.stack([random.normal(a.mean(), a.std() / 300**0.5, 400_000) for a in amounts])
    expected = [(means.argmax(axis=0) == arm).mean() for arm in range(3)]
    assert best_mean(sums) == pytest.approx(expected, abs=0.005)
    assert best_share([(0, 100), (0, 100)]) == pytest.approx([0.5, 0.5])
    assert best_share([(100, 100), (0, 100)]) == pytest.approx([1, 0])


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("arms: {one: {share: 1, do: [exit]}}", "a split needs two arms at least"),
        (ARMS.replace("30", "0"), "a share such as 50 was expected, found '0'"),
        (f"winner: bandit\n      {ARMS}", "by what shall an arm win?"),
        (f"aim: x\n      winner: best\n      {ARMS}", "`bandit` was expected, found 'best'"),
        (f"aim: goal\n      {ARMS}", "there is no `goal: {event: .., within: ..}` to reach"),
        (f"aim: two words\n      {ARMS}", "an event was expected"),
        (ARMS.replace("do: [{send: {channels: [log]}}]", "to: x"), "unknown key 'to'"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused_where_it_stands(split: str, message: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WORKSPACE, **offer(split)}, ADDRESSES)
    assert message in str(error.value)
    assert "triggers/offer.yaml:" in str(error.value)
