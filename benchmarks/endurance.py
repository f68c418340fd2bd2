"""Does it go on for as long as it is asked to, in a bounded log, and can all of it be read again?

The embedded stack takes events as fast as its engine does, however many they are; meanwhile the
archive takes over what the log lets go of. When it has stopped, its ledger is put aside, and an engine
reads archive and log into an empty one from the first event on: both hashes must be as before, and
every activation that it makes must be known to the delivery ledger. That engine's clock stands, so
it adds no tick of its own, and both are read as of one entry.
"""

import logging
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import redis
import structlog

from benchmarks.base import Options
from benchmarks.bed import BenchError, alive, marked, write_workspace
from benchmarks.child import program
from benchmarks.feeder import Fed, Plan
from benchmarks.processes import GONE, memory_bytes
from benchmarks.profiled import server
from benchmarks.properties import addresses
from events.archive.folder import Archive
from events.archive.whole import Whole
from events.sources.valkey import FIELD, ValkeyLog, address, stream_key
from flows import live
from flows.engine import Engine
from kairos.embedded import servers
from kairos.embedded.stack import Stack
from kairos.figures import Gauge
from kairos.profile.beside import Beside
from kairos.profile.everybody import Everybody, everybody_of
from profile_state.stores.redis import RedisStore
from triggers import activation

LOG_MB = 512  # the log's memory, at most
LOOK_S = 1.0
TELL_S = 60.0
REST_S = 600.0  # until everything is written behind
STUCK_S = 120.0  # without a stored offset that moves, a run is worth nothing


class Endurance(msgspec.Struct, frozen=True):
    """What one run came to. MB are 10^6 bytes."""

    events: int
    events_per_s: float
    rebuilt_events_per_s: float
    log_max_mb: float  # memory of the log's server
    ledger_max_mb: float  # the same of the ledger's
    archive_mb: float  # on disk
    live_mb_at_half: float  # memory of the engine's process, when half of the events were in
    live_max_mb: float
    people: int
    activations: int
    sent_again: int  # activations of the rebuilt ledger that no delivery ledger knows
    facts: str
    decisions: str
    wrong: list[str]  # promises that did not hold
    seconds: float


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(measure(options.events, options.seed))
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to."""
    return (
        f"{found['events']:,} events at {found['events_per_s']:,.0f}/s, the log at most "
        f"{found['log_max_mb']:.0f} MB, the engine {found['live_max_mb']:.0f} MB; read again at "
        f"{found['rebuilt_events_per_s']:,.0f}/s, {'; '.join(found['wrong']) or 'to the same hashes'}"
    )


def measure(events: int, seed: int = 1) -> Endurance:
    """Run once.

    Raises:
        BenchError: the run is worth nothing.
        StackError: the stack does not start.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder:
        data = Path(folder) / "data"
        workspace = write_workspace(Path(folder) / "workspace")
        with Stack(data, workspace) as stack, Course(stack, events) as course:
            with _fed(stack, events, seed, Path(folder)) as feeder:
                while feeder.poll() is None:
                    course.look()
                    time.sleep(LOOK_S)
            fed = msgspec.json.decode((Path(folder) / "written.json").read_bytes(), type=Fed)
            took_s = course.until_stored(fed.last)
            counts = course.counts
        archive = sum(path.stat().st_size for path in (data / "archive").rglob("*.segment"))
        before = _read_on(data)
        known = _taken(data / "deliveries") | set(before.activations)
        (data / "ledger").rename(data / "ledger-before")
        after = _read_on(data)
    wrong = [*_wrong(fed, counts, before.people, after.people)]
    sent_again = len(set(after.activations) - known)
    if sent_again:
        wrong.append(f"{sent_again} messages would be sent again")
    if max(course.log_mb) > LOG_MB:
        wrong.append(f"the log took {max(course.log_mb):,.0f} MB, {LOG_MB} were promised")
    return Endurance(
        events=events,
        events_per_s=events / took_s,
        rebuilt_events_per_s=events / after.seconds,
        log_max_mb=max(course.log_mb),
        ledger_max_mb=max(course.ledger_mb),
        archive_mb=archive / 1e6,
        live_mb_at_half=course.live_mb_at_half,
        live_max_mb=max(course.live_mb),
        people=before.people.people,
        activations=len(after.activations),
        sent_again=sent_again,
        facts=before.people.facts,
        decisions=before.people.decisions,
        wrong=wrong,
        seconds=time.monotonic() - began,
    )


def _wrong(fed: Fed, counts: dict[str, int], before: Everybody, after: Everybody) -> Iterator[str]:
    for name, expected in (("applied", fed.fresh), ("duplicate", fed.copies)):
        if counts.get(name, 0) != expected:
            yield f"{expected:,} events are {name}, {counts.get(name, 0):,} were counted"
    for name in ("facts", "decisions", "people", "leaves"):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield f"{name} were {one}, and are {other} after the ledger was rebuilt"


