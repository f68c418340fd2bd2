"""Lift: how much more often people came to a goal than those who were held out."""

from math import exp, log, sqrt
from typing import NamedTuple

Z = 1.959964  # of the normal distribution, for an interval of 95 %


class Lift(NamedTuple):
    """A lift and its interval of 95 %: 0.25 is a quarter more often."""

    lift: float
    low: float
    high: float


def lift(treated: tuple[int, int], held_out: tuple[int, int]) -> Lift | None:
    """Compare two shares, each as (reached, of how many); None where one of them is none or nothing.

    The interval is that of the logarithm of the risk ratio: D. Katz, J. Baptista, S. P. Azen and
    M. C. Pike, "Obtaining Confidence Intervals for the Risk Ratio in Cohort Studies", Biometrics 34
    (1978), 469-474.

    >>> lift((150, 1000), (100, 1000))
    Lift(lift=0.5, low=0.183, high=0.902)
    >>> lift((150, 1000), (0, 1000)) is None
    True
    """
    (a, n), (b, m) = treated, held_out
    if not a or not b:
        return None
    ratio = (a / n) / (b / m)
    spread = Z * sqrt((1 - a / n) / a + (1 - b / m) / b)
    low, high = (exp(log(ratio) + sign * spread) - 1 for sign in (-1, 1))
    return Lift(*(round(one, 3) for one in (ratio - 1, low, high)))
