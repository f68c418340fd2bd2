"""Quantiles of latencies, and of the machine's own hiccups beside them."""

import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

CURVE = (0.0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999)
LOOK = 100  # hiccups between two looks whether it is over


class Quantiles(msgspec.Struct, frozen=True):
    """Of one set of measurements, in ms."""

    count: int
    p50: float
    p99: float
    p999: float
    max: float
    curve: list[float]  # at the shares of CURVE


def quantiles(ms: Sequence[float]) -> Quantiles:
    """Compute them; zeros where nothing was measured.

    >>> found = quantiles([1.0, 2.0, 3.0])
    >>> found.p50, found.max
    (2.0, 3.0)
    """
    if not len(ms):
        return Quantiles(0, 0.0, 0.0, 0.0, 0.0, [0.0] * len(CURVE))
    found = [round(float(q), 3) for q in np.quantile(np.asarray(ms), CURVE)]
    at = dict(zip(CURVE, found, strict=True))
    return Quantiles(len(ms), at[0.5], at[0.99], at[0.999], round(max(ms), 3), found)


def hiccups(done: Callable[[], bool]) -> list[float]:
    """Sleep a millisecond again and again until `done`; return by how many ms each was longer.

    What nothing but a sleeping process suffers is the machine's doing: no program that runs
    beside it can do better.
    """
    overshoot: list[float] = []
    while not (len(overshoot) % LOOK == 0 and done()):
        before = time.perf_counter()
        time.sleep(0.001)
        overshoot.append((time.perf_counter() - before) * 1000 - 1)
    return overshoot
