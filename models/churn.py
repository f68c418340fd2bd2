"""Churn: how likely a customer is lost, who will buy nothing within some time from now.

A logistic regression over what they did. It learns once a day of customers drawn by chance: what they
had done by then, and whether no order came within that time. Nobody has it before 200 such examples are
over, 20 of each kind. It changes by time alone, each day.
"""

from typing import Any

import msgspec

from events.names import slug
from models.base import DAILY, Feature, Score, Version
from models.runtime import asked
from models.runtime.spans import ahead

FORM = 1
AT = DAILY
LOOKS_AT = (
    "since(order_completed) / 1d",
    "count(order_completed)",
    "count(order_completed, last 90d)",
    "count(order_completed, last 365d)",
    "count(product_viewed, last 7d)",
    "count(product_viewed, last 30d)",
    "count(email_opened, last 30d)",
    "count(email_clicked, last 30d)",
)


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`churn: {event: order_completed, within: 90d, looks_at: [...]}`."""

    event: str = "order_completed"
    within: str = "90d"
    looks_at: tuple[str, ...] = LOOKS_AT


def daily(_options: Options) -> bool:
    """It does: time since the last order goes on."""
    return True


def features(options: Options) -> tuple[Feature, ...]:
    """Look at conditions; who never bought is no customer."""
    return asked.features(f"since({slug(options.event)})", options.looks_at)


def label(options: Options) -> tuple[str, int]:
    """Return what must be true when the time is up, and after how many ms that is."""
    within = options.within
    return f"never({slug(options.event)}, last {within})", ahead(within)


def shown(version: Version, options: Options) -> list[str]:
    """Say what conditions weigh."""
    return asked.shown(version, options.looks_at)


def why(version: Version, features: tuple[Any, ...], _day: int, options: Options) -> list[str]:
    """Say which conditions moved it."""
    return asked.why(version, features, options.looks_at)


SCORES = {"churn": Score(asked.likely, "the probability that they are lost within that time")}
