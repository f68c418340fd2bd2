"""A report as a picture: each run, and the median over them.

Throughput, scale, collector, idle and torture have a bar a run. Latency is drawn by percentile, a line a run, beside the
machine's own; next to it stand the percentiles that matter, a point a run.

Needs matplotlib, which the extra `plots` installs.
"""

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.base import AskedError
from benchmarks.quantiles import CURVE
from benchmarks.report import Report, runs_of, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = {
    "throughput": (("events_per_s", "events a second"), ("cpu_us_per_event", "engine CPU, µs an event")),
    "scale": (("cost_ratio", "cost of an event, many people to few"), ("bytes_per_hot_profile", "bytes a hot profile")),
    "collector": (
        ("batch50_events_per_s", "events a second in batches of 50, uvicorn"),
        ("native_batch50_events_per_s", "events a second in batches of 50, native"),
    ),
    "idle": (("cpu_percent", "CPU, % of one core"), ("rss_mb", "memory, MB")),
    "torture": (("recovery_p99_s", "serves again, p99, s"), ("recovery_max_s", "at the latest, s")),
}  # fmt: skip
POINTS = (
    ("p50_ms", "p50", "o", "#1f4e79"),
    ("p99_ms", "p99", "s", "#c0392b"),
    ("max_ms", "maximum", "^", "#b7791f"),
)
INK, PALE, MACHINE, MIDDLE = "#1f4e79", "#9db8d2", "#b0b0b0", "#c0392b"


def empty() -> "Figure":
    """Return a figure to draw into.

    Raises:
        AskedError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise AskedError(
            f"--plot: matplotlib was expected, found: {error}; pip install 'kairos-cdp[plots]'"
        ) from error
    figure = Figure(figsize=(10, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot(done: Report, path: Path) -> None:
    """Draw into a PNG, whatever the file's name ends in.

    Raises:
        AskedError: matplotlib is not installed.
    """
    figure = empty()
    figure.suptitle(f"kairos bench {done.what}, {runs_of(done)}")
    figure.supxlabel(f"{done.machine}; Kairos {done.version}, {done.at}", fontsize=7)
    if done.what == "latency":
        by_percentile, by_run = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
        _curves(by_percentile, done)
        _points(by_run, done)
    else:
        wanted = BARS[done.what]
        for axes, (name, label) in zip(figure.subplots(1, len(wanted)), wanted, strict=True):
            _bars(axes, done, name, label)
    figure.savefig(path, format="png")


def _bars(axes: "Axes", done: Report, name: str, label: str) -> None:
    values = [run[name] for run in done.runs]
    bars = axes.bar(range(1, len(values) + 1), values, width=0.8, color=PALE)
    axes.bar_label(bars, [shown(value) for value in values], label_type="center", fontsize=8)
    median = done.figures[name]
    axes.axhline(median, color=MIDDLE, linestyle="--", label=f"median {shown(median)}")
    axes.set_ylabel(label)
    axes.set_ylim(0, max(values) * 1.1 or 1)
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("run")
    _finish(axes, done)


def _curves(axes: "Axes", done: Report) -> None:
    nines = [1 / (1 - share) for share in CURVE]
    for run in done.runs:
        told = [n for n in nines if n <= run["measured"]]  # beyond, it would be the worst again
        axes.plot(told, run["curve_ms"][: len(told)], color=PALE, linewidth=1)
        axes.plot(nines, run["hiccup_curve_ms"], color=MACHINE, linewidth=1)
    told = [n for n in nines if n <= min(run["measured"] for run in done.runs)]
    axes.plot(told, _middle(done, "curve_ms")[: len(told)], color=INK, marker="o", markersize=3)
    axes.plot([], [], color=INK, label="scheduled send to the worker's hands, median")
    axes.plot([], [], color=PALE, label="the same, each run")
    axes.plot([], [], color=MACHINE, label="the machine, each run: overshoot of a sleep of 1 ms")
    axes.set_xscale("log")
    ticks = [0.5, 0.9, 0.99, 0.999, 0.9999]
    axes.set_xticks([1 / (1 - share) for share in ticks], [f"{share * 100:g} %" for share in ticks])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.set_xlabel(f"share of activations, at {done.figures['rate']:,.0f} events a second")
    axes.set_ylabel("milliseconds")
    axes.grid(visible=True, alpha=0.3)
    _legend(axes)


def _middle(done: Report, name: str) -> list[float]:
    return [statistics.median(at) for at in zip(*(run[name] for run in done.runs), strict=True)]


def _points(axes: "Axes", done: Report) -> None:
    for name, label, marker, color in POINTS:
        values = [run[name] for run in done.runs]
        median = done.figures[name]
        told = f"{label}, median {shown(median)} ms"
        axes.plot(range(1, len(values) + 1), values, marker, color=color, markersize=6, label=told)
        axes.axhline(median, color=color, linestyle="--", linewidth=1)
    axes.grid(visible=True, alpha=0.3)
    axes.set_xlabel("run (scheduled send to the worker's hands)")
    _finish(axes, done)


def _finish(axes: "Axes", done: Report) -> None:
    axes.set_xticks(range(1, len(done.runs) + 1))
    axes.set_xlim(0.4, len(done.runs) + 0.6)
    _legend(axes)


def _legend(axes: "Axes") -> None:
    """Put it above the axes, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8)
