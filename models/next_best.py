"""The next best offer: which one somebody is likeliest to take, learnt while offers are given.

A contextual bandit over offers.yaml. Where a trigger asks for `offer: next_best`, one of those that the
person may have is drawn: by how likely each is the best for them, given what came of offers until now
(Thompson sampling), and one of twenty by chance alone. What came of it: 1 for the event that is wanted,
within some time, and something for a click. Until 100 of them are over, with ten of which something
came and ten of which nothing did, each is as likely as the others.
"""

from typing import Any

import msgspec

from models.base import DRAW, QUALITY, Feature, Score, Version
from models.runtime import arms, asked
from models.runtime.draws import AS_DRAWN, BY_CHANCE, EACH
from models.runtime.names import Offers

FORM = 1
AT = DRAW
ALONE = True
MOST = 20  # conditions
LOOKS_AT = (
    "since(order_completed) / 1d",
    "count(order_completed)",
    "avg(order_completed.total)",
    "count(product_viewed, last 7d)",
    "count(product_viewed, last 30d)",
    "count(email_clicked, last 30d)",
)
_WAYS = {AS_DRAWN: "as it was drawn", BY_CHANCE: "had it been by chance alone"}


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`next_best: {event: order_completed, within: 7d, click: 0.1, looks_at: [...]}`."""

    event: str = "order_completed"
    within: str = "7d"
    click: float = 0.1
    looks_at: tuple[str, ...] = LOOKS_AT


def daily(options: Options) -> bool:
    """Say whether it changes other than as events leave windows, at those very instants."""
    return asked.daily(options.looks_at)


def features(options: Options) -> tuple[Feature, ...]:
    """Look at conditions, and at which offers there are; of everybody something is known.

    Raises:
        ValueError: they are too many, or a click is worth nothing that there is.
    """
    if not 0 <= options.click <= 1:
        raise ValueError(f"click: a number from 0 to 1 was expected, found {options.click}")
    return asked.features(Offers(), options.looks_at, MOST)


def label(options: Options) -> tuple[str, int]:
    """Return what must be true when the time is up, and after how many ms that is."""
    return asked.comes(options.event, options.within)


def click(options: Options) -> float:
    """Return what a click is worth beside the event that is wanted, which is worth 1."""
    return options.click


def _likeliest(version: Version, features: tuple[Any, ...], _day: int) -> str | None:
    offers: list[str] = [name for name in features[0] if name in arms.arms(version).place]
    if not offers:
        return None
    expected = arms.likelihood(version, offers, asked.weighed(features))
    return offers[expected.index(max(expected))]


def shown(version: Version, _options: Options) -> list[str]:
    """Say what came of offers, and what would have, had everybody got one who may have it."""
    rows = [f"{offer} was given {times:,} times" for offer, times in arms.given(version).items()]
    for way in (AS_DRAWN, BY_CHANCE, *(EACH + offer for offer in arms.given(version))):
        mean, low, high = (version.get(QUALITY + way + end) for end in ("", ".low", ".high"))
        if mean is not None:
            rows.append(f"{mean:.4f} ({low:.4f} to {high:.4f})  {_WAYS.get(way, way)}")
    return rows


def why(version: Version, features: tuple[Any, ...], _day: int, options: Options) -> list[str]:
    """Say what is expected of each offer, and which conditions speak for the likeliest."""
    known, looked = arms.arms(version), asked.weighed(features)
    offers = [name for name in features[0] if name in known.place]
    expected = dict(zip(offers, arms.likelihood(version, offers, looked), strict=True))
    rows = [f"{p:.3f}  {offer}" for offer, p in sorted(expected.items(), key=lambda row: -row[1])]
    if not rows:
        return []
    best = max(expected, key=expected.__getitem__)
    own = known.weights[known.place[best]] - known.weights[-1]
    moved = (own * arms.point(known, looked))[1:].reshape(2, -1).sum(axis=0)
    return [*rows, *(f"{line} for {best}" for line in asked.said(moved, options.looks_at, looked))]


SCORES = {"next_best": Score(_likeliest, "the name of the offer that they are likeliest to take")}
