"""How many events does one collector take, every one on disk before its 200, and how fast?

A collector's process of its own over a Valkey that syncs each append, with nothing behind them:
first as many requests as `wrk` can have answered, of fifty events and of one; then batches of fifty
at half of that rate, open loop, from the scheduled send to the 200. All of it under uvicorn, and
then natively (`native_…`). Beside it, uvicorn with an application that only says hello, and how long
the disk takes to sync a batch: an answer waits for one sync, or two.

Load, collector and Valkey share the machine, so on two cores a rate is that of the three together;
`cpu_us_…` is the collector's own, and the figure to compare.

At the end of each phase the log is read: it holds what the collector says that it accepted, each
event once, and all that `wrk` was answered; else there is no figure.
"""

import base64
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks import wrk
from benchmarks.base import Options
from benchmarks.bed import LOOK_S, BenchError
from benchmarks.child import program
from benchmarks.generator import BATCH, OK, Answer, Plan
from benchmarks.processes import cpu_seconds
from benchmarks.quantiles import Quantiles, hiccups, quantiles
from collector.keys import first_keys
from events.record import Event, decode
from flows.open import open_log
from kairos.embedded import servers
from kairos.embedded.children import end, spawn
from kairos.settings import Collector, Http, Log, Settings

START_S = 60.0
SYNCS, SYNC_BYTES = 2_000, 22_000
REPORT_S = 1.5  # a collector reports twice a second; by then it has


class Served(msgspec.Struct, frozen=True):
    """What one way of serving came to."""

    batch50_events_per_s: float
    single_requests_per_s: float
    ack_p50_ms: float  # from the scheduled send to the 200, at half of batch50_events_per_s
    ack_p99_ms: float
    cpu_us_per_event: float  # of the collector, in batches of fifty
    cpu_us_per_request: float  # of the collector, of one event each


class Door(msgspec.Struct, frozen=True):
    """What one run came to; `native_…` are the figures of `Served` for KAIROS_HTTP=native."""

    batch50_events_per_s: float
    single_requests_per_s: float
    ack_p50_ms: float
    ack_p99_ms: float
    cpu_us_per_event: float
    cpu_us_per_request: float
    native_batch50_events_per_s: float
    native_single_requests_per_s: float
    native_ack_p50_ms: float
    native_ack_p99_ms: float
    native_cpu_us_per_event: float
    native_cpu_us_per_request: float
    bare_uvicorn_requests_per_s: float
    hiccup_p50_ms: float  # while latencies were measured
    hiccup_p99_ms: float
    sync_p50_ms: float  # what the disk takes to keep as much, with nothing else on it of ours
    sync_p99_ms: float
    sync_max_ms: float
    events: int  # in the logs, each counted and found once
    seconds: float  # of each phase


