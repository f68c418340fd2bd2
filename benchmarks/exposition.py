"""A report as Prometheus reads it: for a text-file collector, or a push gateway."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from benchmarks.report import Report

LABELS = ("stat", "version", "cpu")


def prometheus(done: Report) -> str:
    """Write the figures: medians, with minimum and maximum under another label.

    >>> from benchmarks.machine import Machine
    >>> from benchmarks.report import report
    >>> machine = Machine("EPYC", 2, 1.0, "", "", "")
    >>> text = prometheus(report("idle", [{"rss_mb": 1.5}], machine, "0.1", ""))
    >>> text.splitlines()[2]
    'kairos_bench_idle_rss_mb{cpu="EPYC",stat="median",version="0.1"} 1.5'
    """
    registry = CollectorRegistry()
    for figure, median in done.figures.items():
        name = f"kairos_bench_{done.what}_{figure}"
        gauge = Gauge(name, f"{figure} of kairos bench {done.what}", LABELS, registry=registry)
        spread = done.spread[figure]
        for stat, value in (("median", median), ("min", spread.min), ("max", spread.max)):
            gauge.labels(stat, done.version, done.machine.cpu).set(value)
    return generate_latest(registry).decode()
