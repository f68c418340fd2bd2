"""What does the model `next_best` win on real customers, and what does learning cost?

    python -m benchmarks.bandit hillstrom.csv.gz --orders 20 --plot regret.png

64,000 customers of a shop, of whom a third got an e-mail for men, a third one for women, and a third
none, by chance (MineThatData E-Mail Analytics Challenge, 2008). They come in a drawn order; the model
draws one of the three for each. Where that is what the customer really got, it sees whether they came
to visit; the others are passed over. What is counted so is what the model would have had, had it
decided: L. Li, W. Chu, J. Langford, X. Wang, "Unbiased Offline Evaluation of Contextual-bandit-based
News Article Recommendation Algorithms", WSDM (2011). It learns as the learner does: anew whenever there
is an eighth more.
"""

import argparse
import csv
import gzip
import random
import statistics
import sys
from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.plots import empty
from models.base import Version
from models.runtime import arms, highest
from models.runtime.days import DAY
from models.runtime.draws import Draws

ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
LOOKS_AT = ("recency", "history", "mens", "womens", "newbie")
SHARE = 8  # of what is known, that must be new before it is learnt anew
FIRST = 200  # customers before it is learnt for the first time
NAMES = {name: name.split()[0].lower() for name in ARMS}  # as offers may be called


class Customer(NamedTuple):
    """What they did before, what they got, and what came of it in two weeks."""

    features: tuple[float, ...]
    got: str
    visited: float
    spent: float  # USD


class Played(NamedTuple):
    """One order."""

    visits: list[float]  # of each customer who counts
    regrets: list[float]  # by how much the mean of the arm is below that of the best
    quality: dict[str, float]  # as the last version says it

    @property
    def mean(self) -> float:
        """How many of them came."""
        return statistics.fmean(self.visits)


def customers(path: Path) -> list[Customer]:
    """Read the file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [
            Customer(
                (*(float(row[name]) for name in LOOKS_AT), float(row["channel"] == "Web")),
                NAMES[row["segment"]],
                float(row["visit"]),
                float(row["spend"]),
            )
            for row in csv.DictReader(lines)
        ]


def means(people: Sequence[Customer], what: str = "visited") -> dict[str, float]:
    """Return what came of each arm on average."""
    return {
        arm: statistics.fmean(getattr(one, what) for one in people if one.got == arm)
        for arm in NAMES.values()
    }


def play(people: Sequence[Customer], seed: int) -> Played:
    """Let them come in a drawn order."""
    draw, truth = random.Random(seed), means(people)
    order, best = draw.sample(people, len(people)), max(truth.values())
    offers = tuple(truth)
    draws, version, fresh = Draws(DAY, 0.0, 0.0), None, FIRST
    played = Played([], [], {})
    for nth, one in enumerate(order):
        shares = arms.shares(version, offers, one.features)
        chosen = highest.drawn(shares, draw.random())
        if offers[chosen] != one.got:
            continue
        _learn(draws, f"{nth:032x}", one, offers, shares[chosen])
        played.visits.append(one.visited)
        played.regrets.append(best - truth[one.got])
        if len(played.visits) >= fresh:
            fresh += max(FIRST, len(played.visits) // SHARE)
            version = _version(draws, played)
    return played


def _learn(
    draws: Draws, name: str, one: Customer, offers: Sequence[str], probability: float
) -> None:
    said: dict[str, Any] = {
        "id": name,
        "offer": one.got,
        "probability": probability,
        "among": offers,
        "at": 0,
        "features": one.features,
        "made_for": 0.0,
    }
    draws.sent(said, name, name, 0)
    for waiting in draws.over(DAY + 1):
        draws.learn(waiting, bool(one.visited))


def _version(draws: Draws, played: Played) -> Version | None:
    found = draws.fit()
    if found is not None:
        played.quality.update(draws.quality())
    return found


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return a mean, and half of the width of its interval of 95 %."""
    return statistics.fmean(values), 1.96 * statistics.stdev(values) / sqrt(len(values))


def plot(played: Sequence[Played], by_chance: float, path: Path) -> None:
    """Draw how regret adds up, of each order and on average."""
    figure = empty()
    axes = figure.subplots()
    shortest = min(len(one.regrets) for one in played)
    lines = [list(accumulate(one.regrets[:shortest])) for one in played]
    for line in lines:
        axes.plot(line, color="#9db8d2", linewidth=0.6)
    axes.plot(
        [statistics.fmean(at) for at in zip(*lines, strict=True)],
        color="#1f4e79",
        linewidth=2,
        label=f"next_best, mean of {len(lines)} orders",
    )
    axes.plot(
        [by_chance * n for n in range(shortest)], color="#c0392b", linestyle=":", label="by chance"
    )
    axes.set_xlabel("customers who counted")
    axes.set_ylabel("visits fewer than if all had got the best of the three")
    axes.set_ylim(0, 1.3 * by_chance * shortest / 2)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png")


def main(arguments: list[str]) -> int:
    """Play so many orders, and print what came of them."""
    parser = argparse.ArgumentParser(prog="benchmarks.bandit", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--plot", type=Path)
    said = parser.parse_args(arguments)
    people = customers(said.file)
    truth, spent = means(people), means(people, "spent")
    for arm, share in truth.items():
        print(f"{arm:<8} {share:.5f} visit, {spent[arm]:.4f} USD each")
    by_chance = statistics.fmean(truth.values())
    played = [play(people, seed) for seed in range(said.orders)]
    mean, half = spread([one.mean for one in played])
    print(f"next_best {mean:.5f} visit, +- {half:.5f} (95 %) over {len(played)} orders")
    print(f"          {min(o.mean for o in played):.5f} to {max(o.mean for o in played):.5f}")
    for name, other in {"by chance": by_chance, **truth}.items():
        gain, half = spread([one.mean - other for one in played])
        print(f"  above {name:<10} {gain:+.5f} +- {half:.5f}")
    if said.plot is not None:
        best = max(truth.values())
        plot(played, best - by_chance, said.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
