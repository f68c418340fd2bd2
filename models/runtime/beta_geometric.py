"""BG/NBD: how often somebody will buy, and whether they still are a customer at all.

P. S. Fader, B. G. S. Hardie and K. L. Lee, "'Counting Your Customers' the Easy Way: An Alternative to
the Pareto/NBD Model", Marketing Science 24 (2005), 275-284. A customer buys at a rate of their own and
is gone after each buy with a probability of their own; over all customers the rates are gamma
distributed (r, alpha), the probabilities beta (a, b). Time is in weeks.
"""

from functools import lru_cache
from math import exp, log, log1p
from typing import NamedTuple

_NEAR = 1e-4  # of a to 1, where the formula divides by their difference
_ENOUGH = 1e-13
_TERMS = 20_000
_LOG_MOST = 600.0  # of what `exp` can return, and what is left of it


class BetaGeometric(NamedTuple):
    """The four parameters."""

    r: float
    alpha: float
    a: float
    b: float


def alive(model: BetaGeometric, again: int, last: float, age: float) -> float:
    """Return the probability that somebody will ever buy again.

    Args:
        model: its parameters.
        again: how often they bought after the first time.
        last: weeks from the first to the last time; 0 for who bought once.
        age: weeks since the first time.

    >>> cdnow = BetaGeometric(0.243, 4.414, 0.793, 2.426)
    >>> alive(cdnow, 0, 0.0, 38.9), round(alive(cdnow, 2, 30.43, 38.86), 4)
    (1.0, 0.7266)
    """
    return 1 / (1 + _gone(model, again, last, age))


def _gone(model: BetaGeometric, again: int, last: float, age: float) -> float:
    """Return the odds that they will not."""
    r, alpha, a, b = model
    if not again:
        return 0.0
    silent = (r + again) * log((alpha + age) / (alpha + last))
    return a / (b + again - 1) * exp(min(silent, _LOG_MOST))


def expected(model: BetaGeometric, again: int, last: float, age: float, within: float) -> float:
    """Return how often somebody will buy within so many weeks: equation (10) of the paper.

    >>> round(expected(BetaGeometric(0.243, 4.414, 0.793, 2.426), 2, 30.43, 38.86, 39.0), 3)
    1.226
    """
    return _if_alive(model, again, age, within) / (1 + _gone(model, again, last, age))


@lru_cache(maxsize=65_536)  # people of the same age who bought as often share it
def _if_alive(model: BetaGeometric, again: int, age: float, within: float) -> float:
    """Return how often they will, were they a customer now.

    The paper's (1 - z)^(r + x) F(r + x, b + x; c; z), of which all terms are positive. Where the power is
    nothing any more, since somebody bought very often, Euler's other form of it:
    (1 - z)^(a - 1) F(c - r - x, a - 1; c; z), c = a + b + x - 1.
    """
    r, alpha, a, b = model
    if abs(a - 1) < _NEAR:
        a = 1 + _NEAR
    c = a + b + again - 1
    z = within / (alpha + age + within)
    power = (r + again) * log1p(-z)
    if power > -_LOG_MOST:
        left = _hypergeometric(r + again, b + again, c, z, exp(power))
    else:
        left = (1 - z) ** (a - 1) * _hypergeometric(c - r - again, a - 1, c, z)
    return float(c / (a - 1) * (1 - left))


def _hypergeometric(a: float, b: float, c: float, z: float, times: float = 1.0) -> float:
    """Sum Gauss's series, 0 <= z < 1, times something.

    >>> round(_hypergeometric(1, 1, 2, 0.5), 6)  # -log(1 - z) / z
    1.386294
    """
    total = term = times
    for n in range(_TERMS):
        grows = (a + n) * (b + n) / ((c + n) * (n + 1)) * z
        term *= grows
        total += term
        if abs(term) < _ENOUGH * abs(total) and grows < 1:
            break
    return total
