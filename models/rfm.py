"""RFM: how recently, how often and for how much somebody bought, each from 1 to 5 beside the others.

A fifth of the customers has a 5, the fifth that bought last, most often, or for most; where many are
alike they have the same mark, and fifths are larger or smaller. Where a fifth begins is the exact
quantile over everybody's orders. Who never bought has no marks, and nobody has before there are 20
customers.
"""

from datetime import UTC, datetime
from functools import partial

import msgspec
import numpy as np

from events.names import slug
from models.base import Score, See, Version
from models.runtime.orders import Bought, Orders

FEWEST = 20  # customers
MARKS = 5
STAGES = (  # by recency from 1, then by frequency from 1
    ("lost", "lost", "at_risk", "at_risk", "must_not_lose"),
    ("sleeping", "sleeping", "at_risk", "at_risk", "must_not_lose"),
    ("fading", "fading", "needs_attention", "loyal", "loyal"),
    ("new", "promising", "promising", "loyal", "loyal"),
    ("new", "promising", "promising", "champion", "champion"),
)


FORM = 1


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`rfm: {event: order_completed, value: total}`."""

    event: str = "order_completed"
    value: str = "total"  # the property that says for how much


def daily(_options: Options) -> bool:
    """It does not: who buys nothing keeps their place in the order of last buys."""
    return False


def features(options: Options) -> tuple[Orders, ...]:
    """Look at everything that somebody bought."""
    return (Orders(slug(options.event), slug(options.value)),)


def _measures(bought: Bought) -> dict[str, float]:
    return {"recency": bought.latest, "frequency": bought.orders, "monetary": bought.spent}


def _mark(name: str, version: Version, features: tuple[Bought], _day: int) -> int:
    measure = _measures(features[0])[name]
    return 1 + sum(measure > version[_edge(name, nth)] for nth in range(1, MARKS))


def _edge(name: str, nth: int) -> str:
    return f"{name}.{nth}"


def _marks(version: Version, features: tuple[Bought], day: int) -> list[int]:
    return [_mark(name, version, features, day) for name in ("recency", "frequency", "monetary")]


def _cell(version: Version, features: tuple[Bought], day: int) -> str:
    return "".join(map(str, _marks(version, features, day)))


def _stage(version: Version, features: tuple[Bought], day: int) -> str:
    recency, frequency, _ = _marks(version, features, day)
    return STAGES[recency - 1][frequency - 1]


SCORES = {
    "rfm.recency": Score(partial(_mark, "recency"), "5 for those who bought last"),
    "rfm.frequency": Score(partial(_mark, "frequency"), "5 for those who bought most often"),
    "rfm.monetary": Score(partial(_mark, "monetary"), "5 for those who spent most"),
    "rfm.cell": Score(_cell, "the three marks together, such as `545`"),
    "rfm.stage": Score(_stage, "where in a customer's life they are, by recency and frequency"),
}


def why(_version: Version, features: tuple[Bought], _day: int, _options: Options) -> list[str]:
    """Say what they bought."""
    bought = features[0]
    latest = datetime.fromtimestamp(bought.latest / 1000, UTC)
    return [f"{bought.orders} orders for {bought.spent:.2f}, the last on {latest:%Y-%m-%d}"]


def fit(see: See, now: int, _options: Options) -> Version | None:
    """Find where each fifth begins: the exact quantiles over everybody who ever bought."""
    found = [_measures(one.features[0]) for one in see(now) if one is not None]
    if len(found) < FEWEST:
        return None
    version = {"people": float(len(found))}
    for name in found[0]:
        edges = np.quantile([one[name] for one in found], np.arange(1, MARKS) / MARKS)
        version |= {_edge(name, nth): float(edge) for nth, edge in enumerate(edges, 1)}
    return version
