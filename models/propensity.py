"""Propensity: how likely somebody is to buy, within some days from now.

A logistic regression over what they did of late. It learns at events: what they had done then, and
whether an order came within that time. Nobody has it before 200 such examples are over, 20 of each kind.
"""

from typing import Any

import msgspec

from models.base import EVENT, Feature, Score, Version
from models.runtime import asked

FORM = 1
AT = EVENT
LOOKS_AT = (
    "count(product_viewed, last 1d)",
    "count(product_viewed, last 7d)",
    "count(product_viewed, last 30d)",
    "distinct(product_viewed.product_id, last 7d)",
    "count(search_performed, last 7d)",
    "count(cart_updated, last 1d)",
    "count(cart_updated, last 7d)",
    "count(email_clicked, last 30d)",
    "count(order_completed)",
    "count(order_completed, last 7d)",
    "count(order_completed, last 30d)",
    "count(order_completed, last 90d)",
)


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`propensity: {event: order_completed, within: 7d, looks_at: [...]}`."""

    event: str = "order_completed"
    within: str = "7d"
    looks_at: tuple[str, ...] = LOOKS_AT


def daily(options: Options) -> bool:
    """Say whether it changes other than as events leave windows, at those very instants."""
    return asked.daily(options.looks_at)


def features(options: Options) -> tuple[Feature, ...]:
    """Look at conditions; of everybody something is known."""
    return asked.features("1", options.looks_at)


def label(options: Options) -> tuple[str, int]:
    """Return what must be true when the time is up, and after how many ms that is."""
    return asked.comes(options.event, options.within)


def shown(version: Version, options: Options) -> list[str]:
    """Say what conditions weigh."""
    return asked.shown(version, options.looks_at)


def why(version: Version, features: tuple[Any, ...], _day: int, options: Options) -> list[str]:
    """Say which conditions moved it."""
    return asked.why(version, features, options.looks_at)


SCORES = {"propensity": Score(asked.likely, "the probability that they will buy within that time")}
