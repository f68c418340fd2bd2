"""How long is it from the instant a batch is scheduled to the worker's hands?

The whole embedded stack, with a generator in a process of its own and the real worker, whose
stream takes notes. Open loop, so what leaves late is slow. Nothing is left out, no warm-up either:
a quoted figure is one of five minutes or more.

An activation counts when it was decided with an event and carries that event. Those of an absence
come when a time is up; one of a sequence carries its last step, which may have come before.

When the last answer is there, the run waits until the ledger's mark is at the entry that was then
the log's last. Then the live flow is ended, so that nothing more is decided, and what it decided
is compared with what the worker was handed.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis

from benchmarks import marketing
from benchmarks.base import Options
from benchmarks.bed import BenchError, alive, marked, wait, write_workspace
from benchmarks.beside import Look, Watch, beside
from benchmarks.books import check_answers, lost, taken
from benchmarks.child import program
from benchmarks.generator import GAVE_UP, OK, Answer, Plan
from benchmarks.quantiles import Quantiles, hiccups, quantiles
from benchmarks.recorder import Arrival, arrivals
from collector.keys import first_keys
from flows.open import open_log
from kairos.embedded.children import end, spawn
from kairos.embedded.stack import Stack
from kairos.figures import Figures, Gauge

STOP_S = 60.0  # until the live flow has stored what it decided
HANDED_S = 30.0  # until the worker has what was decided


class Latency(msgspec.Struct, frozen=True):
    """What one run came to; times are ms where nothing else is said, CPU is cores."""

    rate: float  # asked for, events a second
    achieved: float  # accepted, by the seconds from the first scheduled send to the last 200
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    from_200_p50_ms: float
    from_200_p99_ms: float
    from_200_p999_ms: float
    ack_p50_ms: float  # from the scheduled send to the 200
    ack_p99_ms: float
    ack_max_ms: float
    late_sends_p99_ms: float  # from the schedule until a connection of the generator was writing
    hiccup_p50_ms: float
    hiccup_p99_ms: float
    hiccup_p999_ms: float
    measured: int  # activations
    activations: int  # that the engine decided, those that are not measured too
    lost: int  # of these, that the worker was not handed
    refused: int  # requests that got another answer than 200, or none
    accepted: int
    applied: int
    duplicate: int
    dead: int
    seconds: float
    drained_s: float  # from the last 200 until all of the log was stored
    pending_max: int  # people who waited to be written
    stored_lag_max_s: float  # how far the stored offset was behind the log's newest entry
    log_fullness_max: float  # 0 to 1
    cpu_collector: float
    cpu_live: float
    cpu_workers: float
    cpu_log: float
    cpu_ledger: float
    cpu_generator: float
    cpu_bench: float  # this process, which measures
    cpu_other: float  # everything else on the machine, the kernel too
    cpu_stolen: float  # by the hypervisor, for other machines
    curve_ms: list[float]  # at the shares of `quantiles.CURVE`
    hiccup_curve_ms: list[float]


class Generated(NamedTuple):
    """What the generator did, and what was seen beside it."""

    answers: list[Answer]  # of all batches
    machine: Quantiles  # its hiccups
    looks: list[Look]


class Bed(NamedTuple):
    """A running stack, for what goes on beside the load."""

    url: str
    folder: Path  # for files
    key: str  # a server's
    plan: Plan  # of the load


Beside = Callable[[Bed], AbstractContextManager[None]]


def nobody(_bed: Bed) -> AbstractContextManager[None]:
    """Nothing goes on beside the load."""
    return nullcontext()


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(
        measure(options.rate, options.seconds, options.seed)
    )
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to."""
    return (
        f"{found['p50_ms']:,.1f} ms to the worker's hands at the median, p99 {found['p99_ms']:,.1f}, "
        f"p99.9 {found['p999_ms']:,.1f}, at most {found['max_ms']:,.1f}; the 200 after "
        f"{found['ack_p50_ms']:,.1f} ms, p99 {found['ack_p99_ms']:,.1f}; "
        f"{found['achieved']:,.0f} of {found['rate']:,.0f} events/s, {found['refused']} requests "
        f"refused, {found['lost']} of {found['activations']:,} activations lost; beside it "
        f"sends {found['late_sends_p99_ms']:,.1f} ms late at p99, hiccups {found['hiccup_p99_ms']:,.1f}, "
        f"{found['pending_max']:,} people waited to be written, the stored offset was "
        f"{found['stored_lag_max_s']:,.1f} s behind, others used {found['cpu_other']:.2f} cores"
    )


