"""Offers are drawn by how likely each is the best, and draws say what others would have brought."""

import random
import statistics
from collections.abc import Callable
from itertools import pairwise
from math import exp

import numpy as np
import pytest
from scipy import optimize, stats

from benchmarks import bandit
from models.base import InForce
from models.runtime import arms, highest
from models.runtime.arms import EXPLORE, Tried
from models.runtime.counterfactual import instead, value
from models.runtime.logistic import row
from tests.shared import shared

OFFERS = ("a", "b", "c")


def tried(count: int, likely: Callable[[str, int], float], seed: int = 1) -> list[Tried]:
    """Offers given by chance to people of whom one number is known."""
    draw = random.Random(seed)
    found = []
    for nth in range(count):
        offer, much = draw.choice(OFFERS), draw.randrange(10)
        found.append(
            Tried(f"u{nth}", offer, row([much]), float(draw.random() < likely(offer, much)))
        )
    return found


def tastes(offer: str, much: int) -> float:
    """Who has much likes a, who has little likes b, and c is in between."""
    return {"a": 0.05 * much, "b": 0.45 - 0.05 * much, "c": 0.2}[offer]


def test_the_chance_to_be_the_highest_is_that_of_numbers_that_are_drawn() -> None:
    draw = np.random.default_rng(1)
    means, widths = np.array([0.0, 0.4, -1.0, 0.3]), np.array([0.2, 0.5, 2.0, 0.01])
    drawn = draw.normal(means, widths, (400_000, 4)).argmax(axis=1)
    expected = np.bincount(drawn, minlength=4) / len(drawn)
    assert highest.highest_of(means, widths) == pytest.approx(expected, abs=0.004)
    sure = highest.highest_of(np.array([0.0, 1.0]), np.array([1e-3, 1e-3]))
    assert sure == pytest.approx([0, 1], abs=1e-9)
    alike = highest.highest_of(np.zeros(50), np.ones(50))
    assert alike == pytest.approx([0.02] * 50)


def test_as_much_as_is_drawn_is_the_share() -> None:
    points = [(n + 0.5) / 1000 for n in range(1000)]
    found = [highest.drawn([0.5, 0.2, 0.3], point) for point in points]
    assert [found.count(n) for n in range(3)] == [500, 200, 300]
    assert found == sorted(found)


def test_tastes_are_found_and_who_is_in_between_is_asked_on() -> None:
    version = InForce(arms.fitted(tried(6_000, tastes)))
    much, little, between = (arms.shares(version, OFFERS, [n]) for n in (9, 0, 4))
    floor = EXPLORE / 3
    assert much[0] > 0.95 - 2 * floor
    assert little[1] > 0.95 - 2 * floor
    assert min(*much, *little, *between) >= floor
    assert sum(much) == pytest.approx(1)
    expected = arms.likelihood(version, OFFERS, [9])
    assert expected[0] == pytest.approx(0.45, abs=0.05)
    assert expected[1] < 0.1
    unsure = InForce(arms.fitted(tried(150, tastes)))
    assert max(arms.shares(unsure, OFFERS, [4])) < 0.9


def test_what_nobody_was_given_is_thought_of_like_the_others_and_is_tried() -> None:
    version = arms.fitted(tried(3_000, tastes))
    given = arms.given(version)
    assert sum(given.values()) == 3_000
    new = arms.likelihood(version, ("new",), [5])[0]
    others = statistics.fmean(arms.likelihood(version, OFFERS, [5]))
    assert new == pytest.approx(others, abs=0.03)
    assert 0.02 < arms.shares(version, (*OFFERS, "new"), [5])[-1] < 0.5


def test_more_examples_make_it_surer() -> None:
    spreads = [
        arms.arms(arms.fitted(tried(count, tastes))).spreads[0][:2].max()
        for count in (100, 1_000, 10_000)
    ]
    assert all(few > 5 * many for few, many in pairwise(spreads))


def test_weights_and_their_spread_are_those_of_a_plain_optimiser() -> None:
    """Of one offer, by scipy: the penalised likelihood's maximum, and its curvature there."""
    examples = tried(800, tastes)
    version = arms.fitted(examples)
    known = arms.arms(version)
    own = [one for one in examples if one.offer == "a"]
    points = np.array([arms.point(known, [exp(one.row[0]) - 1]) for one in own])
    came = np.array([one.reward for one in own])
    prior = known.weights[-1]
    sure = np.array(
        [1 / arms.OWN, 1 / arms.TASTE, 1 / arms.TASTE]
    )  # one number that says something

    def cost(weights: np.ndarray) -> float:
        odds = points @ weights
        return float(np.logaddexp(0, odds).sum() - came @ odds + sure @ (weights - prior) ** 2 / 2)

    found = optimize.minimize(cost, prior, method="BFGS", tol=1e-10)
    assert known.weights[0] == pytest.approx(found.x, abs=1e-4)
    likely = 1 / (1 + np.exp(-points @ found.x))
    curvature = sure + (likely * (1 - likely)) @ points**2
    assert known.spreads[0] == pytest.approx(1 / curvature, rel=1e-3)


@pytest.mark.parametrize("way", [(1.0, 0.0, 0.0), (0.0, 0.5, 0.5)])
def test_what_another_way_would_have_brought_is_right_on_average_and_its_interval_holds_it(
    way: tuple[float, ...],
) -> None:
    """Also where nothing was expected, or something that is wrong."""
    draw, shares, true = random.Random(5), (0.1, 0.3, 0.6), (0.4, 0.2, 0.1)
    truth = sum(share * one for share, one in zip(way, true, strict=True))
    for expected in ((0.0, 0.0, 0.0), true, (0.9, 0.0, 0.5)):
        found = []
        for _ in range(200):
            rewards = []
            for _ in range(400):
                nth = highest.drawn(shares, draw.random())
                reward = float(draw.random() < true[nth])
                rewards.append(instead(way, expected, nth, shares[nth], reward))
            found.append(value(rewards))
        means = [one.mean for one in found]
        error = statistics.stdev(means) / len(means) ** 0.5
        assert statistics.fmean(means) == pytest.approx(truth, abs=4 * error)
        held = sum(one.low <= truth <= one.high for one in found)
        assert held >= stats.binom.ppf(0.001, 200, 0.93), "95 % but for what is not normal"


def test_hillstroms_customers_visit_more_than_by_chance_or_with_any_other_mail() -> None:
    """By replay, in one order; 20 and the plot are `python -m benchmarks.bandit`."""
    people = bandit.customers(shared("datasets/email/hillstrom.csv.gz"))
    visits, spent = bandit.means(people), bandit.means(people, "spent")
    assert [round(v, 5) for v in visits.values()] == [0.10617, 0.18276, 0.15140]
    assert round(spent["mens"] - spent["no"], 3) == 0.770
    assert round(spent["womens"] - spent["no"], 3) == 0.424
    one = bandit.play(people, seed=0)
    came = value(one.visits)
    assert came.low > max(visits["womens"], statistics.fmean(visits.values()))
    assert came.mean > visits["mens"] - 0.015
    assert one.quality["quality.offer.womens"] == pytest.approx(visits["womens"], abs=0.03)
    assert len(one.visits) == pytest.approx(len(people) / 3, rel=0.03)
