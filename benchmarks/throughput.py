"""How many events a second does one engine process take?

The engine drains a log that was written before, generator off. The stack is up and idle; then one
RENAME puts the whole log in front of it. Time runs from that command, so the start of processes
and imports are outside, until both are true: the ledger's mark is at the last entry (the last
generation is stored), and the worker holds the last activation that was decided by then.

The log is that of `ahead.py`; the run begins when the time of its last entry is past.
"""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import redis

from benchmarks import facts, marketing, oracle, profiled
from benchmarks.ahead import ARRIVED, write_ahead
from benchmarks.base import Options
from benchmarks.bed import BenchError, write_workspace
from benchmarks.processes import cpu_seconds
from benchmarks.workload import Call, Shop, sent_at_rate
from events.sources.valkey import address, stream_key
from kairos.embedded.stack import Stack
from kairos.figures import Figures, Gauge

PATIENCE_S = 600.0
LOOK_S = 0.01
AHEAD_MS = 50  # after the workspace's version, so that ids grow


class Throughput(msgspec.Struct, frozen=True):
    """What one run came to."""

    events_per_s: float
    cpu_us_per_event: float  # of the engine's process
    profiles: int
    triggers: int
    activations: int
    seconds: float
    events: int
    facts: str  # digest, equal to the oracle's


def once(options: Options) -> dict[str, Any]:
    """Run once; with `profile`, write where the time goes, and measure nothing."""
    if options.profile is None:
        found: dict[str, Any] = msgspec.to_builtins(measure(options.events, options.seed))
        return found
    options.profile.write_text(profiled.profile(options.events, options.seed), encoding="utf-8")
    return {"profile": str(options.profile), "events": options.events}


def measure(events: int, seed: int = 1) -> Throughput:
    """Run once.

    Raises:
        BenchError: the engine's facts are not the oracle's, or its books do not balance.
        StackError: the stack does not start.
    """
    calls = Shop(seed).calls(events)
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        data = Path(folder)
        workspace = write_workspace(data / "workspace")
        with Stack(data / "data", workspace) as stack, closing(Gauge(stack.settings)) as gauge:
            url, name = address(stack.settings.log.url)
            start_us = time.time_ns() // 1000 + AHEAD_MS * 1000
            with closing(redis.Redis.from_url(url)) as log:
                written = write_ahead(log, calls, start_us)
                while time.time_ns() < written.end_ms * 1_000_000:
                    time.sleep(LOOK_S)
                engine = stack.children["live"].process.pid
                cpu, began = cpu_seconds(engine), time.time()
                log.rename(written.key, stream_key(name, 0))
            with closing(redis.Redis.from_url(stack.settings.ledger)) as ledger:
                _wait(stack, lambda: _marked(ledger) >= written.last)
                stored, cpu = time.time(), cpu_seconds(engine) - cpu
                decided = gauge.read().decided
                _wait(stack, lambda: _taken(data / "data/deliveries", decided) is not None)
                ended = max(stored, _taken(data / "data/deliveries", decided) or 0.0)
                digest = _checked(calls, start_us, ledger, gauge.read())
                profiles = len(facts.in_ledger(ledger))
    return Throughput(
        events_per_s=events / (ended - began),
        cpu_us_per_event=cpu / events * 1e6,
        profiles=profiles,
        triggers=sum(path.startswith("triggers/") for path in marketing.files()),
        activations=decided,
        seconds=ended - began,
        events=events,
        facts=digest,
    )


def _marked(ledger: redis.Redis) -> int:
    return int(cast("bytes | None", ledger.hget("mark:{p0}", "entry")) or -1)


def _taken(deliveries: Path, decided: int) -> float | None:
    """Return when (seconds since 1970) the worker had so many activations in hand; None: not yet."""
    if not decided:
        return 0.0
    instants: list[int] = []
    for slot in deliveries.glob("slot-*.db"):
        with closing(sqlite3.connect(f"file:{slot}?mode=ro", uri=True)) as rows:
            instants += [at for (at,) in rows.execute("SELECT taken FROM activation")]
    return sorted(instants)[decided - 1] / 1000 if len(instants) >= decided else None


def _wait(stack: Stack, done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        for name, child in stack.children.items():
            if child.process.poll() is not None:
                raise BenchError(f"{name} ended with code {child.process.returncode}")
        if time.monotonic() > until:
            raise BenchError(f"not done after {PATIENCE_S:.0f} s; the machine may be too small")
        time.sleep(LOOK_S)


def _checked(calls: list[Call], start_us: int, ledger: redis.Redis, figures: Figures) -> str:
    """Compare with the oracle; return the digest of the facts."""
    if figures.settled != len(calls):
        raise BenchError(f"{len(calls)} events went in, {figures.settled} are accounted for")
    found, expected = facts.in_ledger(ledger), oracle.facts_of(_bodies(calls, start_us))
    if oracle.hash_of(found) != oracle.hash_of(expected):
        raise BenchError(
            f"wrong facts; the first difference: {oracle.first_difference(expected, found)}"
        )
    return oracle.hash_of(found)


def _bodies(calls: list[Call], start_us: int) -> Iterator[bytes]:
    return (body for _, body in sent_at_rate(calls, start_us, ARRIVED))
