"""The formulas of BG/NBD and Gamma-Gamma against integrals over what they assume of people."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, gamma

from models.runtime import beta_geometric, gamma_gamma
from models.runtime.beta_geometric import BetaGeometric
from models.runtime.fitting import fit_beta_geometric, fit_gamma_gamma
from models.runtime.gamma_gamma import GammaGamma

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


def test_who_buys_as_the_models_say_gives_their_parameters_back() -> None:
    draw = np.random.default_rng(1)
    shape, money = BetaGeometric(0.6, 3.0, 0.9, 2.5), GammaGamma(6.0, 4.0, 15.0)
    rates, leaves = draw.gamma(0.6, 1 / 3.0, 40_000), draw.beta(0.9, 2.5, 40_000)
    ages = draw.uniform(20, 60, 40_000)
    again, last = np.zeros(40_000), np.zeros(40_000)
    for nth, (rate, leave, age) in enumerate(zip(rates, leaves, ages, strict=True)):
        now = draw.exponential(1 / rate)
        while now < age:
            again[nth], last[nth] = again[nth] + 1, now
            now = now + draw.exponential(1 / rate) if draw.random() > leave else np.inf
    found = fit_beta_geometric(again, last, ages)
    assert found is not None
    assert found == pytest.approx(shape, rel=0.1)
    back = again > 0
    means = draw.gamma(4.0, 1 / 15.0, back.sum())
    spent = draw.gamma(6.0 * again[back], 1 / means) / again[back]
    assert fit_gamma_gamma(again[back], spent) == pytest.approx(money, rel=0.1)


def test_whoever_is_not_known_spends_as_everybody_does_on_average() -> None:
    money = GammaGamma(6.0, 4.0, 15.0)
    assert gamma_gamma.expected(money, 0, 0.0) == pytest.approx(6.0 * 15.0 / 3.0)
    assert gamma_gamma.expected(money, 10_000, 77.0) == pytest.approx(77.0, rel=1e-3)