def measure(rate: float, seconds: float, seed: int = 1) -> Latency:
    """Run once.

    Raises:
        BenchError: what was accepted is not what was applied, or the log was full.
        StackError: the stack does not start.
    """
    return judged(lived(rate, seconds, seed))


class Lived(NamedTuple):
    """A run that is over, before anything is judged."""

    plan: Plan
    done: Generated
    drained: float  # s since 1970; when all of the log was stored
    handed: list[Arrival]
    figures: Figures


def lived(
    rate: float,
    seconds: float,
    seed: int,
    beside: Beside = nobody,
    *,
    learning: bool = False,
) -> Lived:
    """Run the stack under the load.

    Args:
        rate: events a second.
        seconds: how long.
        seed: of the load.
        beside: what goes on meanwhile.
        learning: the workspace has all models, and a learner runs.

    Raises:
        BenchError: see `measure`.
        StackError: the stack does not start.
    """
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        data = Path(folder)
        workspace = write_workspace(data / "workspace", learning=learning)
        notes = data / "notes"
        recorder = {"workers": program("recorder", str(notes))}
        stack = Stack(data / "data", workspace, programs=recorder)
        keys = first_keys(
            stack.settings.collector.keys, datetime.now(UTC).isoformat(timespec="seconds")
        )
        with stack:
            if learning:
                wait(stack, lambda: _learns(stack), "a learner")
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
            with beside(Bed(stack.url, data, keys["server"], plan)):
                done = _generate(stack, plan, data / "plan.json")
            drained = _drain(stack)
            _end_live(stack)
            figures = _handed(stack)
        return Lived(plan, done, drained, list(arrivals(notes)), figures)


def _learns(stack: Stack) -> bool:
    """Let a stack start its learner, as `kairos up` does; say whether it reads."""
    stack.watch()
    assert stack.settings.status is not None
    said = stack.settings.status / "learn.json"
    return said.exists() and bool(msgspec.json.decode(said.read_bytes())["models"])


def _generate(stack: Stack, plan: Plan, path: Path) -> Generated:
    """Run the generator, and look at the machine and the stack meanwhile."""
    path.write_bytes(msgspec.json.encode(plan))
    process = spawn(program("generator", str(path)))
    try:
        with Watch(stack, process.pid) as watch:

            def over() -> bool:
                watch.glance()
                return process.poll() is not None

            machine = hiccups(over)
            watch.look()
    finally:
        end(process)
    if process.returncode:
        raise BenchError(f"the load generator ended with code {process.returncode}")
    alive(stack)
    answers = msgspec.json.decode(Path(plan.answers).read_bytes(), type=list[Answer])
    check_answers(answers, plan.rate, max(look.fullness for look in watch.looks))
    return Generated(answers, quantiles(machine), watch.looks)


def _drain(stack: Stack) -> float:
    """Wait until all that is in the log now is stored; return when, s since 1970."""
    with (
        closing(open_log(stack.settings.log)) as log,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
    ):
        last = log.last(0)
        wait(stack, lambda: marked(ledger) >= last, "the stored offset at the log's end")
    return time.time()


def _end_live(stack: Stack) -> None:
    """End the live flow in order: it stores what it decided, and decides nothing more."""
    live = stack.children["live"].process
    end(live, STOP_S)
    if live.returncode:
        raise BenchError(f"the live flow ended with code {live.returncode}")


