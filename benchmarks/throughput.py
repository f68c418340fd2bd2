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
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import redis

from benchmarks import facts, marketing, oracle, profiled
from benchmarks.ahead import ARRIVED, write_ahead
from benchmarks.base import Options
from benchmarks.bed import LOOK_S, BenchError, marked, wait, write_workspace
from benchmarks.processes import cpu_seconds
from benchmarks.workload import Call, Shop, sent_at_rate
from events.sources.valkey import address, stream_key
from kairos.embedded.stack import Stack
from kairos.figures import Figures, Gauge

AHEAD_MS = 50  # after the workspace's version, so that ids grow


class Throughput(msgspec.Struct, frozen=True):
    """What one run came to."""

    events_per_s: float
    cpu_us_per_event: float  # of the engine's process
    profiles: int
    triggers: int
    activations: int
    share_sent: float  # activations, by events
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


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to.

    >>> found = {"events_per_s": 18675.2, "cpu_us_per_event": 50.6, "seconds": 21.4}
    >>> told({**found, "activations": 8934, "events": 400000, "share_sent": 0.0223}).partition("; ")[2]
    '8,934 activations from 400,000 events (2.23 %) in 21.4 s'
    """
    return (
        f"{found['events_per_s']:,.0f} events/s, {found['cpu_us_per_event']:.1f} µs of engine CPU "
        f"an event; {found['activations']:,} activations from {found['events']:,} events "
        f"({found['share_sent'] * 100:.2f} %) in {found['seconds']:.1f} s"
    )


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
                wait(stack, lambda: marked(ledger) >= written.last, "the last stored offset")
                stored, cpu = time.time(), cpu_seconds(engine) - cpu
                decided = gauge.read().decided
                deliveries = stack.settings.deliveries
                wait(stack, lambda: _taken(deliveries, decided) is not None, "the last activation")
                ended = max(stored, _taken(deliveries, decided) or 0.0)
                digest = _checked(calls, start_us, ledger, gauge.read())
                profiles = len(facts.in_ledger(ledger))
    return Throughput(
        events_per_s=events / (ended - began),
        cpu_us_per_event=cpu / events * 1e6,
        profiles=profiles,
        triggers=sum(path.startswith("triggers/") for path in marketing.files()),
        activations=decided,
        share_sent=decided / events,
        seconds=ended - began,
        events=events,
        facts=digest,
    )


def _taken(deliveries: Path, decided: int) -> float | None:
    """Return when (seconds since 1970) the worker had so many activations in hand; None: not yet."""
    if not decided:
        return 0.0
    instants: list[int] = []
    for slot in deliveries.glob("slot-*.db"):
        with closing(sqlite3.connect(f"file:{slot}?mode=ro", uri=True)) as rows:
            instants += [at for (at,) in rows.execute("SELECT taken FROM activation")]
    return sorted(instants)[decided - 1] / 1000 if len(instants) >= decided else None


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
