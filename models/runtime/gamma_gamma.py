"""Gamma-Gamma: how much somebody spends each time.

P. S. Fader and B. G. S. Hardie, "The Gamma-Gamma Model of Monetary Value" (2013). What somebody spends
varies around a mean of their own; over all customers these means vary too. Who bought once more only
is thought of much like everybody, who bought often like themselves.
"""

from typing import NamedTuple


class GammaGamma(NamedTuple):
    """The three parameters; v is in the currency of the orders."""

    p: float
    q: float
    v: float


def expected(model: GammaGamma, again: int, mean: float) -> float:
    """Return what somebody spends each time, on average: equation (5) of the paper.

    Args:
        model: its parameters.
        again: how often they bought after the first time.
        mean: what they spent then, each time.

    >>> cdnow = GammaGamma(6.250, 3.744, 15.444)
    >>> round(expected(cdnow, 0, 0.0), 2), round(expected(cdnow, 5, 60.0), 2)
    (35.18, 58.0)
    """
    p, q, v = model
    return p * (v + again * mean) / (p * again + q - 1)
