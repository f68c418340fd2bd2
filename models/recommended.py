"""Recommended items: what goes with what somebody bought and looked at, and what they do not have yet.

Two items go together where the same people had to do with both. What somebody bought counts five times
as much as what they looked at of late. Behind these come the bestsellers, which is all for whom nothing
is known of. What they bought before is left out, and where there is a catalogue, what it does not have
or says is out of stock. Nothing is recommended before 20 people bought something.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from heapq import nlargest
from itertools import chain, islice
from math import fsum
from typing import Any
from zlib import crc32

import msgspec

from events.record import Beside
from models.base import QUALITY, Feature, Score, See, Seen, Version
from models.runtime.names import Catalogue, Names
from models.runtime.neighbours import FEWEST_PEOPLE, neighbours, popular
from models.runtime.spans import ahead, held_out

FORM = 1
ALONE = True
FEWEST = 20  # people who bought
BOUGHT, VIEWED = 5, 1  # how much an item counts
LATEST = 30  # items of a person that are gone by, of each kind
EACH = 100  # that are learnt from, of each kind
SAID = 500  # items that a score names
BESTSELLERS = 500
JUDGED, TOP = 5_000, 10  # people who are foretold, about; and items that they are recommended there
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*(\[\])?)+")


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`recommended: {bought: order_completed.products[].product_id, viewed: ..., within: 30d}`."""

    bought: str = "order_completed.products[].product_id"
    viewed: str = "product_viewed.product_id"
    within: str = "30d"


def daily(_options: Options) -> bool:
    """It follows what people do, and nothing else."""
    return False


def features(options: Options) -> tuple[Feature, ...]:
    """Look at the items that somebody bought, and those that they looked at of late.

    Raises:
        ValueError: an option is none.
    """
    ahead(options.within)
    for option in ("bought", "viewed"):
        found = getattr(options, option)
        if not _PATH.fullmatch(found):
            raise ValueError(
                f"{option}: an event and its property were expected, such as "
                f"product_viewed.product_id or order_completed.products[].id, found {found!r}"
            )
    return Catalogue(), Names(options.bought), Names(options.viewed, options.within)


def _latest(names: Mapping[str, int], most: int) -> Sequence[str]:
    return nlargest(most, names, key=lambda name: (names[name], name))


def _ranked(_version: Version, features: tuple[Any, ...], _day: int) -> list[str] | None:
    """Return items, the best first, of those that there are."""
    catalogue, bought, viewed = features
    return _best(catalogue.beside, catalogue.there, bought, viewed, SAID) or None


def _best(
    beside: Callable[[str], Beside],
    there: Callable[[str], bool],
    bought: Mapping[str, int],
    viewed: Mapping[str, int],
    most: int,
) -> list[str]:
    much: dict[str, int] = {}
    for weight, names in ((VIEWED, viewed), (BOUGHT, bought)):
        for name in _latest(names, LATEST):
            for other, together in beside(name):
                if other not in bought:
                    much[other] = much.get(other, 0) + weight * together
    found = sorted(much, key=lambda name: (-much[name], name))
    rest = (name for name, _ in beside("") if name not in much and name not in bought)
    return list(islice(filter(there, chain(found, rest)), most))


def why(_version: Version, features: tuple[Any, ...], _day: int, _options: Options) -> list[str]:
    """Say what speaks most for the first items."""
    catalogue, bought, viewed = features
    rows = []
    for name in _best(catalogue.beside, catalogue.there, bought, viewed, 3):
        reasons = [
            (weight * dict(catalogue.beside(one)).get(name, 0), word, one)
            for weight, word, names in ((BOUGHT, "bought", bought), (VIEWED, "looked at", viewed))
            for one in _latest(names, LATEST)
        ]
        much, word, one = max(reasons, default=(0, "", ""))
        rows.append(f"{name}: they {word} {one}" if much else f"{name}: many bought it")
    return rows


SCORES = {"recommended": Score(_ranked, "ids of items, the best first, at most 500")}


def _baskets(people: Sequence[Seen | None]) -> list[dict[str, int]]:
    """Return how much each person had to do with which item."""
    found = []
    for one in people:
        if one is not None:
            _, bought, viewed = one.features
            basket = dict.fromkeys(_latest(viewed, EACH), VIEWED)
            found.append(basket | dict.fromkeys(_latest(bought, EACH), BOUGHT))
    return found


def _buyers(people: Sequence[Seen | None]) -> list[Mapping[str, int]]:
    return [one.features[1] for one in people if one is not None and one.features[1]]


def _related(people: Sequence[Seen | None]) -> dict[str, Beside]:
    bought = _buyers(people)
    if len(bought) < FEWEST:
        return {}
    return {**neighbours(_baskets(people)), "": popular(bought, BESTSELLERS, FEWEST_PEOPLE)}


def related(see: See, now: int, _options: Options) -> dict[str, Beside]:
    """Return what goes with each item, and the bestsellers under ""."""
    return _related(see(now))


def fit(see: See, now: int, _options: Options) -> Version | None:
    """Count who bought, and see how many of what came later would have been recommended."""
    people = see(now)
    bought = _buyers(people)
    if len(bought) < FEWEST:
        return None
    items = len({name for names in bought for name in names})
    return {
        "people": float(len(bought)),
        "items": float(items),
        **_quality(see, people, bought, now),
    }


def _quality(
    see: See, people: Sequence[Seen | None], orders: Sequence[Mapping[str, int]], now: int
) -> dict[str, float]:
    """Hold the last third of the time out, and look for what people bought then for the first time.

    Returns:
        Of those items the part that is among ten that would have been recommended, the mean over
        people, and the same of ten bestsellers; nothing, where there was too little then. Who bought
        an item before and again since counts as if they had bought it since.
    """
    then = see(held_out(min(min(names.values()) for names in orders), now))
    known = _related(then)
    recalls: list[tuple[float, float]] = []
    for before, after in zip(then, people, strict=True):
        if before is None or after is None or not known:
            continue
        _, bought, viewed = before.features
        fresh = after.features[1].keys() - bought.keys()
        if fresh and (bought or viewed) and _drawn(after, len(people)):
            own = _best(lambda name: known.get(name, ()), bool, bought, viewed, TOP)
            best = [name for name, _ in known[""] if name not in bought][:TOP]
            recalls.append(
                (
                    len(fresh.intersection(own)) / len(fresh),
                    len(fresh.intersection(best)) / len(fresh),
                )
            )
    if not recalls:
        return {}
    count = len(recalls)
    own_recall, best_recall = (fsum(each) / count for each in zip(*recalls, strict=True))
    found = {"recall": own_recall, "recall_of_bestsellers": best_recall, "judged": float(count)}
    return {QUALITY + name: round(value, 6) for name, value in found.items()}


def _drawn(one: Seen, people: int) -> bool:
    """Take some of many people, the same ones in any order of them."""
    name = " ".join(sorted(one.features[1])).encode()
    return crc32(name) / 2**32 < JUDGED / max(JUDGED, people)
