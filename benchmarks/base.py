"""What every benchmark is: one file, one question, and a `once` that answers it once.

    def once(options: Options) -> dict[str, Any]

returns the figures of one run by name, numbers wherever there is something to compare, such as
`{"events_per_s": 41000.0, "cpu_us_per_event": 21.5}`. `kairos bench` runs it several times and
reports medians with their spread. What it lists under `"wrong"` are promises that did not hold, and
the command fails with them. As each run ends it prints what the benchmark's `told` says of
it, so that what was measured is there whatever comes after.
"""

from pathlib import Path
from typing import Any, Protocol

import msgspec


class AskedError(ValueError):
    """An option is wrong; the message says which, what was expected, what was found."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What one run may be told; a benchmark reads what concerns it."""

    seed: int = 1  # of the workload
    events: int = 400_000  # throughput: how many the log holds
    rate: int = 10_000  # latency: events a second
    people: int = 1_000_000  # scale: how many there are
    kills: int = 50  # torture
    power_cuts: int = 10  # torture
    points: int = 0  # torture: how many times at each crash point
    seconds: float = 300.0  # latency and idle: how long it is measured
    profile: Path | None = None  # throughput: write where the time goes, and measure nothing


class Benchmark(Protocol):
    """A module of this folder that `kairos bench` runs."""

    def once(self, options: Options) -> dict[str, Any]:
        """Run once, and return the figures.

        Raises:
            BenchError: the run is worth nothing.
            StackError: the stack does not start.
            ServerError: the same, of one of its servers.
        """
        ...

    def told(self, found: dict[str, Any]) -> str:
        """Say in one line what a run came to."""
        ...
