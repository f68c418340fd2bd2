"""Lifetime value: what somebody will spend from now on.

How often they will buy, by BG/NBD, times what they spend each time, by Gamma-Gamma; not discounted,
and without what they have spent before. Both are fitted to everybody's orders, those of a day being
one. Who never bought has no lifetime value, and nobody has one before there are 100 customers of whom
30 came back. A customer of whom little is known is thought of much like the others.
"""

from math import fsum

import msgspec
import numpy as np

from events.names import slug
from models.base import QUALITY, Score, See, Seen, Version
from models.runtime import beta_geometric, gamma_gamma
from models.runtime.beta_geometric import BetaGeometric
from models.runtime.days import DAY
from models.runtime.fitting import fit_beta_geometric, fit_gamma_gamma
from models.runtime.gamma_gamma import GammaGamma
from models.runtime.orders import Bought, Orders
from models.runtime.spans import ahead

FEWEST, FEWEST_BACK = 100, 30  # customers, and those of them who came back
HELD_OUT = 3  # one part of so many of the time there is, to see how good a fit is
_WEEK = 7.0  # days
FORM = 1


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`ltv: {event: order_completed, value: total, within: 365d}`."""

    event: str = "order_completed"
    value: str = "total"  # the property that says for how much
    within: str = "365d"


def daily(_options: Options) -> bool:
    """It changes each day without an order."""
    return True


def features(options: Options) -> tuple[Orders, ...]:
    """Look at everything that somebody bought.

    Raises:
        ValueError: `within` is none.
    """
    ahead(options.within)
    return (Orders(slug(options.event), slug(options.value)),)


def _frequency(
    version: Version, bought: Bought, day: int
) -> tuple[BetaGeometric, int, float, float]:
    parameters = BetaGeometric(*(version[name] for name in BetaGeometric._fields))
    age = max(day, bought.last) - bought.first  # their day may turn later than the calendar's
    return parameters, bought.days - 1, (bought.last - bought.first) / _WEEK, age / _WEEK


def _orders(version: Version, features: tuple[Bought], day: int) -> float:
    frequency = _frequency(version, features[0], day)
    return beta_geometric.expected(*frequency, version["within"] / _WEEK)


def _each(version: Version, features: tuple[Bought], _day: int) -> float:
    parameters = GammaGamma(*(version[name] for name in GammaGamma._fields))
    again, spent = features[0].days - 1, features[0].again
    return gamma_gamma.expected(parameters, again, max(spent, 0.0) / again if again else 0.0)


def _value(version: Version, features: tuple[Bought], day: int) -> float:
    return _orders(version, features, day) * _each(version, features, day)


def _alive(version: Version, features: tuple[Bought], day: int) -> float:
    return beta_geometric.alive(*_frequency(version, features[0], day))


SCORES = {
    "ltv": Score(_value, "what they will spend within that time"),
    "ltv_orders": Score(_orders, "on how many days they will buy within that time"),
    "ltv_each": Score(_each, "what they will spend on each of these days"),
    "ltv_alive": Score(_alive, "the probability that they will ever buy again"),
}


def why(_version: Version, features: tuple[Bought], day: int, _options: Options) -> list[str]:
    """Say what they bought."""
    bought = features[0]
    ago, age = max(day, bought.last) - bought.last, max(day, bought.last) - bought.first
    if bought.days == 1:
        return [f"bought on one day, {ago} days ago"]
    each = bought.again / (bought.days - 1)
    return [
        f"bought on {bought.days} days in {age}, the last {ago} days ago, "
        f"for {each:.2f} on each but the first"
    ]


def fit(see: See, now: int, options: Options) -> Version | None:
    """Fit both models to everybody who ever bought, and see how well that would have foretold."""
    within = ahead(options.within) / DAY
    people = see(now)
    version = _fitted([one for one in people if one is not None], within)
    return None if version is None else {**version, **_quality(see, people, now, within)}


def _fitted(people: list[Seen], within: float) -> dict[str, float] | None:
    # Sums and optima must not depend on the order of the people.
    rows = np.array(sorted(map(_row, people))).reshape(-1, 4)
    again, last, age, spent = rows.T
    back = again > 0
    paid = back & (spent > 0)
    if len(again) < FEWEST or back.sum() < FEWEST_BACK or paid.sum() < FEWEST_BACK:
        return None
    frequency = fit_beta_geometric(again, last, age)
    money = fit_gamma_gamma(again[paid], spent[paid] / again[paid])
    if frequency is None or money is None:
        return None
    found = {**frequency._asdict(), **money._asdict()}
    return {**found, "within": within, "people": float(len(again))}


def _row(one: Seen) -> tuple[float, float, float, float]:
    """Return how often somebody bought again, when last and for how long (weeks), and what they spent."""
    bought = one.features[0]
    age = max(one.day, bought.last) - bought.first
    return bought.days - 1, (bought.last - bought.first) / _WEEK, age / _WEEK, bought.again


def _quality(see: See, people: list[Seen | None], now: int, within: float) -> dict[str, float]:
    """Hold the last third of the time out, and compare what came with what would have been foretold.

    Returns:
        Days held out, orders foretold and those that came; and by how much it is off on average for
        a customer, beside going by the own rate of each: nothing, where there was too little then.
    """
    first = min(one.features[0].first for one in people if one is not None)
    days = min(within, (now / DAY - first) / HELD_OUT)
    then = see(now - round(days * DAY))
    version = _fitted([one for one in then if one is not None], days)
    if version is None:
        return {}
    foretold, at_own_rate, came = [], [], []
    for before, after in zip(then, people, strict=True):
        if before is not None and after is not None:
            again, _, age, _ = _row(before)
            foretold.append(_orders(version, before.features, before.day))
            at_own_rate.append(again / age * days / _WEEK if age else 0.0)
            came.append(after.features[0].days - before.features[0].days)
    off = np.abs(np.subtract([foretold, at_own_rate], came)).mean(axis=1)
    found = {"days": days, "foretold": fsum(foretold), "came": float(sum(came))}
    found |= {"off": float(off[0]), "off_at_own_rate": float(off[1])}
    return {QUALITY + name: round(value, 6) for name, value in found.items()}
