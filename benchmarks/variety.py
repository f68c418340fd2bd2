"""Does an event cost more where there are ten times as many triggers?

The load's fifty triggers, and beside each nine that ask the same with higher numbers, so that as many
messages leave. One engine over a log and a ledger in memory, in a process that is new for each
measurement: the first half of the load makes the people, the CPU of the second is measured, packing
and writing them included. The two sizes take turns, and the medians are compared.
"""

import re
import statistics
import subprocess
import sys
import time
from typing import Any

import msgspec

from benchmarks import encoded, marketing
from benchmarks.base import Options
from benchmarks.bed import BenchError
from benchmarks.child import program
from benchmarks.properties import addresses
from benchmarks.workload import Shop
from events.sources.memory import MemoryLog
from flows import live
from flows.engine import Engine
from profile_state.stores.memory import MemoryStore, Shelf

TIMES = 10
TURNS = 3
EVENTS = 100_000  # of which the second half is measured
RATE = 25_000  # events a second, in the times that they carry
_AT_LEAST = re.compile(r"(>=?) (\d+)")
_NAME = re.compile(r"^trigger: .+$", re.MULTILINE)


class Many(msgspec.Struct, frozen=True):
    """What one run came to."""

    trigger_cost_ratio: float  # of the two below
    cpu_us_per_event_few: float
    cpu_us_per_event_many: float
    few: int  # triggers
    triggers: int
    activations: int  # with the many
    events: int  # measured in each turn


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    found: dict[str, Any] = msgspec.to_builtins(measure(options.seed))
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to.

    >>> found = {"few": 50, "triggers": 500, "trigger_cost_ratio": 1.25}
    >>> told({**found, "cpu_us_per_event_few": 40.0, "cpu_us_per_event_many": 50.0})
    '40.0 µs an event with 50 triggers, 50.0 with 500: 1.25 times'
    """
    return (
        f"{found['cpu_us_per_event_few']:.1f} µs an event with {found['few']} triggers, "
        f"{found['cpu_us_per_event_many']:.1f} with {found['triggers']}: "
        f"{found['trigger_cost_ratio']:.2f} times"
    )


def measure(seed: int = 1, events: int = EVENTS, turns: int = TURNS) -> Many:
    """Run once: both sizes in turn, each in a process of its own.

    Raises:
        BenchError: such a process failed; it has said why.
    """
    spent: dict[int, list[_Spent]] = {1: [], TIMES: []}
    for _ in range(turns):
        for times, found in spent.items():
            found.append(_apart(times, seed, events))
    one, ten = (statistics.median(s.us for s in found) for found in spent.values())
    return Many(
        trigger_cost_ratio=ten / one,
        cpu_us_per_event_few=one,
        cpu_us_per_event_many=ten,
        few=spent[1][0].triggers,
        triggers=spent[TIMES][0].triggers,
        activations=spent[TIMES][0].activations,
        events=events // 2,
    )


def files(times: int) -> dict[str, str]:
    """Return the load's workspace with so many times as many triggers.

    >>> len(files(10)) - len(files(1))
    450
    """
    written = dict(marketing.files())
    for path, text in marketing.files().items():
        if not path.startswith("triggers/"):
            continue
        name = path.removeprefix("triggers/").removesuffix(".yaml")
        for nth in range(1, times):
            rarer = _rarer(text, nth)
            named = _NAME.sub(f"trigger: {name}_{nth}", rarer)
            written[f"triggers/{name}_{nth}.yaml"] = named
    return written


def _rarer(text: str, nth: int) -> str:
    """Raise what must at least be reached, each time a little more."""
    return _AT_LEAST.sub(lambda found: f"{found[1]} {int(found[2]) * 2 + nth}", text)


class _Spent(msgspec.Struct, frozen=True):
    us: float  # of CPU, an event
    triggers: int
    activations: int


def _apart(times: int, seed: int, events: int) -> _Spent:
    asked = program("variety", str(times), str(seed), str(events))
    done = subprocess.run(asked, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise BenchError(f"the process that measures ended with code {done.returncode}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Spent)


def _measured(times: int, seed: int, events: int) -> _Spent:
    workspace, shelf = files(times), Shelf()
    log = MemoryLog(clock=lambda: time.time_ns() // 1_000_000)
    engine = Engine(
        log,
        MemoryStore(shelf),
        addresses(),
        clock=lambda: time.time_ns() // 1_000_000,
        monotonic=time.monotonic,
    )
    engine.recover()
    engine.adopt(workspace)
    engine.process(engine.read())
    payloads = list(encoded.entries(Shop(seed).calls(events), time.time_ns() // 1000, RATE))
    live.rest_cycle_collection()
    for half in (payloads[: len(payloads) // 2], payloads[len(payloads) // 2 :]):
        for payload in half:
            last = log.append(0, payload)
        began = time.process_time()
        while engine.position < last:
            for portion in live.portions(engine.read()):
                engine.process(portion)
                engine.keep_up()
        engine.drain()
        took = time.process_time() - began
    triggers = sum(path.startswith("triggers/") for path in workspace)
    sent = sum(n for name, n in shelf.counts.items() if name.startswith("sent:"))
    return _Spent(took / (events / 2) * 1e6, triggers, sent)


if __name__ == "__main__":
    print(msgspec.json.encode(_measured(*map(int, sys.argv[1:]))).decode())
