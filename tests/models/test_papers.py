"""The formulas of BG/NBD and Gamma-Gamma against integrals over what they assume of people."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln, gammaln
from scipy.stats import beta, gamma

from models.runtime import beta_geometric, gamma_gamma
from models.runtime.beta_geometric import BetaGeometric
from models.runtime.fitting import Column, fit_beta_geometric, fit_gamma_gamma
from models.runtime.gamma_gamma import GammaGamma

Spent = Callable[[np.random.Generator, Column], Column]

SHAPES = [
    BetaGeometric(0.243, 4.414, 0.793, 2.426),
    BetaGeometric(0.46, 0.41, 6.33, 13.3),
    BetaGeometric(0.46, 0.41, 1.0, 3.0),  # where the closed form divides by nothing
    BetaGeometric(148.0, 148.0, 0.5, 2.0),  # all buy at one rate
    BetaGeometric(0.3, 2.0, 1.2, 1e6),  # nobody ever goes
    BetaGeometric(0.3, 2.0, 1e6, 2e6),  # who goes does so by one chance for all
]
PAST = [(0, 0.0, 0.1), (0, 0.0, 90.0), (3, 4.0, 5.0), (40, 20.0, 50.0), (800, 99.0, 100.0)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("again", "last", "age"), PAST)
@pytest.mark.parametrize("within", [1.0, 52.0])
def test_orders_to_come_are_those_of_everybody_whom_the_past_would_fit(
    shape: BetaGeometric, again: int, last: float, age: float, within: float
) -> None:
    r, alpha, a, b = shape
    left = beta(a, b + again)

    def each(chance: float) -> float:
        """Who leaves with this chance after each order buys so often until they have left."""
        return float(1 - ((alpha + age) / (alpha + age + chance * within)) ** (r + again)) / chance

    low, high = left.ppf([1e-13, 1 - 1e-13])
    if_alive, _ = quad(lambda c: each(c) * left.pdf(c), max(low, 1e-300), high, limit=500)
    expected = if_alive * _alive(shape, again, last, age)
    found = beta_geometric.expected(shape, again, last, age, within)
    assert found == pytest.approx(expected, rel=2e-3)


def _alive(shape: BetaGeometric, again: int, last: float, age: float) -> float:
    """By the odds of having gone right after the last order, and of being silent ever since."""
    r, alpha, a, b = shape
    if not again:
        return 1.0
    rates = gamma(r + again, scale=1 / (alpha + last))
    low, high = rates.ppf([1e-14, 1 - 1e-14])
    silent, _ = quad(
        lambda rate: np.exp(-rate * (age - last)) * rates.pdf(rate), low, high, limit=500
    )
    went = beta(a, b + again - 1).mean()
    return float((1 - went) * silent / ((1 - went) * silent + went))


def bought(
    draw: np.random.Generator, rates: Column, leaves: Column, ages: Column
) -> tuple[Column, Column]:
    """Draw how often people bought again, and when last, by their rates and chances of leaving."""
    again, last = np.zeros(len(ages)), np.zeros(len(ages))
    for nth, (rate, leave, age) in enumerate(zip(rates, leaves, ages, strict=True)):
        now = draw.exponential(1 / rate)
        while now < age:
            again[nth], last[nth] = again[nth] + 1, now
            now = now + draw.exponential(1 / rate) if draw.random() > leave else np.inf
    return again, last


def test_who_buys_as_the_models_say_gives_their_parameters_back() -> None:
    draw = np.random.default_rng(1)
    shape, money = BetaGeometric(0.6, 3.0, 0.9, 2.5), GammaGamma(6.0, 4.0, 15.0)
    rates, leaves = draw.gamma(0.6, 1 / 3.0, 40_000), draw.beta(0.9, 2.5, 40_000)
    ages = draw.uniform(20, 60, 40_000)
    again, last = bought(draw, rates, leaves, ages)
    found = fit_beta_geometric(again, last, ages)
    assert found is not None
    assert found == pytest.approx(shape, rel=0.1)
    back = again > 0
    means = draw.gamma(4.0, 1 / 15.0, back.sum())
    spent = draw.gamma(6.0 * again[back], 1 / means) / again[back]
    assert fit_gamma_gamma(again[back], spent) == pytest.approx(money, rel=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_where_all_leave_by_one_chance_the_parameters_run_away_and_the_fit_does_not(
    seed: int,
) -> None:
    draw = np.random.default_rng(seed)
    ages = draw.uniform(1, 9, 250)
    again, last = bought(draw, draw.gamma(0.5, 4.0, 250), np.full(250, 0.3), ages)
    found = fit_beta_geometric(again, last, ages)
    assert found is not None
    best = _likelihood(found, again, last, ages)
    for nearby in np.exp(draw.normal(0, 0.05, (50, 4))):
        assert best >= _likelihood(BetaGeometric(*(found * nearby)), again, last, ages) - 1e-5
    as_drawn = BetaGeometric(0.5, 0.25, 3e4, 7e4)
    assert best >= _likelihood(as_drawn, again, last, ages)


def _likelihood(shape: BetaGeometric, again: Column, last: Column, age: Column) -> float:
    """The logarithm, of a person on average: equation (6) as it stands."""
    r, alpha, a, b = shape
    a1 = gammaln(r + again) - gammaln(r) + r * np.log(alpha)
    stay = betaln(a, b + again) - (r + again) * np.log(alpha + age)
    went = betaln(a + 1, b + np.maximum(again, 1) - 1) - (r + again) * np.log(alpha + last)
    either = np.where(again > 0, np.logaddexp(stay, went), stay)
    return float(np.mean(a1 + either - betaln(a, b)))


def _one_price(_draw: np.random.Generator, again: Column) -> Column:
    return np.full(len(again), 9.99)


def _three_prices(draw: np.random.Generator, again: Column) -> Column:
    return draw.choice([49e3, 99e3, 499e3], len(again))  # won, yen


def _their_own(draw: np.random.Generator, again: Column) -> Column:
    return draw.gamma(4.0, 2.5, len(again))


def _all_alike(draw: np.random.Generator, again: Column) -> Column:
    return draw.gamma(6 * again, 10 / 6 / again)


def _a_few_most(draw: np.random.Generator, again: Column) -> Column:
    return np.exp(draw.normal(3, 2, len(again)))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("spent", "far", "like_themselves"),
    [
        (_one_price, 1.01, True),
        (_their_own, 1.1, True),
        (_all_alike, 1.1, False),
        # Not what the model thinks people are like; so it may be wrong of the average, within bounds.
        (_three_prices, 2.02, True),
        (_a_few_most, 2.02, True),
    ],
)
def test_whatever_people_spend_there_is_a_fit_that_is_not_far_from_it(
    spent: Spent, far: float, like_themselves: bool, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    again = draw.integers(1, 8, 300).astype(float)
    mean = spent(draw, again)
    found = fit_gamma_gamma(again, mean)
    assert found is not None
    average, most = float(mean.mean()), float(mean.max())
    assert average / far < gamma_gamma.expected(found, 0, 0.0) < average * far
    if like_themselves:
        assert gamma_gamma.expected(found, 50, most) == pytest.approx(most, rel=0.15)
    else:
        assert gamma_gamma.expected(found, 1, most) == pytest.approx(average, rel=0.3)


def test_whoever_is_not_known_spends_as_everybody_does_on_average() -> None:
    money = GammaGamma(6.0, 4.0, 15.0)
    assert gamma_gamma.expected(money, 0, 0.0) == pytest.approx(6.0 * 15.0 / 3.0)
    assert gamma_gamma.expected(money, 10_000, 77.0) == pytest.approx(77.0, rel=1e-3)
