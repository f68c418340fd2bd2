"""Fits: the parameters under which what people did was likeliest."""

from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from models.runtime.beta_geometric import BetaGeometric
from models.runtime.gamma_gamma import GammaGamma

Column = NDArray[np.float64]
_EXACT = 1e-12  # of a log-likelihood per person, below which it is not worth looking on
_FLAT = 1e-3  # of its slope there; more is no optimum
# Logarithms of the most that is looked for. Where the data say nothing a number runs away: beyond
# these all buy at one rate, leave by one chance, spend alike, as far as anybody can tell.
_ALIKE = 7.0
_RATES_ALIKE = 5.0
_WIDEST = 14.0  # of rates a week, and of odds
_NEAR = 0.7  # of what people spend by the model to what they do: half and twice


def fit_beta_geometric(again: Column, last: Column, age: Column) -> BetaGeometric | None:
    """Fit BG/NBD: equation (6) of the paper.

    Args:
        again: of each person, see `beta_geometric.alive`; whole numbers.
        last: weeks.
        age: weeks.

    Returns:
        None where no optimum was found.
    """
    rows, counts = _alike(np.column_stack([again, last, age]))
    again, last, age = rows.T
    weights, bought = counts / counts.sum(), again.astype(int)
    steps, once_more, before = np.arange(bought.max()), bought > 0, np.maximum(again, 1) - 1

    def upto(each: Column) -> Column:
        """Sum what is so for each buy up to each person's last one."""
        return np.concatenate([[0.0], np.cumsum(each)])[bought]  # type: ignore[no-any-return]

    def likelihood(logs: Column) -> tuple[float, Column]:
        # Quotients of gamma functions as sums of logarithms: where a and b run away, the differences
        # of their logarithms would be nothing but what was rounded off.
        r, alpha, a, b = np.exp(logs)
        still = -(r + again) * np.log(alpha + age)
        gone = np.log(a) - np.log(b + before) - (r + again) * np.log(alpha + last)
        either = np.where(once_more, np.logaddexp(still, gone), still)
        went = np.where(once_more, np.exp(np.minimum(gone - either, 0.0)), 0.0)
        by_count = upto(np.log(r + steps) - np.log1p(a / (b + steps)))
        by_r = np.log(alpha) - (1 - went) * np.log(alpha + age) - went * np.log(alpha + last)
        by_alpha = -(r + again) * ((1 - went) / (alpha + age) + went / (alpha + last))
        slopes = [
            r * (upto(1 / (r + steps)) + by_r),
            r + alpha * by_alpha,
            went - a * upto(1 / (a + b + steps)),
            b * (upto(a / ((b + steps) * (a + b + steps))) - went / (b + before)),
        ]
        return float(weights @ (by_count + r * np.log(alpha) + either)), np.array(slopes) @ weights

    # Looked for are r, the rate r / alpha, the odds a / b of leaving, and b: numbers of which one
    # may run away without the others.
    made_of = np.array([[1, 0, 0, 0], [1, -1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]], float)
    most = [_RATES_ALIKE, _WIDEST, _WIDEST, _ALIKE]
    found = _highest(likelihood, made_of, np.array(most))
    return None if found is None else BetaGeometric(*found)


def fit_gamma_gamma(again: Column, mean: Column) -> GammaGamma | None:
    """Fit Gamma-Gamma: equation (1a) of its note.

    Args:
        again: of people who came back, see `gamma_gamma.expected`.
        mean: what they spent each time, more than nothing.

    Returns:
        None where no optimum was found.
    """
    special = import_module("scipy.special")
    unit = float(mean.mean())
    log_mean, log_again = np.log(mean / unit), np.log(again)
    bought, at = np.unique(again, return_inverse=True)  # many share what takes longest

    def likelihood(logs: Column) -> tuple[float, Column]:
        p, beyond, v = np.exp(logs)
        q = 1 + beyond  # below, there is no mean over all customers
        shape, spent = p * again, again * mean / unit + v
        log_spent, both = np.log(spent), special.digamma(p * bought + q)[at]
        each = q * np.log(v) + (shape - 1) * log_mean + shape * log_again
        each -= special.betaln(p * bought, q)[at] + (shape + q) * log_spent
        by_p = again * (both - special.digamma(p * bought)[at] + log_mean + log_again - log_spent)
        by_q = both - special.digamma(q) + np.log(v) - log_spent
        by_v = q / v - (shape + q) / spent
        slopes = [p * by_p.mean(), beyond * by_q.mean(), v * by_v.mean()]
        return float(each.mean()), np.array(slopes)

    # Looked for are p, q - 1, and p v / (q - 1): what all spend on average, by the model. Where a few
    # spend so much that it has no average, it is held near theirs.
    made_of = np.array([[1, 0, 0], [0, 1, 0], [-1, 1, 1]], float)
    found = _highest(likelihood, made_of, np.array([_ALIKE, _ALIKE, _NEAR]))
    return None if found is None else GammaGamma(found[0], 1 + found[1], found[2] * unit)


def _alike(rows: Column) -> tuple[Column, Column]:
    """Put rows together that are alike, in an order of their own; return them with their numbers."""
    alike, counts = np.unique(rows, axis=0, return_counts=True)
    return alike, counts.astype(float)


def _highest(
    value: Callable[[Column], tuple[float, Column]], made_of: Column, most: Column
) -> list[float] | None:
    """Return where a function of positive numbers is highest.

    Args:
        value: of their logarithms; and its slope along each of these.
        made_of: how these are made of the logarithms that are looked for, a row each; it begins with 0.
        most: of each of them, above 0 and below.
    """
    # Only who fits needs it, and it takes 0.2 s and 30 MB to import.
    minimize = import_module("scipy.optimize").minimize

    def depth(tried: Column) -> tuple[float, Column]:
        height, slopes = value(made_of @ tried)
        return -height, -slopes @ made_of

    found = minimize(
        depth,
        np.zeros(len(most)),
        method="SLSQP",
        jac=True,
        bounds=list(zip(-most, most, strict=True)),
        options={"ftol": _EXACT, "maxiter": 2_000},
    )
    # Rounding may end it before it says that it came to an end; at a bound, a slope outwards is none.
    uphill = np.clip(found.x - found.jac, -most, most) - found.x
    return np.exp(made_of @ found.x).tolist() if np.abs(uphill).max() < _FLAT else None
