"""Logistic regression: how likely something is, as a weighted sum of what somebody did.

Numbers go in as the logarithm of one more than they are, so that the hundredth view does not weigh as
the first, each beside a mark where it is missing. Fitted by Newton's method to examples with a label,
with a ridge as if each weight had been seen once to be nothing: T. Hastie, R. Tibshirani, J. Friedman,
"The Elements of Statistical Learning" (2009), 4.4. A version is the weights of the numbers as they go
in; what makes their scales alike is in them.
"""

from collections.abc import Mapping, Sequence
from math import copysign, exp, log1p
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
MOST = 100  # features
RIDGE = 1.0
_STEPS, _ENOUGH = 50, 1e-9
_WEIGHTS = tuple((f"weight.{n}", f"missing.{n}") for n in range(MOST))
_MEANS = tuple((f"mean.{n}", f"mean_missing.{n}") for n in range(MOST))
_LARGEST = 1e15  # of numbers; what is beyond says nothing
_LOG_MOST = 35.0  # of odds, beyond which a float is 0 or 1


def number(value: Any) -> float | None:
    """Return a feature as it goes in; None for what is missing, or says no number.

    >>> number(True) == number(1) == number("1"), number("dear"), number(None), round(number(-9), 3)
    (True, None, None, -2.303)
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        return None
    return copysign(log1p(abs(value)), value)


def row(features: Sequence[Any]) -> list[float]:
    """Return features as they go in: their numbers, then where they are missing."""
    numbers = [number(value) for value in features]
    return [*(one or 0.0 for one in numbers), *(float(one is None) for one in numbers)]


def probability(version: Mapping[str, float], features: Sequence[Any]) -> float:
    """Return how likely it is.

    >>> version = fitted([row([n]) for n in range(100)], [n > 50 for n in range(100)])
    >>> probability(version, [10]) < 0.2, probability(version, [90]) > 0.8
    (True, True)
    """
    odds = version["bias"]
    for (weight, missing), value in zip(_WEIGHTS, features, strict=False):
        known = number(value)
        odds += version[missing] if known is None else version[weight] * known
    return probability_of(odds)


def probability_of(odds: float) -> float:
    """Return a probability by the logarithm of its odds.

    >>> probability_of(0.0), probability_of(1e9) <= 1
    (0.5, True)
    """
    return 1 / (1 + exp(-max(-_LOG_MOST, min(odds, _LOG_MOST))))


def moved(version: Mapping[str, float], features: Sequence[Any]) -> list[float]:
    """Return by how much each feature moves the odds, as a logarithm, from those of everybody's mean."""
    found: list[float] = []
    for names, means, value in zip(_WEIGHTS, _MEANS, features, strict=False):
        known = number(value)
        pair = (known or 0.0, float(known is None))
        found.append(
            sum(version[w] * (x - version[m]) for w, m, x in zip(names, means, pair, strict=True))
        )
    return found


def fitted(rows: Sequence[Sequence[float]], labels: Sequence[bool]) -> dict[str, float]:
    """Fit weights to examples, each as `row` gives it.

    Both labels must be among them.
    """
    table, wanted = np.asarray(rows, dtype=float), np.asarray(labels, dtype=float)
    mean, scale = table.mean(axis=0), table.std(axis=0)
    weights = fitted_to(alike(table, mean, scale), wanted)
    return version_of(float(weights[0]), weights[1:].tolist(), mean.tolist(), scale.tolist())


def alike(table: Column, mean: Column, scale: Column) -> Column:
    """Return rows as a fit takes them: a one for the bias, then numbers of one scale.

    What has no scale is alike for all, and says nothing.
    """
    scaled = np.divide(table - mean, scale, out=np.zeros_like(table), where=scale > 0)
    return np.column_stack([np.ones(len(table)), scaled])


def version_of(
    bias: float, weights: Sequence[float], means: Sequence[float], scales: Sequence[float]
) -> dict[str, float]:
    """Return weights of scaled numbers as those of the numbers as they go in.

    Args:
        bias: logarithm of the odds of who is like everybody's mean.
        weights: of the numbers, then of where they are missing.
        means: of the same.
        scales: of the same; what is alike for all has 0, and says nothing.
    """
    own = [w / s if s else 0.0 for w, s in zip(weights, scales, strict=True)]
    size = len(own) // 2
    version = {"bias": bias - sum(w * m for w, m in zip(own, means, strict=True))}
    for n in range(size):
        for names, values in ((_WEIGHTS[n], own), (_MEANS[n], means)):
            version |= {names[0]: values[n], names[1]: values[size + n]}
    return version


def likelihood(table: Column, weights: Column) -> Column:
    """Return how likely it is in each row."""
    found: Column = 1 / (1 + np.exp(-np.clip(table @ weights, -_LOG_MOST, _LOG_MOST)))
    return found


def fitted_to(
    table: Column, wanted: Column, prior: Column | None = None, sure: Column | None = None
) -> Column:
    """Fit weights to rows as `alike` gives them.

    Args:
        table: the rows.
        wanted: from 0 to 1; how much of it came to be.
        prior: the weights that are expected; if not given it is none of all but the bias, for how
            often it happens at all is no weight.
        sure: one through the variance that each of these is expected with; `RIDGE` if not given.
    """
    ridge = np.full(table.shape[1], RIDGE) if sure is None else sure
    if prior is None:
        prior, share = np.zeros(table.shape[1]), wanted.mean()
        prior[0], ridge[0] = np.log(share / (1 - share)), 0.0
    weights, expected = prior.copy(), prior

    def cost(tried: Column) -> float:
        odds = table @ tried
        beside = ridge @ (tried - expected) ** 2 / 2
        return float(np.logaddexp(0, odds).sum() - wanted @ odds + beside)

    for _ in range(_STEPS):
        likely = likelihood(table, weights)
        slope = table.T @ (wanted - likely) - ridge * (weights - expected)
        bend = (table * (likely * (1 - likely))[:, None]).T @ table + np.diag(ridge + _ENOUGH)
        step = np.linalg.solve(bend, slope)
        before = cost(weights)
        while cost(weights + step) > before and np.abs(step).max() > _ENOUGH:
            step /= 2  # it leads downhill, but may go too far
        weights += step
        if np.abs(step).max() < _ENOUGH:
            break
    return weights
