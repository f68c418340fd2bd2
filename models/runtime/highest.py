"""How likely each of several unknown numbers is the highest: what Thompson sampling draws by.

W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence
of two samples", Biometrika 25 (1933), 285-294.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
REACH = 8.0  # standard deviations, beyond which there is nothing
_MOST, _FEWEST, _ALL = 97, 9, 1_000  # points at which each number is looked at, and all of them
_LEAST = 1e-300  # of a probability, so that it has a logarithm


def highest(at: Curve, logs: Sequence[Curve] | Curve) -> list[float]:
    """Return for each number the probability that it is the highest.

    Args:
        at: a grid, ascending, as narrow as the numbers need it.
        logs: the logarithm of each one's density there, up to a constant.
    """
    curves = np.asarray(logs)
    parts = np.exp(curves - curves.max(axis=1, keepdims=True)) * np.gradient(at)
    parts /= parts.sum(axis=1, keepdims=True)
    lower = np.log(np.maximum(np.cumsum(parts, axis=1) - parts / 2, _LEAST))
    found = (parts * np.exp(lower.sum(axis=0) - lower)).sum(axis=1)
    return (found / found.sum()).tolist()  # type: ignore[no-any-return]


def drawn(weights: Iterable[float], point: float) -> int:
    """Return which of several is drawn: the one whose stretch a point falls into.

    Args:
        weights: how long the stretches are that lie one behind another.
        point: from 0 to the sum of them.

    >>> drawn([0.2, 0.3, 0.5], 0.1), drawn([0.2, 0.3, 0.5], 0.2), drawn([0.2, 0.3, 0.5], 1.0)
    (0, 1, 2)
    """
    nth = 0
    for nth, weight in enumerate(weights):  # noqa: B007 - rounding may leave a rest to the last one
        point -= weight
        if point < 0:
            break
    return nth


def highest_of(means: Curve, widths: Curve) -> list[float]:
    """Return the same of numbers that are normal.

    Args:
        means: of the numbers.
        widths: their standard deviations, none of them 0.

    >>> [round(p, 2) for p in highest_of(np.array([0.0, 1.0]), np.array([1.0, 1.0]))]
    [0.24, 0.76]
    """
    each = np.linspace(-REACH, REACH, max(_FEWEST, min(_MOST, _ALL // len(means))))
    at = np.sort((means[:, None] + widths[:, None] * each).ravel())
    return highest(at, -(((at - means[:, None]) / widths[:, None]) ** 2) / 2)
