"""How good foretelling was: each example was foretold before its label was known."""

from collections.abc import Sequence
from math import log

import numpy as np

_LEAST = 1e-6  # probability that is held against somebody who was sure
BINS = 10  # of a calibration, each with as many examples


def log_loss(likely: Sequence[float], labels: Sequence[float]) -> float:
    """Return the mean logarithm of how unlikely the labels were said to be.

    Args:
        likely: how likely it was said to be.
        labels: whether it was, or how much of it: from 0 to 1.

    >>> round(log_loss([0.5, 0.5], [True, False]), 3)
    0.693
    """
    lost = sum(
        label * log(max(_LEAST, p)) + (1 - label) * log(max(_LEAST, 1 - p))
        for p, label in zip(likely, labels, strict=True)
    )
    return -lost / len(likely)


def auc(likely: Sequence[float], labels: Sequence[bool]) -> float:
    """Return how often somebody with the label is before somebody without, ties counting half.

    The area under the receiver operating characteristic, by ranks: J. A. Hanley, B. J. McNeil,
    Radiology 143 (1982), 29-36.

    >>> auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
    0.875
    """
    values, wanted = np.asarray(likely), np.asarray(labels, dtype=bool)
    order = np.sort(values)
    ranks = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right")) / 2
    with_it, without = int(wanted.sum()), int((~wanted).sum())
    area = ranks[wanted].sum() - with_it**2 / 2
    return float(area / (with_it * without))


def calibration(likely: Sequence[float], labels: Sequence[bool]) -> list[tuple[float, float, int]]:
    """Return of each tenth, from the least likely on: how likely it was said, how often it was, and of how many.

    >>> calibration([0.1] * 10 + [0.9] * 10, [False] * 10 + [True] * 10)[0]
    (0.1, 0.0, 2)
    """
    order = np.argsort(np.asarray(likely), kind="stable")
    found = []
    for part in np.array_split(order, BINS):
        if len(part):
            said = float(np.mean([likely[n] for n in part]))
            found.append((round(said, 6), float(np.mean([labels[n] for n in part])), len(part)))
    return found


def calibration_error(likely: Sequence[float], labels: Sequence[bool]) -> float:
    """Return by how much a tenth is off on average."""
    rows = calibration(likely, labels)
    return sum(abs(said - came) * n for said, came, n in rows) / len(likely)
