"""Does a person cost more where there are many?

The same load twice: of a few people, and of many, all of them in memory. As many different people
act a second in both, each for the second to fourth time in their life; so what differs is how many
others there are. The engine runs over a real log and a real ledger, in a process that is new for
each run, since one that held people before has room for others; what is measured is its CPU, from
the first read until everything is stored.
"""

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import redis

from benchmarks import encoded, marketing
from benchmarks.base import Options
from benchmarks.bed import BenchError
from benchmarks.child import program
from benchmarks.processes import memory_bytes
from benchmarks.profiled import server
from benchmarks.properties import addresses
from benchmarks.workload import Call, Shop
from events.sources.valkey import ValkeyLog
from flows import live
from flows.bounds import Bounds
from flows.engine import Engine
from kairos.embedded import servers
from profile_state.stores.redis import RedisStore

FEW = 100  # times fewer people in the small run
RATE = 25_000  # events a second, in the times that the log carries
ACTIVE = 10_000  # people who act in a second
SECONDS = 4  # of the load that are measured, each with people of its own where there are enough
PORTION = 50_000  # events that are in the log at once
ROOM = 1 << 40  # bytes; nobody leaves memory


class Scale(msgspec.Struct, frozen=True):
    """What one run came to."""

    cost_ratio: float  # of the two below
    cpu_us_per_event_few: float
    cpu_us_per_event_many: float
    few: int  # people in the small run
    people: int  # in the large one
    bytes_per_hot_profile: float  # of the process, by the many
    bytes_per_cold_profile: float  # of the ledger's memory
    events: int  # measured in each


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(measure(options.people, options.seed))
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to.

    >>> found = {"cost_ratio": 1.25, "few": 10_000, "people": 1_000_000, "cpu_us_per_event_few": 40.0}
    >>> found |= {"cpu_us_per_event_many": 50.0, "bytes_per_hot_profile": 4100.0}
    >>> told({**found, "bytes_per_cold_profile": 700.0})
    '40.0 µs an event with 10,000 people, 50.0 with 1,000,000: 1.25 times; 4,100 bytes hot, 700 cold'
    """
    return (
        f"{found['cpu_us_per_event_few']:.1f} µs an event with {found['few']:,} people, "
        f"{found['cpu_us_per_event_many']:.1f} with {found['people']:,}: "
        f"{found['cost_ratio']:.2f} times; {found['bytes_per_hot_profile']:,.0f} bytes hot, "
        f"{found['bytes_per_cold_profile']:,.0f} cold"
    )


def measure(people: int, seed: int = 1) -> Scale:
    """Run once, in a process of its own.

    Args:
        people: in the large run; the small one has a hundredth.
        seed: of the load.

    Raises:
        BenchError: that process failed; it has said why.
    """
    asked = program("scale", str(people), str(seed))
    done = subprocess.run(asked, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise BenchError(f"the process that measures ended with code {done.returncode}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Scale)


def _measured(people: int, seed: int) -> Scale:
    few = max(1, people // FEW)
    active = min(ACTIVE, few)
    many, hot, cold = _cost(people, active, SECONDS, seed)
    small = [_cost(few, active, 1, seed + nth)[0] for nth in range(SECONDS)]
    one = statistics.median(small)
    return Scale(
        cost_ratio=many / one,
        cpu_us_per_event_few=one,
        cpu_us_per_event_many=many,
        few=few,
        people=people,
        bytes_per_hot_profile=hot,
        bytes_per_cold_profile=cold,
        events=SECONDS * _a_second(active),
    )


class Crowd(Shop):
    """The load's people, who act in turn instead of by popularity."""

    def __init__(self, seed: int, people: int) -> None:
        super().__init__(seed, people)
        self._turn: Iterator[int] = iter(())

    def once_each(self, first: int, last: int) -> list[Call]:
        """Let everybody from `first` to before `last` do something, so that they are there."""
        self._turn = iter(range(first, last))
        return [self._track(nth) for nth in range(first, last)]

    def second(self, nth: int, active: int, people: int) -> list[Call]:
        """Let some act for a second, others each time where there are enough.

        Args:
            nth: the second.
            active: how many act.
            people: how many there are.
        """
        acting = [(nth * active + n) % people for n in range(active)]
        events = _a_second(active)
        self._turn = iter(acting[n % active] for n in range(events))
        return [self._track(people + nth * events + n) for n in range(events)]

    def _person(self) -> int:
        return next(self._turn)


def _a_second(active: int) -> int:
    return active * RATE // ACTIVE


def _cost(people: int, active: int, seconds: int, seed: int) -> tuple[float, float, float]:
    """Return µs of CPU an event, and bytes of a person in memory and in the ledger."""
    with tempfile.TemporaryDirectory(prefix="kairos-") as folder, ExitStack() as opened:
        log_at = opened.enter_context(server("log", servers.LOG, Path(folder)))
        ledger_at = opened.enter_context(server("ledger", servers.LEDGER, Path(folder)))
        log = opened.enter_context(closing(ValkeyLog(f"valkey://{log_at}?name=log")))
        store = opened.enter_context(closing(RedisStore(f"unix://{ledger_at}")))
        ledger = opened.enter_context(closing(redis.Redis(unix_socket_path=str(ledger_at))))
        run = _Run(log, store)
        crowd = Crowd(seed, people)
        memory, stored = memory_bytes(os.getpid())[0], _used(ledger)
        for first in range(0, people, PORTION):
            run.drained(crowd.once_each(first, min(people, first + PORTION)))
        gc.collect()
        hot = (memory_bytes(os.getpid())[0] - memory) / people
        cold = (_used(ledger) - stored) / people
        spent = [run.drained(crowd.second(nth, active, people)) for nth in range(seconds)]
    return sum(spent) / (seconds * _a_second(active)) * 1e6, hot, cold


def _used(ledger: redis.Redis) -> int:
    return int(ledger.info("memory")["used_memory"])


class _Run:
    """An engine that drains what it is given."""

    def __init__(self, log: ValkeyLog, store: RedisStore) -> None:
        self._log = log
        self._engine = Engine(
            log,
            store,
            addresses(),
            clock=lambda: time.time_ns() // 1_000_000,
            monotonic=time.monotonic,
            bounds=Bounds(people=ROOM),
        )
        self._engine.recover()
        self._engine.adopt(marketing.files())
        self._engine.process(self._engine.read())

    def drained(self, calls: list[Call]) -> float:
        """Put calls into the log and drain it; return seconds of CPU that this took."""
        engine = self._engine
        payloads = list(encoded.entries(calls, time.time_ns() // 1000, RATE))
        for payload in payloads:
            last = self._log.append(0, payload)
        gc.freeze()  # as the live flow does: the collector never looks at the people
        began = time.process_time()
        while engine.behind.stored.entry < last:
            for portion in live.portions(engine.read()):
                engine.process(portion)
                engine.keep_up()
            engine.pump()
        took = time.process_time() - began
        self._log.trim(0, last)
        return took


if __name__ == "__main__":
    print(msgspec.json.encode(_measured(int(sys.argv[1]), int(sys.argv[2]))).decode())