class Running(NamedTuple):
    """A collector that serves, over a log of its own."""

    pid: int
    settings: Settings
    folder: Path
    key: str  # a browser's

    def accepted(self) -> int:
        """Return how many events it says it accepted; nothing may be in flight."""
        time.sleep(REPORT_S)
        said = msgspec.json.decode((self.folder / "status" / "collector.json").read_bytes())
        return int(said.get("accepted", 0))


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(measure(options.seconds, options.seed))
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to."""
    sides = (
        f"{side or 'uvicorn'} {found[f'{at}batch50_events_per_s']:,.0f} events/s in batches of 50 "
        f"({found[f'{at}cpu_us_per_event']:.1f} us of CPU each), "
        f"{found[f'{at}single_requests_per_s']:,.0f} single requests/s, the 200 after "
        f"{found[f'{at}ack_p50_ms']:.1f} ms, p99 {found[f'{at}ack_p99_ms']:.1f}, at half"
        for side, at in (("", ""), ("native", "native_"))
    )
    bare = found["bare_uvicorn_requests_per_s"]
    return (
        f"{'; '.join(sides)}; bare uvicorn {bare:,.0f} requests/s, "
        f"hiccups p99 {found['hiccup_p99_ms']:.1f} ms, the disk's own syncs p99 "
        f"{found['sync_p99_ms']:.1f}, at most {found['sync_max_ms']:.1f}"
    )


def measure(seconds: float, seed: int = 1) -> Door:
    """Run once.

    Args:
        seconds: of each phase.
        seed: of the load.

    Raises:
        BenchError: a request was refused, or the log does not hold what was answered.
        ServerError: the log's server does not start.
    """
    events, machine, sides = 0, list[float](), dict[Http, Served]()
    for http in ("uvicorn", "native"):
        batch, batch_cpu, stored = _most(http, BATCH, seconds, seed)
        single, single_cpu, more = _most(http, 1, seconds, seed)
        acks, hiccup, rest = _acks(http, batch.per_s * BATCH / 2, seconds, seed)
        events += stored + more + rest
        machine += hiccup
        sides[http] = Served(
            batch50_events_per_s=batch.per_s * BATCH,
            single_requests_per_s=single.per_s,
            ack_p50_ms=acks.p50,
            ack_p99_ms=acks.p99,
            cpu_us_per_event=batch_cpu / (batch.requests * BATCH) * 1e6,
            cpu_us_per_request=single_cpu / single.requests * 1e6,
        )
    hiccups_of, syncs = quantiles(machine), _syncs()
    native = msgspec.structs.asdict(sides["native"])
    return Door(
        **msgspec.structs.asdict(sides["uvicorn"]),
        **{f"native_{name}": value for name, value in native.items()},
        bare_uvicorn_requests_per_s=_bare(seconds),
        hiccup_p50_ms=hiccups_of.p50,
        hiccup_p99_ms=hiccups_of.p99,
        sync_p50_ms=syncs.p50,
        sync_p99_ms=syncs.p99,
        sync_max_ms=syncs.max,
        events=events,
        seconds=seconds,
    )


def _most(http: Http, events: int, seconds: float, seed: int) -> tuple[wrk.Answered, float, int]:
    """Return what was answered, the collector's CPU seconds, and the events in the log."""
    with _running(http) as one:
        made = wrk.bodies(events, time.time_ns() // 1_000_000, seed)
        user = base64.b64encode(f"{one.key}:".encode()).decode()
        lua = wrk.script(made, f"Basic {user}")
        path = "/v1/batch" if events > 1 else "/v1/track"
        before = cpu_seconds(one.pid)
        answered = wrk.run(one.settings.collector.url + path, seconds, one.folder, lua)
        cpu = cpu_seconds(one.pid) - before
        # What was in flight when wrk hung up was taken, and nobody heard of it.
        least = answered.requests * events
        return answered, cpu, _check(one, least, least + wrk.CONNECTIONS * events)


def _acks(http: Http, rate: float, seconds: float, seed: int) -> tuple[Quantiles, list[float], int]:
    """Return how long a 200 took, the machine's hiccups beside it, and the events in the log."""
    with _running(http) as one:
        collector = one.settings.collector
        answers = one.folder / "answers.json"
        plan = Plan(collector.host, collector.port, one.key, rate, seconds, seed, str(answers))
        written = one.folder / "plan.json"
        written.write_bytes(msgspec.json.encode(plan))
        process = spawn(program("pacer", str(written)))
        try:
            machine = hiccups(lambda: process.poll() is not None)
        finally:
            end(process)
        if process.returncode:
            raise BenchError(f"the load generator ended with code {process.returncode}")
        came = msgspec.json.decode(answers.read_bytes(), type=list[Answer])
        taken = sum(answer.status == OK for answer in came)
        if taken != plan.batches:
            raise BenchError(f"{taken} of {plan.batches} batches were taken")
        events = sum(answer.events for answer in came)
        stored = _check(one, events, events)
        took = quantiles([(a.answered_us - a.scheduled_us) / 1000 for a in came])
        return took, machine, stored


def _check(one: Running, least: int, most: int) -> int:
    """Count what the log holds, and compare it with what was answered.

    Args:
        one: the collector.
        least: events that were answered.
        most: these, and what was in flight.
    """
    accepted, stored, ids = one.accepted(), 0, set[tuple[str, str]]()
    with closing(open_log(one.settings.log)) as log:
        after = -1
        while entries := log.read(0, after, 100, 0):
            after = entries[-1].id
            for entry in entries:
                some = [record for record in decode(entry.payload) if isinstance(record, Event)]
                stored += len(some)
                ids.update((event.leaf, event.message_id) for event in some)
    balance(least, most, accepted, stored, len(ids))
    return stored


def balance(least: int, most: int, accepted: int, stored: int, different: int) -> None:
    """Compare what was answered with what is in the log.

    Args:
        least: events that were answered.
        most: these, and what was in flight at the end.
        accepted: what the collector says.
        stored: what the log holds.
        different: of these.

    Raises:
        BenchError: something is missing, or there twice.
    """
    if stored != accepted or stored != different or not least <= stored <= most:
        raise BenchError(
            f"{least} events were answered and at most {most} sent, the collector says {accepted}, "
            f"and the log holds {stored}, {different} of them different"
        )


@contextmanager
def _running(http: Http) -> Iterator[Running]:
    """Run a collector over a log of its own.

    Raises:
        BenchError: it does not serve.
    """
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as name, _listening() as door:
        folder, path = Path(name), Path(name) / "log.sock"
        status = folder / "status"
        status.mkdir()
        port = door.getsockname()[1]
        settings = Settings(
            log=Log(f"valkey://{path}?name=log"),
            collector=Collector("127.0.0.1", port, folder / "keys.json", http=http),
            status=status,
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        keys = first_keys(settings.collector.keys, now)
        log = servers.start(servers.LOG, folder / "log", path)
        try:
            servers.wait_for("log", log, path, folder / "log")
            ours = {n: v for n, v in os.environ.items() if not n.startswith("KAIROS_")}
            env = {**ours, **settings.to_env(), "KAIROS_FD": str(door.fileno())}
            command = [sys.executable, "-m", "kairos", "run", "collector"]
            with (folder / "collector.log").open("wb") as output:
                process = spawn(command, output=output, env=env, keep=(door.fileno(),))
            try:
                until = time.monotonic() + START_S
                while not (status / "collector.json").exists():
                    if process.poll() is not None or time.monotonic() > until:
                        said = (folder / "collector.log").read_text(errors="replace").strip()
                        raise BenchError(f"the collector does not serve: {said}")
                    time.sleep(LOOK_S)
                yield Running(process.pid, settings, folder, keys["browser"])
            finally:
                end(process)
        finally:
            end(log)


def _bare(seconds: float) -> float:
    """Return how many requests a second a server answers that does nothing."""
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder, _listening() as door:
        process = spawn(program("bare", str(door.fileno())), keep=(door.fileno(),))
        try:
            return wrk.run(
                f"http://127.0.0.1:{door.getsockname()[1]}/", seconds, Path(folder)
            ).per_s
        finally:
            end(process)


def _syncs() -> Quantiles:
    """Append as much as a batch and sync it, again and again."""
    took = []
    with tempfile.TemporaryFile(prefix="kairos-bench-", buffering=0) as file:
        for _ in range(SYNCS):
            before = time.perf_counter()
            file.write(bytes(SYNC_BYTES))
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - before) * 1000)
            time.sleep(0.001)
    return quantiles(took)


def _listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=1024)
