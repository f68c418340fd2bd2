"""Several runs as one answer: the median, with minimum and maximum beside it."""

import statistics
from typing import Any

import msgspec

from benchmarks.machine import Machine


class Spread(msgspec.Struct, frozen=True):
    """Over the runs."""

    min: float
    max: float


class Report(msgspec.Struct, frozen=True):
    """What `kairos bench` came to, as `--save` keeps it."""

    what: str
    figures: dict[str, float]  # medians
    spread: dict[str, Spread]
    runs: list[dict[str, Any]]  # each as its benchmark returned it
    machine: Machine
    version: str
    at: str  # when it was measured, ISO 8601, UTC

    def as_json(self) -> dict[str, Any]:
        """Return one object, with the figures at the top."""
        rest: dict[str, Any] = msgspec.to_builtins(self)
        return {**rest.pop("figures"), **rest}


def report(
    what: str, runs: list[dict[str, Any]], machine: Machine, version: str, at: str
) -> Report:
    """Take the median of every number that all runs have.

    >>> machine = Machine("", 2, 1.0, "", "", "")
    >>> done = report("idle", [{"rss_mb": 1.0}, {"rss_mb": 9.0}, {"rss_mb": 2.0}], machine, "1", "")
    >>> done.figures, done.spread
    ({'rss_mb': 2.0}, {'rss_mb': Spread(min=1.0, max=9.0)})
    """
    numbers = [name for name, value in runs[0].items() if isinstance(value, int | float)]
    columns = {name: [run[name] for run in runs] for name in numbers}
    return Report(
        what=what,
        figures={name: statistics.median(values) for name, values in columns.items()},
        spread={name: Spread(min(values), max(values)) for name, values in columns.items()},
        runs=runs,
        machine=machine,
        version=version,
        at=at,
    )


def runs_of(done: Report) -> str:
    """Say how many runs there were."""
    return "1 run" if len(done.runs) == 1 else f"{len(done.runs)} runs"


def shown(value: float) -> str:
    """Write a figure: two decimals, or three digits where it is below 1.

    >>> shown(18675.158), shown(0.022335), shown(0)
    ('18,675.16', '0.0223', '0.00')
    """
    return f"{value:.3g}" if 0 < abs(value) < 1 else f"{value:,.2f}"


def described(done: Report) -> str:
    """Write a report for people."""
    lines = [f"{done.what}, {runs_of(done)}; median (minimum to maximum)"]
    for name, value in done.figures.items():
        spread = done.spread[name]
        lines.append(
            f"  {name:<20} {shown(value):>12}   ({shown(spread.min)} to {shown(spread.max)})"
        )
    return "\n".join([*lines, f"  on {done.machine}, Kairos {done.version}"])
