"""Lift: how much more often people came to a goal than those who were held out."""

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import NamedTuple

from models.runtime.counterfactual import Z
from models.runtime.days import DAY
from triggers.goals import HELD_OUT, TREATED

LIFT = "lift "  # how a record names a trigger's figures, before the trigger's name
SIDES = (TREATED, HELD_OUT)
REACHED = ".reached"  # behind a side
AT = "at"  # ms; as of when figures are
SHARE = 8  # of those who entered, who must be new to be worth a record on the same day


class Lift(NamedTuple):
    """A lift and its interval of 95 %: 0.25 is a quarter more often."""

    lift: float
    low: float
    high: float


def lift(treated: tuple[int, int], held_out: tuple[int, int]) -> Lift | None:
    """Compare two shares, each as (reached, of how many); None where one of them is none or nothing.

    The interval is that of the logarithm of the risk ratio: D. Katz, J. Baptista, S. P. Azen and
    M. C. Pike, "Obtaining Confidence Intervals for the Risk Ratio in Cohort Studies", Biometrics 34
    (1978), 469-474.

    >>> lift((150, 1000), (100, 1000))
    Lift(lift=0.5, low=0.183, high=0.902)
    >>> lift((150, 1000), (0, 1000)) is None
    True
    """
    (a, n), (b, m) = treated, held_out
    if not a or not b:
        return None
    ratio = (a / n) / (b / m)
    spread = Z * sqrt((1 - a / n) / a + (1 - b / m) / b)
    low, high = (exp(log(ratio) + sign * spread) - 1 for sign in (-1, 1))
    return Lift(*(round(one, 3) for one in (ratio - 1, low, high)))


def figures(trigger: str, counts: Mapping[str, int]) -> dict[str, float]:
    """Return how many entered a trigger on each side, and how many of them came to its goal."""
    found = {}
    for side in SIDES:
        found[side] = float(counts.get(f"tried:{trigger}:{side}", 0))
        found[side + REACHED] = float(counts.get(f"goal:{trigger}:{side}", 0))
    return found


def worth_saying(now: Mapping[str, float], known: Mapping[str, float]) -> bool:
    """Say whether figures are to be put down: once a day, and sooner where there are an eighth more.

    >>> first = {"treated": 80.0, "held_out": 8.0, "at": 0.0}
    >>> worth_saying(first, {}), worth_saying({**first, "at": 9e9}, first)
    (True, False)
    >>> more = {**first, "treated": 81.0}
    >>> worth_saying(more, first), worth_saying({**more, "at": 9e7}, first)
    (False, True)
    """
    if all(now[name] == known.get(name, 0.0) for name in now if name != AT):
        return False
    if now[AT] // DAY != known.get(AT, -1.0) // DAY:
        return True
    entered, before = (sum(said.get(side, 0.0) for side in SIDES) for said in (now, known))
    return entered - before >= max(1.0, before / SHARE)


def lift_of(said: Mapping[str, float]) -> Lift | None:
    """Return the lift of figures; None where there is nothing to compare."""
    treated, held_out = ((int(said[side + REACHED]), int(said[side])) for side in SIDES)
    return lift(treated, held_out)