@contextmanager
def _fed(stack: Stack, events: int, seed: int, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a feeder.

    Raises:
        BenchError: it failed.
    """
    plan = folder / "plan.json"
    settings = stack.settings
    asked = Plan(settings.log, settings.ledger, events, seed, str(folder / "written.json"))
    plan.write_bytes(msgspec.json.encode(asked))
    process = subprocess.Popen(program("feeder", str(plan)))
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()
    if process.returncode:
        raise BenchError(f"the feeder ended with code {process.returncode}; it has said why")


class Course:
    """How a run goes: memory, and how far it is. Use it as a context manager.

    Args:
        stack: that runs.
        events: how many there will be.
    """

    def __init__(self, stack: Stack, events: int) -> None:
        self.log_mb, self.ledger_mb, self.live_mb = [0.0], [0.0], [0.0]
        self.live_mb_at_half = 0.0
        self._stack = stack
        self._events = events
        self._began = self._told = self._moved = time.monotonic()
        self._stored = -1

    def __enter__(self) -> Self:
        """Connect to both servers."""
        self._opened, settings = ExitStack(), self._stack.settings
        url, _ = address(settings.log.url)
        self._log = self._opened.enter_context(closing(redis.Redis.from_url(url)))
        self._ledger = self._opened.enter_context(closing(redis.Redis.from_url(settings.ledger)))
        self._gauge = self._opened.enter_context(closing(Gauge(settings)))
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Give back the connections."""
        self._opened.close()

    def look(self) -> None:
        """Look now, and once a minute say what is seen.

        Raises:
            BenchError: a process has ended, or the stored offset stands still.
        """
        alive(self._stack)
        self.log_mb.append(_used(self._log) / 1e6)
        self.ledger_mb.append(_used(self._ledger) / 1e6)
        self.live_mb.append(_memory(self._stack.children["live"].process.pid) / 1e6)
        stored, now = marked(self._ledger), time.monotonic()
        if stored != self._stored:
            self._stored, self._moved = stored, now
        elif now - self._moved > STUCK_S:
            raise BenchError(f"the stored offset stands at entry {stored} for {STUCK_S:.0f} s")
        if now - self._told < TELL_S and self.live_mb_at_half:
            return
        settled = self._gauge.read().settled
        if not self.live_mb_at_half and settled >= self._events / 2:
            self.live_mb_at_half = self.live_mb[-1]
        if now - self._told >= TELL_S:
            self._told = now
            print(
                f"{now - self._began:,.0f} s: {settled:,} events stored, log {self.log_mb[-1]:.0f} MB, "
                f"ledger {self.ledger_mb[-1]:.0f} MB, engine {self.live_mb[-1]:.0f} MB",
                file=sys.stderr,
            )

    @property
    def counts(self) -> dict[str, int]:
        """What the ledger has counted."""
        return self._gauge.read().counts

    def until_stored(self, entry: int) -> float:
        """Look until an entry of the log is stored; returns the seconds since it began."""
        while self._stored < entry:
            self.look()
            if self._stored < entry:
                time.sleep(LOOK_S)
        return time.monotonic() - self._began


def _used(server: redis.Redis) -> int:
    return int(server.info("memory")["used_memory"])


def _memory(pid: int) -> int:
    try:
        return memory_bytes(pid)[0]
    except GONE as error:
        raise BenchError(f"the live flow has ended: {error}") from error


def _taken(deliveries: Path) -> set[str]:
    """Return the ids of the activations that the worker took over."""
    taken: set[str] = set()
    for slot in deliveries.glob("slot-*.db"):
        with closing(sqlite3.connect(f"file:{slot}?mode=ro", uri=True)) as rows:
            taken.update(one for (one,) in rows.execute("SELECT id FROM activation"))
    return taken


class Reading(msgspec.Struct, frozen=True):
    """What is in a ledger when its engine has read everything."""

    seconds: float  # that it took
    people: Everybody
    activations: list[str]  # ids that are in its stream


def _read_on(data: Path) -> Reading:
    """Read archive and log to the end, in a process of its own.

    Raises:
        BenchError: that process failed; it has said why.
    """
    done = subprocess.run(program("endurance", str(data)), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise BenchError(f"the process that reads again ended with code {done.returncode}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Reading)


def _reading(data: Path) -> Reading:
    with ExitStack() as opened:
        log_at = opened.enter_context(server("log", servers.LOG, data))
        ledger_at = opened.enter_context(server("ledger", servers.LEDGER, data))
        archives = [Archive(data / "archive", 0)]
        log = Whole(ValkeyLog(f"valkey://{log_at}?name=log"), archives)
        opened.callback(log.close)
        store = opened.enter_context(closing(RedisStore(f"unix://{ledger_at}")))
        engine = Engine(log, store, addresses(), clock=lambda: 0, monotonic=time.monotonic)
        began, told = time.monotonic(), time.monotonic()
        live.rest_cycle_collection()
        engine.recover()
        while engine.position < log.last(0):
            for portion in live.portions(engine.read()):
                engine.process(portion)
                engine.keep_up()
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                print(f"{told - began:,.0f} s: {engine.events:,} records read", file=sys.stderr)
        engine.drain(REST_S)
        took = time.monotonic() - began
        ledger = opened.enter_context(closing(redis.Redis(unix_socket_path=str(ledger_at))))
        rows: Any = ledger.xrange(stream_key("activations", 0))
        made = [one.id for _, row in rows for one in activation.decode(row[FIELD])]
        return Reading(took, everybody_of(Beside(log, store)), made)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(msgspec.json.encode(_reading(Path(sys.argv[1]))).decode())
