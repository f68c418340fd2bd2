"""The last latencies, in a bounded memory."""

import numpy as np


class Latencies:
    """A ring of the last measurements.

    >>> seen = Latencies(size=3)
    >>> for ms in (9.0, 1.0, 2.0, 3.0):
    ...     seen.add(ms)
    >>> seen.quantiles()
    {'p50': 2.0, 'p99': 2.98}
    """

    def __init__(self, size: int = 100_000) -> None:
        self._ring = np.zeros(size)
        self._count = 0

    def add(self, ms: float) -> None:
        """Remember one, and forget the oldest where the ring is full."""
        self._ring[self._count % len(self._ring)] = ms
        self._count += 1

    def quantiles(self) -> dict[str, float]:
        """Return the median and the 99th percentile in ms; empty before the first."""
        seen = self._ring[: min(self._count, len(self._ring))]
        if not len(seen):
            return {}
        p50, p99 = np.quantile(seen, (0.5, 0.99))
        return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}
