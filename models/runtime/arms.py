"""How likely each of several offers is to be taken by somebody, and how sure that is.

A logistic regression for each offer, whose weights are expected to be near those that fit all offers
together: what is new, or was given to few, is thought of much like the others. How sure a weight is
follows from the examples there are, each by itself, as in O. Chapelle, L. Li, "An Empirical Evaluation
of Thompson Sampling", NIPS (2011).

Who gets which is drawn by how likely each is the best for them, and a part of all by chance alone, so
that none is ever given up.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.base import Version, opened
from models.runtime import logistic
from models.runtime.highest import highest_of
from models.runtime.logistic import Column

EXPLORE = 0.05  # of all draws, which are by chance alone
MOST = 100  # offers
ALL = "all"  # what fits every offer, in a version
OFFER, GIVEN = "offer.", ".given"  # before the name of an offer there, and behind it
# Variances of how far an offer is expected to be from all together: of the odds' logarithm for who is
# like everybody's mean, and of all that conditions add to it for who is as far from that as is usual.
OWN, TASTE = 0.25, 0.5
LARGEST = (
    4.0  # standard deviations; who is further from everybody's mean counts as if they were not
)


class Tried(NamedTuple):
    """An offer that somebody was given, and what came of it."""

    whom: str
    offer: str
    row: list[float]  # see `logistic.row`
    reward: float  # from 0 to 1


class Arms(NamedTuple):
    """What a version says, as it is reckoned with."""

    mean: Column  # of rows
    scale: Column
    place: Mapping[str, int]  # of an offer; of one that is not known, the last
    weights: Column  # a row for each offer, the last one that of all together
    spreads: Column  # the variance of each


def fitted(tried: Sequence[Tried]) -> dict[str, float]:
    """Fit weights to what came of offers, in any order; something came of some, and of some not."""
    table = np.array([one.row for one in tried], dtype=float)
    came = np.array([one.reward for one in tried], dtype=float)
    mean, scale = table.mean(axis=0), table.std(axis=0)
    alike = _alike(table, mean, scale)
    together = logistic.fitted_to(alike, came)
    sure = _expected(alike)
    version = {f"mean.{n}": v for n, v in enumerate(mean.tolist())}
    version |= {f"scale.{n}": v for n, v in enumerate(scale.tolist())}
    version |= _numbers(ALL, together, 1 / sure)
    names = np.array([one.offer for one in tried])
    for name in _most_given(tried):
        own = alike[names == name]
        weights = logistic.fitted_to(own, came[names == name], together, sure)
        likely = logistic.likelihood(own, weights)
        surer = sure + (likely * (1 - likely)) @ own**2
        version |= _numbers(f"{OFFER}{name}", weights, 1 / surer)
        version[f"{OFFER}{name}{GIVEN}"] = float(len(own))
    return version


def _expected(alike: Column) -> Column:
    """Return how sure it is, of each weight, that an offer is like all together."""
    says = int(alike.any(axis=0).sum()) - 1  # columns that are not alike for all
    return np.array([1 / OWN, *([max(says, 1) / TASTE] * (alike.shape[1] - 1))])


def _alike(rows: Column, mean: Column, scale: Column) -> Column:
    return np.clip(logistic.alike(rows, mean, scale), -LARGEST, LARGEST)


def _most_given(tried: Sequence[Tried]) -> list[str]:
    times = Counter(one.offer for one in tried)
    return sorted(sorted(times, key=lambda name: (-times[name], name))[:MOST])


def _numbers(head: str, weights: Column, spreads: Column) -> dict[str, float]:
    found = {f"{head}.weight.{n}": v for n, v in enumerate(weights.tolist())}
    return found | {f"{head}.spread.{n}": v for n, v in enumerate(spreads.tolist())}


def given(version: Version) -> dict[str, int]:
    """Return how often each offer was given, of those that a version speaks of."""
    return {
        name[len(OFFER) : -len(GIVEN)]: int(times)
        for name, times in version.items()
        if name.startswith(OFFER) and name.endswith(GIVEN)
    }


def arms(version: Version) -> Arms:
    """Read a version."""
    return opened(version, _arms)


def _arms(version: Version) -> Arms:
    names = list(given(version))
    heads = [*(f"{OFFER}{name}" for name in names), ALL]
    return Arms(
        np.array(list(_row(version, "mean"))),
        np.array(list(_row(version, "scale"))),
        {name: nth for nth, name in enumerate(names)},
        np.array([list(_row(version, f"{head}.weight")) for head in heads]),
        np.array([list(_row(version, f"{head}.spread")) for head in heads]),
    )


def _row(version: Version, head: str) -> Iterator[float]:
    nth = 0
    while (value := version.get(f"{head}.{nth}")) is not None:
        yield value
        nth += 1


def point(known: Arms, features: Sequence[Any]) -> Column:
    """Return somebody's features as weights go with them."""
    row = np.array([logistic.row(features)])
    found: Column = _alike(row, known.mean, known.scale)[0]
    return found


def odds(version: Version, offers: Sequence[str], features: Sequence[Any]) -> tuple[Column, Column]:
    """Return the odds' logarithm of each offer to be taken by somebody, and its standard deviation."""
    known = arms(version)
    at = point(known, features)
    rows = [known.place.get(offer, -1) for offer in offers]
    return known.weights[rows] @ at, np.sqrt(known.spreads[rows] @ at**2)


def shares(version: Version | None, offers: Sequence[str], features: Sequence[Any]) -> list[float]:
    """Return with what probability somebody is to be given each of several offers.

    Args:
        version: None where nothing is known yet: then by chance alone.
        offers: those that they may have, at least one.
        features: what is looked at in them.
    """
    by_chance = 1 / len(offers)
    if version is None or len(offers) == 1:
        return [by_chance] * len(offers)
    best = highest_of(*odds(version, offers, features))
    return [(1 - EXPLORE) * p + EXPLORE * by_chance for p in best]


def likelihood(version: Version, offers: Sequence[str], features: Sequence[Any]) -> list[float]:
    """Return the reward that is to be expected of each."""
    mean, _ = odds(version, offers, features)
    return [logistic.probability_of(one) for one in mean.tolist()]
