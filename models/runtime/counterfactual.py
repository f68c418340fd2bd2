"""What another way of choosing would have brought: from what was chosen by chance, with what probability.

What is expected of the other way's choice, and where the same was chosen, by how much that was wrong, as
often as it stands for others that were not tried: by the inverse of its probability. Right on average
whatever was expected, and the more certain the better that was: M. Dudik, J. Langford, L. Li, "Doubly
Robust Policy Evaluation and Learning", ICML (2011).
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

Z = 1.959964  # of the normal distribution, for an interval of 95 %


class Value(NamedTuple):
    """A mean reward and its interval of 95 %."""

    mean: float
    low: float
    high: float


def value(rewards: Sequence[float]) -> Value:
    """Return the mean of rewards.

    >>> value([0.0, 1.0] * 50)
    Value(mean=0.5, low=0.402002, high=0.597998)
    """
    came = np.asarray(rewards, dtype=float)
    mean, spread = float(came.mean()), Z * float(came.std()) / sqrt(len(came))
    return Value(*(round(one, 6) for one in (mean, mean - spread, mean + spread)))


def instead(
    shares: Sequence[float],
    expected: Sequence[float],
    chosen: int,
    probability: float,
    reward: float,
) -> float:
    """Return the reward that another way of choosing would have had, in one case.

    Args:
        shares: with what probability it chooses each of what there was.
        expected: the reward of each, by what was known before; 0 where nothing was.
        chosen: what was.
        probability: with which.
        reward: what came of it.

    >>> instead([1.0, 0.0], [0.25, 0.5], chosen=0, probability=0.5, reward=1.0)
    1.75
    >>> instead([0.0, 1.0], [0.25, 0.5], chosen=0, probability=0.5, reward=1.0)
    0.5
    """
    foretold = sum(share * one for share, one in zip(shares, expected, strict=True))
    return foretold + shares[chosen] / probability * (reward - expected[chosen])
