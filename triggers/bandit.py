"""A bandit: as an arm proves better, more people are sent its way.

Each arm gets the probability that it is the best one, given what came of it until now: Thompson
sampling, whose draws are the hashes of entries, see `models.runtime.highest`.
"""

from collections.abc import Mapping
from math import sqrt

import msgspec
import numpy as np

from models.runtime.highest import REACH, highest, highest_of

FEWEST = 100  # tries of each arm, before any is preferred
LEAST = 0.01  # of all people, which every arm keeps: the better one may be another next month
CENT = 10_000  # of the 10^-6 in which revenue is counted
_STEPS = 4_001  # of the curves that are integrated


class Bandit(msgspec.Struct, frozen=True):
    """A split of which the better arm wins."""

    trigger: str
    place: str
    arms: tuple[str, ...]
    revenue: bool  # the arms are judged by what they bring; otherwise by how many reach the aim

    @property
    def name(self) -> str:
        """How records say its weights."""
        return name_of(self.trigger, self.place)

    def weighed(self, counts: Mapping[str, int]) -> dict[str, float] | None:
        """Weigh the arms by what the ledger has counted.

        Returns:
            Each arm's share; None as long as one of them was tried less than `FEWEST` times.
        """
        tried, reached, cents, squares = (
            [counts.get(counted(self.trigger, self.place, arm, what), 0) for arm in self.arms]
            for what in ("tried", "reached", "cents", "squares")
        )
        if min(tried) < FEWEST:
            return None
        if self.revenue:
            best = best_mean(list(zip(tried, cents, squares, strict=True)))
        else:
            best = best_share(list(zip(reached, tried, strict=True)))
        kept = [max(LEAST, share) for share in best]
        return {
            arm: round(share / sum(kept), 3) for arm, share in zip(self.arms, kept, strict=True)
        }


def name_of(trigger: str, place: str) -> str:
    """Name a split, as records say its weights."""
    return f"split {trigger} {place}"


def counted(trigger: str, place: str, arm: str, what: str) -> str:
    """Name what the ledger counts of an arm: `tried`, `reached`, `cents`, and `squares` of these."""
    return f"arm:{trigger}:{place}:{arm}:{what}"


def best_share(results: list[tuple[int, int]]) -> list[float]:
    """Return for each arm, as (reached, tried), the probability that its share is the highest.

    >>> [round(p, 2) for p in best_share([(10, 100), (20, 100)])]
    [0.02, 0.98]
    """
    spread = [(s / n, sqrt((s + 1) * (n - s + 1) / (n + 2) ** 3)) for s, n in results]
    low = max(0.0, min(mean - REACH * width for mean, width in spread))
    high = min(1.0, max(mean + REACH * width for mean, width in spread))
    at = np.linspace(low, high, _STEPS)[1:-1]
    return highest(at, [s * np.log(at) + (n - s) * np.log1p(-at) for s, n in results])


def best_mean(results: list[tuple[int, int, int]]) -> list[float]:
    """Return for each arm, as (number, sum, sum of squares), the probability that its mean is the highest.

    >>> [round(p, 2) for p in best_mean([(100, 1000, 20_000), (100, 1400, 30_000)])]
    [0.0, 1.0]
    """
    means = [s / n for n, s, _ in results]
    widths = [
        sqrt(max(q / n - m * m, 1e-9) / n) for (n, _, q), m in zip(results, means, strict=True)
    ]
    return highest_of(np.array(means), np.array(widths))
