"""How long is it from the instant a batch is scheduled to the worker's hands?

The whole embedded stack, with a generator in a process of its own and the real worker, whose
stream takes notes. Open loop, so what leaves late is slow. Nothing is left out, no warm-up either:
a quoted figure is one of five minutes or more.

An activation counts when it was decided with an event and carries that event. Those of an absence
come when a time is up; one of a sequence carries its last step, which may have come before.
"""

import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import marketing
from benchmarks.base import Options
from benchmarks.bed import BenchError, write_workspace
from benchmarks.child import program
from benchmarks.generator import Answer, Plan
from benchmarks.quantiles import Quantiles, hiccups, quantiles
from benchmarks.recorder import arrivals
from collector.keys import first_keys
from kairos.embedded.children import end, spawn
from kairos.embedded.stack import Stack
from kairos.figures import Figures, Gauge

PATIENCE_S = 120.0  # until everything that was accepted is applied
OK = 200


class Latency(msgspec.Struct, frozen=True):
    """What one run came to; times are ms."""

    rate: float  # asked for, events a second
    achieved: float  # accepted, over the time of the schedule
    p50_ms: float
    p99_ms: float
    p999_ms: float
    from_200_p50_ms: float
    from_200_p99_ms: float
    from_200_p999_ms: float
    hiccup_p50_ms: float
    hiccup_p99_ms: float
    hiccup_p999_ms: float
    measured: int  # activations
    refused: int  # requests that got another answer than 200, or none
    accepted: int
    applied: int
    duplicate: int
    dead: int
    seconds: float
    curve_ms: list[float]  # at the shares of `quantiles.CURVE`
    hiccup_curve_ms: list[float]


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(
        measure(options.rate, options.seconds, options.seed)
    )
    return found


def measure(rate: float, seconds: float, seed: int = 1) -> Latency:
    """Run once.

    Raises:
        BenchError: what was accepted is not what was applied.
        StackError: the stack does not start.
    """
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        data = Path(folder)
        workspace = write_workspace(data / "workspace")
        notes = data / "notes"
        recorder = {"workers": program("recorder", str(notes))}
        stack = Stack(data / "data", workspace, programs=recorder)
        keys = first_keys(
            stack.settings.collector.keys, datetime.now(UTC).isoformat(timespec="seconds")
        )
        with stack:
            collector = stack.settings.collector
            plan = Plan(
                host=collector.host,
                port=collector.port,
                key=keys["browser"],
                rate=rate,
                seconds=seconds,
                seed=seed,
                answers=str(data / "answers.json"),
            )
            machine = _generate(plan, data / "plan.json")
            answers = msgspec.json.decode(Path(plan.answers).read_bytes(), type=list[Answer])
            accepted = sum(a.events for a in answers if a.status == OK)
            with closing(Gauge(stack.settings)) as gauge:
                figures = _settled(gauge, accepted)
        return _result(plan, answers, notes, figures, quantiles(machine))


def _generate(plan: Plan, path: Path) -> list[float]:
    """Run the generator, and measure the machine meanwhile."""
    path.write_bytes(msgspec.json.encode(plan))
    process = spawn(program("generator", str(path)))
    try:
        machine = hiccups(lambda: process.poll() is not None)
    finally:
        end(process)
    if process.returncode:
        raise BenchError(f"the load generator ended with code {process.returncode}")
    return machine


def _settled(gauge: Gauge, accepted: int) -> Figures:
    """Wait until it is known what became of every accepted event."""
    until = time.monotonic() + PATIENCE_S
    while (figures := gauge.read()).settled < accepted and time.monotonic() < until:
        time.sleep(0.1)
    return figures


def _result(
    plan: Plan, answers: list[Answer], notes: Path, figures: Figures, machine: Quantiles
) -> Latency:
    answered = {a.scheduled_us: a.answered_us for a in answers if a.status == OK}
    accepted = sum(a.events for a in answers if a.status == OK)
    unanswered = sum(a.events for a in answers if a.status == 0)
    if not accepted <= figures.settled <= accepted + unanswered:
        raise BenchError(f"{accepted} events were accepted, {figures.settled} are accounted for")
    from_schedule, from_200 = _latencies(notes, answered)
    whole, after = quantiles(from_schedule), quantiles(from_200)
    return Latency(
        rate=plan.rate,
        achieved=accepted / plan.seconds,
        p50_ms=whole.p50,
        p99_ms=whole.p99,
        p999_ms=whole.p999,
        from_200_p50_ms=after.p50,
        from_200_p99_ms=after.p99,
        from_200_p999_ms=after.p999,
        hiccup_p50_ms=machine.p50,
        hiccup_p99_ms=machine.p99,
        hiccup_p999_ms=machine.p999,
        measured=whole.count,
        refused=sum(a.status != OK for a in answers),
        accepted=accepted,
        applied=figures.counts.get("applied", 0),
        duplicate=figures.counts.get("duplicate", 0),
        dead=figures.dead,
        seconds=plan.seconds,
        curve_ms=whole.curve,
        hiccup_curve_ms=machine.curve,
    )


def _latencies(notes: Path, answered: dict[int, int]) -> tuple[list[float], list[float]]:
    """Return ms from the schedule, and from the answer, to the worker's hands."""
    from_schedule, from_200 = [], []
    for at_us, one in arrivals(notes):
        if one.accepted_us is None or one.trigger in marketing.SEQUENCES:
            continue
        scheduled_us = one.event["scheduled_us"]
        from_schedule.append((at_us - scheduled_us) / 1000)
        if scheduled_us in answered:
            from_200.append((at_us - answered[scheduled_us]) / 1000)
    return from_schedule, from_200
