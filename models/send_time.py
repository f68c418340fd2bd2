"""Send time: the hour of the day at which somebody is likeliest to open a message.

By the hours at which they opened the latest ones, and, as far as those are few, by the hours at which
everybody does: so it is known of everybody once there are 100 opens. `best_time` goes by it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Any

import msgspec

from models.base import QUALITY, Score, See, Seen, Version
from models.runtime.hours import Opened, likings, shares
from models.runtime.spans import held_out

FORM = 1
ALONE = True
FEWEST = 100  # opens
HOUR = "hour."  # before an hour, in a version
NEAR = 1  # hours: what is so near to the best hour was foretold


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """`send_time: `, which has none."""


def daily(_options: Options) -> bool:
    """It follows what people do, and nothing else."""
    return False


def features(_options: Options) -> tuple[Opened, ...]:
    """Look at when somebody opened messages."""
    return (Opened(),)


def everybody(version: Version | None) -> dict[str, float]:
    """Return which part of everybody's opens falls into each hour, by its name."""
    if version is None:
        return {}
    return {n.removeprefix(HOUR): v for n, v in version.items() if n.startswith(HOUR)}


def _best(opened: Iterable[tuple[int, int]], hours: Mapping[str, float]) -> int:
    found = likings((hour for _, hour in opened), hours)
    return found.index(max(found))


def _hour(version: Version, features: tuple[Any, ...], _day: int) -> float:
    return float(_best(features[0], everybody(version)))


def why(version: Version, features: tuple[Any, ...], _day: int, _options: Options) -> list[str]:
    """Say at which hours they and everybody open messages most often."""
    own = Counter(hour for _, hour in features[0])
    most = ", ".join(f"{times} at {hour}" for hour, times in own.most_common(3)) or "none"
    hours = sorted(everybody(version).items(), key=lambda row: -row[1])[:3]
    others = ", ".join(f"{share:.0%} at {hour}" for hour, share in hours)
    return [f"opens of theirs: {most}", f"of everybody: {others}"]


SCORES = {"send_time": Score(_hour, "an hour of their day, from 0 to 23")}


def _opens(people: Sequence[Seen | None]) -> list[tuple[tuple[int, int], ...]]:
    return [() if one is None else one.features[0] for one in people]


def fit(see: See, now: int, _options: Options) -> Version | None:
    """Count everybody's hours, and see how well those of before would have foretold the latest."""
    people = _opens(see(now))
    hours = Counter(hour for opened in people for _, hour in opened)
    if hours.total() < FEWEST:
        return None
    found = {HOUR + hour: share for hour, share in shares(hours).items()}
    opens = float(hours.total())
    return {**found, "opens": opens, **_quality(see, people, now)}


def _quality(see: See, people: Sequence[tuple[tuple[int, int], ...]], now: int) -> dict[str, float]:
    """Hold the last third of the time out.

    Returns:
        Which part of the opens then came within an hour of the best one, by each person's and by
        everybody's alone; the mean over people who opened something before and then.
    """
    cut = held_out(min(instant for opened in people for instant, _ in opened), now)
    before = _opens(see(cut))
    hours = shares(Counter(hour for opened in before for _, hour in opened)) if before else {}
    own, others = [], []
    for known, after in zip(before, people, strict=True):
        then = [hour for instant, hour in after if instant > cut]
        if known and then:
            own.append(_foretold(_best(known, hours), then))
            others.append(_foretold(_best((), hours), then))
    if not own:
        return {}
    count = len(own)
    found = {"near": fsum(own) / count, "near_everybodys": fsum(others) / count, "judged": count}
    return {QUALITY + name: round(float(value), 6) for name, value in found.items()}


def _foretold(best: int, hours: Sequence[int]) -> float:
    """Return the part of hours that are near the best one, around midnight too.

    >>> _foretold(23, [0, 22, 9, 12])
    0.5
    """
    return sum(min((hour - best) % 24, (best - hour) % 24) <= NEAR for hour in hours) / len(hours)
