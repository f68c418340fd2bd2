"""A report as a picture: bars with their spread, or latency by percentile beside the machine's own.

Needs matplotlib, which the extra `plots` installs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bed import BenchError
from benchmarks.quantiles import CURVE
from benchmarks.report import Report, runs_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = {
    "throughput": (("events_per_s", "events a second"), ("cpu_us_per_event", "engine CPU, µs an event")),
    "idle": (("cpu_percent", "CPU, % of one core"), ("rss_mb", "memory, MB")),
}  # fmt: skip
INK, MACHINE = "#1f4e79", "#b0b0b0"


def plot(done: Report, path: Path) -> None:
    """Draw into a PNG.

    Raises:
        BenchError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise BenchError(
            f"--plot needs matplotlib ({error}): pip install 'kairos-cdp[plots]'"
        ) from error
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"kairos bench {done.what}, {runs_of(done)}")
    figure.supxlabel(f"{done.machine}; Kairos {done.version}", fontsize=7)
    if done.what == "latency":
        _curve(figure, done)
    else:
        _bars(figure, done)
    figure.savefig(path)


def _bars(figure: "Figure", done: Report) -> None:
    wanted = BARS[done.what]
    for axes, (name, label) in zip(figure.subplots(1, len(wanted)), wanted, strict=True):
        value, spread = done.figures[name], done.spread[name]
        error = [[value - spread.min], [spread.max - value]]
        axes.bar([label], [value], width=0.5, color=INK, yerr=error, capsize=8)
        axes.set_xlim(-0.6, 0.6)
        axes.set_ylim(bottom=0)
        axes.text(0.28, value, f"{value:,.1f}", va="center", fontsize=10)


def _curve(figure: "Figure", done: Report) -> None:
    axes: Any = figure.subplots()
    nines = [1 / (1 - share) for share in CURVE]
    for run in done.runs:
        told = [n for n in nines if n <= run["measured"]]  # beyond, it would be the worst again
        axes.plot(told, run["curve_ms"][: len(told)], color=INK, marker="o", markersize=3)
        axes.plot(nines, run["hiccup_curve_ms"], color=MACHINE, marker="o", markersize=3)
    axes.plot([], [], color=INK, label="scheduled send to the worker's hands")
    axes.plot([], [], color=MACHINE, label="the machine: overshoot of a sleep of 1 ms")
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = [0.5, 0.9, 0.99, 0.999, 0.9999]
    axes.set_xticks([1 / (1 - share) for share in ticks], [f"{share * 100:g} %" for share in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"share of activations, at {done.figures['rate']:,.0f} events a second")
    axes.set_ylabel("ms")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right")
