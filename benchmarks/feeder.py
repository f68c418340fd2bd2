"""A feeder: writes the load into a log as fast as the engine takes it, without a door.

    python -m benchmarks.feeder PLAN.json

What it writes are the collector's own records, 500 an entry. It stays some events ahead of what the
engine has stored, so that the engine never waits, and the log holds no more than it must.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import redis

from benchmarks.bed import marked
from benchmarks.encoded import ENTRY, packed
from benchmarks.workload import Call, Shop, stamped
from flows.open import open_log
from kairos.settings import Log

POOL = 200_000  # calls that are made ahead; then the next round begins, with other message ids
AHEAD = 100_000  # events in the log that are not stored yet, at most, about
LOOK_S = 0.01


class Plan(msgspec.Struct, frozen=True):
    """What to write where."""

    log: Log
    ledger: str  # a URL; says how far the engine is
    events: int
    seed: int
    written: str  # a path, for what was written


class Fed(msgspec.Struct, frozen=True):
    """What was written."""

    fresh: int  # events
    copies: int  # of them, byte for byte
    last: int  # id of the last entry


def stream(calls: list[Call], events: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield events as they would be sent now: when (us), the JSON, and whether it is a copy.

    >>> sent = list(stream([Call(b'{"at":1000000000000000}', 0, -1), Call(b"", 0, 0)], 4))
    >>> sent[0][1] == sent[1][1] != sent[2][1], [copy for _, _, copy in sent]
    (True, [False, True, False, True])
    """
    bodies: list[bytes] = []
    for nth in range(events):
        nth_round, place = divmod(nth, len(calls))
        if place == 0:
            bodies = []
        call, now = calls[place], time.time_ns() // 1000
        if call.copy_of < 0:
            bodies.append(stamped(call.body, now // 1000 - call.age, now, nth_round))
        else:
            bodies.append(bodies[call.copy_of])
        yield now, bodies[-1], call.copy_of >= 0


def feed(plan: Plan) -> Fed:
    """Write everything; returns when the last entry is in the log."""
    calls = Shop(plan.seed).calls(min(POOL, plan.events))
    copies, last, sent = 0, -1, 0
    entries: list[int] = []  # ids of those that may not be stored yet
    batch: list[tuple[int, bytes]] = []
    with (
        closing(open_log(plan.log)) as log,
        closing(redis.Redis.from_url(plan.ledger)) as ledger,
    ):
        for now, body, copy in stream(calls, plan.events):
            batch.append((now, body))
            copies += copy
            sent += 1
            if len(batch) < ENTRY and sent < plan.events:
                continue
            last = log.append(0, packed(batch))
            batch = []
            entries.append(last)
            while len(entries) * ENTRY > AHEAD:
                stored = marked(ledger)
                entries = [entry for entry in entries if entry > stored]
                time.sleep(LOOK_S)
    return Fed(plan.events - copies, copies, last)


if __name__ == "__main__":
    asked = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    Path(asked.written).write_bytes(msgspec.json.encode(feed(asked)))
