"""What the collector counts, and how it is written for Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable

_NAME = "kairos_collector"
_STATUS = "status_"
# Seconds from a request to its answer.
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Took:
    """How long answers took that had to wait for the log.

    >>> took = Took()
    >>> for seconds in (0.004, 0.004, 9.0):
    ...     took.add(seconds)
    >>> took.cumulated()[2], took.cumulated()[-1], took.sum
    (('0.005', 2), ('+Inf', 3), 9.008)
    """

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def cumulated(self) -> list[tuple[str, int]]:
        """Return how many took at most so long, by the bound as text."""
        bounds = [f"{bound:g}" for bound in BUCKETS] + ["+Inf"]
        total, found = 0, []
        for bound, count in zip(bounds, self._counts, strict=True):
            total += count
            found.append((bound, total))
        return found


class Figures:
    """What happened since the start, and how things are.

    `counters` has `accepted`, `rejected` and `unkept` events, and requests by status (`status_200`, …);
    `gauges` says, by name, how to measure what is known now, such as `lag_seconds`.
    """

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.gauges: dict[str, Callable[[], float]] = {}
        self.took = Took()


_GAUGES = {
    "lag_seconds": "age of the oldest entry that the engine has not read",
    "let_in_events_per_second": "what is let in while the engine is behind; +Inf: all",
    "waiting_bytes": "JSON of events that wait for the log",
    "ready": "1 while events are taken",
}


def exposition(figures: Figures) -> bytes:
    """Write the figures in the text format of Prometheus.

    >>> figures = Figures()
    >>> figures.counters["status_200"] = 3
    >>> b'kairos_collector_requests_total{status="200"} 3.0' in exposition(figures)
    True
    """
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - 40 ms
    from prometheus_client.core import (  # noqa: PLC0415
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector  # noqa: PLC0415

    events = CounterMetricFamily(f"{_NAME}_events", "events by outcome", labels=["outcome"])
    for outcome in ("accepted", "rejected", "unkept"):
        events.add_metric([outcome], figures.counters[outcome])
    requests = CounterMetricFamily(f"{_NAME}_requests", "requests by status", labels=["status"])
    for name, count in sorted(figures.counters.items()):
        if name.startswith(_STATUS):
            requests.add_metric([name.removeprefix(_STATUS)], count)
    took = HistogramMetricFamily(
        f"{_NAME}_ack_seconds",
        "from a parsed request to its 200, which the log's fsync is part of",
        buckets=figures.took.cumulated(),
        sum_value=figures.took.sum,
    )
    gauges = [
        GaugeMetricFamily(f"{_NAME}_{name}", told, value=figures.gauges[name]())
        for name, told in _GAUGES.items()
        if name in figures.gauges
    ]

    class Given(Collector):
        def collect(self) -> Iterable[Metric]:
            return [events, requests, took, *gauges]

    registry = CollectorRegistry()
    registry.register(Given())
    return generate_latest(registry)
