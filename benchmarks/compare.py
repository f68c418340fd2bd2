"""Is it worse than before? A report beside a saved one."""

from collections.abc import Iterator, Mapping

import msgspec

from benchmarks.base import AskedError
from benchmarks.report import Report

# The figures of each benchmark that are worth comparing, and whether more is better.
FIGURES: Mapping[str, Mapping[str, bool]] = {
    "throughput": {"events_per_s": True, "cpu_us_per_event": False},
    "latency": {"p50_ms": False, "p99_ms": False, "p999_ms": False, "hiccup_p99_ms": False},
    "scale": {"cost_ratio": False, "bytes_per_hot_profile": False, "bytes_per_cold_profile": False},
    "triggers": {"trigger_cost_ratio": False, "cpu_us_per_event_many": False},
    "endurance": {
        "events_per_s": True,
        "rebuilt_events_per_s": True,
        "log_max_mb": False,
        "live_max_mb": False,
    },
    "idle": {"cpu_percent": False, "rss_mb": False},
    "collector": {
        "batch50_events_per_s": True,
        "single_requests_per_s": True,
        "cpu_us_per_event": False,
        "cpu_us_per_request": False,
        "native_batch50_events_per_s": True,
        "native_single_requests_per_s": True,
        "native_cpu_us_per_event": False,
        "native_cpu_us_per_request": False,
    },
    "torture": {"recovery_p99_s": False},
}
# The options that make another question of it.
QUESTION: Mapping[str, tuple[str, ...]] = {
    "throughput": ("events",),
    "latency": ("rate", "seconds"),
    "scale": ("people",),
    "triggers": (),
    "endurance": ("events",),
    "idle": (),
    "collector": ("seconds",),
    "torture": ("kills", "power_cuts"),
}
MACHINES_OWN = frozenset({"hiccup_p99_ms"})  # shown, and never a reason to fail


class Ratio(msgspec.Struct, frozen=True):
    """A figure beside an older one."""

    figure: str
    before: float
    now: float
    worse: float  # how many times as bad; below 1 is better


def comparable(before: Report, what: str, asked: Mapping[str, float]) -> None:
    """Check that a saved report answers the same question.

    Args:
        before: the saved one.
        what: the benchmark.
        asked: what it is asked for, such as a rate.

    Raises:
        AskedError: it does not, with the difference.
    """
    if before.what != what:
        raise AskedError(f"the saved report is of {before.what}, and this is {what}")
    if missing := sorted(FIGURES[what].keys() - before.figures.keys()):
        raise AskedError(f"the saved report lacks {', '.join(missing)}")
    for name, value in asked.items():
        if before.figures.get(name, value) != value:
            raise AskedError(
                f"the saved report is of --{name} {before.figures[name]:g}, and this is --{name} "
                f"{value:g}"
            )


def compared(now: Report, before: Report) -> Iterator[Ratio]:
    """Set each figure beside the older one of the same benchmark."""
    for figure, more_is_better in FIGURES[now.what].items():
        old, new = before.figures[figure], now.figures[figure]
        good, bad = (new, old) if more_is_better else (old, new)
        yield Ratio(figure, old, new, bad / good if good else float(bad > 0) + 1.0)


def too_bad(ratios: list[Ratio], tolerance: float) -> list[Ratio]:
    """Return what got worse by more than `tolerance`, the machine's own hiccups aside."""
    return [r for r in ratios if r.worse > tolerance and r.figure not in MACHINES_OWN]


def beside(ratio: Ratio) -> str:
    """Write one line for people.

    >>> beside(Ratio("p99_ms", 4.0, 5.0, 1.25))
    '  p99_ms                       4.00 ->         5.00   1.25 times as bad'
    """
    return (
        f"  {ratio.figure:<20} {ratio.before:>12,.2f} -> {ratio.now:>12,.2f}   "
        f"{ratio.worse:.2f} times as bad"
    )