def _handed(stack: Stack) -> Figures:
    """Wait until the worker has what was decided, or should have; return the figures."""
    until = time.monotonic() + HANDED_S
    with closing(Gauge(stack.settings)) as gauge:
        while (figures := gauge.read()).decided > taken(figures) and time.monotonic() < until:
            time.sleep(0.1)
    return figures


def judged(run: Lived) -> Latency:
    """Say what a run came to.

    Raises:
        BenchError: what was accepted is not what was applied, or nothing can be measured.
    """
    plan, done, drained, handed, figures = run
    answers = done.answers
    answered = {a.scheduled_us: a.answered_us for a in answers if a.status == OK}
    accepted = sum(a.events for a in answers if a.status == OK)
    unanswered = sum(a.events for a in answers if a.status == GAVE_UP)
    if not accepted <= figures.settled <= accepted + unanswered:
        raise BenchError(f"{accepted} events were accepted, {figures.settled} are accounted for")
    first, last = min(a.scheduled_us for a in answers) / 1e6, max(answered.values()) / 1e6
    from_schedule, from_200 = latencies(handed, answered)
    if not from_schedule:
        raise BenchError("no activation came that can be measured; ask for more --seconds")
    whole, after = quantiles(from_schedule), quantiles(from_200)
    ack = quantiles([(at - scheduled) / 1000 for scheduled, at in answered.items()])
    late = quantiles([(a.sent_us - a.scheduled_us) / 1000 for a in answers])
    seen = beside(done.looks, first, last)
    return Latency(
        rate=plan.rate,
        achieved=accepted / (last - first),
        p50_ms=whole.p50,
        p99_ms=whole.p99,
        p999_ms=whole.p999,
        max_ms=whole.max,
        from_200_p50_ms=after.p50,
        from_200_p99_ms=after.p99,
        from_200_p999_ms=after.p999,
        ack_p50_ms=ack.p50,
        ack_p99_ms=ack.p99,
        ack_max_ms=ack.max,
        late_sends_p99_ms=late.p99,
        hiccup_p50_ms=done.machine.p50,
        hiccup_p99_ms=done.machine.p99,
        hiccup_p999_ms=done.machine.p999,
        measured=whole.count,
        activations=figures.decided,
        lost=lost(figures.decided, handed),
        refused=sum(a.status != OK for a in answers),
        accepted=accepted,
        applied=figures.applied,
        duplicate=figures.counts.get("duplicate", 0),
        dead=figures.dead,
        seconds=plan.seconds,
        drained_s=drained - last,
        pending_max=seen.pending_max,
        stored_lag_max_s=seen.lag_max_s,
        log_fullness_max=seen.fullness_max,
        cpu_collector=seen.cpu["collector"],
        cpu_live=seen.cpu["live"],
        cpu_workers=seen.cpu["workers"],
        cpu_log=seen.cpu["log"],
        cpu_ledger=seen.cpu["ledger"],
        cpu_generator=seen.cpu["generator"],
        cpu_bench=seen.cpu["bench"],
        cpu_other=seen.other,
        cpu_stolen=seen.stolen,
        curve_ms=whole.curve,
        hiccup_curve_ms=done.machine.curve,
    )


def latencies(
    handed: Iterable[Arrival], answered: Mapping[int, int]
) -> tuple[list[float], list[float]]:
    """Return ms from the schedule, and from the answer, to the worker's hands."""
    from_schedule, from_200 = [], []
    for at_us, one in handed:
        if one.accepted_us is None or one.trigger in marketing.SEQUENCES:
            continue
        scheduled_us = one.event["scheduled_us"]
        from_schedule.append((at_us - scheduled_us) / 1000)
        if scheduled_us in answered:
            from_200.append((at_us - answered[scheduled_us]) / 1000)
    return from_schedule, from_200
