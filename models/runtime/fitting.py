"""Fits: the parameters under which what people did was likeliest."""

from collections.abc import Callable
from importlib import import_module
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from models.runtime.beta_geometric import BetaGeometric
from models.runtime.gamma_gamma import GammaGamma

Column = NDArray[np.float64]
_EXACT = 1e-9  # of a log-likelihood per person, below which it is not worth looking on
_LOG_MOST = 14.0  # of a parameter, in logarithm: where the data say nothing it runs away
_LOG_ALIKE = 5.0  # of r: beyond it all buy at one rate, as far as anybody can tell


def fit_beta_geometric(again: Column, last: Column, age: Column) -> BetaGeometric | None:
    """Fit BG/NBD: equation (6) of the paper.

    Args:
        again: of each person, see `beta_geometric.alive`.
        last: weeks.
        age: weeks.

    Returns:
        None where no optimum was found.
    """
    rows, weights = _alike(np.column_stack([again, last, age]))
    again, last, age = rows.T
    bought, at = np.unique(again, return_inverse=True)
    once_more = again > 0

    def likelihood(logs: Column) -> float:
        r, alpha, a, b = np.exp(logs)
        by_count = np.array(
            [
                lgamma(r + x)
                - lgamma(r)
                + lgamma(a + b)
                + lgamma(b + x)
                - lgamma(b)
                - lgamma(a + b + x)
                for x in bought
            ]
        )
        still = -(r + again) * np.log(alpha + age)
        gone = np.log(a) - np.log(b + np.maximum(again, 1) - 1) - (r + again) * np.log(alpha + last)
        either = np.where(once_more, np.logaddexp(still, gone), still)
        return float(weights @ (by_count[at] + r * np.log(alpha) + either) / weights.sum())

    found = _highest(likelihood, [1.0, 1.0, 1.0, 1.0], _LOG_ALIKE)
    return None if found is None else BetaGeometric(*found)


def fit_gamma_gamma(again: Column, mean: Column) -> GammaGamma | None:
    """Fit Gamma-Gamma: equation (1a) of its note.

    Args:
        again: of people who came back, see `gamma_gamma.expected`.
        mean: what they spent each time, more than nothing.

    Returns:
        None where no optimum was found.
    """
    bought, at = np.unique(again, return_inverse=True)
    log_mean, log_again = np.log(mean), np.log(again)

    def likelihood(logs: Column) -> float:
        p, beyond, v = np.exp(logs)
        q = 1 + beyond  # below, there is no mean over all customers
        by_count = np.array([lgamma(p * x + q) - lgamma(p * x) - lgamma(q) for x in bought])[at]
        rest = q * np.log(v) + (p * again - 1) * log_mean + p * again * log_again
        return float(np.mean(by_count + rest - (p * again + q) * np.log(again * mean + v)))

    found = _highest(likelihood, [1.0, 1.0, float(np.median(mean))])
    return None if found is None else GammaGamma(found[0], 1 + found[1], found[2])


def _alike(rows: Column) -> tuple[Column, Column]:
    """Put rows together that are alike, in an order of their own; return them with their numbers."""
    alike, counts = np.unique(rows, axis=0, return_counts=True)
    return alike, counts.astype(float)


def _highest(
    value: Callable[[Column], float], start: list[float], first_most: float = _LOG_MOST
) -> list[float] | None:
    """Return where a function of positive numbers is highest.

    Args:
        value: of their logarithms.
        start: the numbers to begin with.
        first_most: logarithm of the largest that the first of them may be.
    """
    # Only who fits needs it, and it takes 0.2 s and 30 MB to import.
    minimize = import_module("scipy.optimize").minimize
    bounds = [(-_LOG_MOST, first_most), *[(-_LOG_MOST, _LOG_MOST)] * (len(start) - 1)]
    found = minimize(
        lambda logs: -value(logs),
        np.log(start),
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": _EXACT * 1e-3, "gtol": 1e-7, "maxiter": 2_000},
    )
    return [float(one) for one in np.exp(found.x)] if found.success else None
