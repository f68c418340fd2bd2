"""The load generator: batches over HTTP at instants that were fixed before the first of them.

    python -m benchmarks.generator PLAN.json

Open loop: an instant never waits for an answer. Where every connection is busy, a batch leaves
late and its delay counts, since everything is measured from the schedule. The batches are encoded
before the run; what is left to do is to replace marks.
"""

import base64
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import msgspec

from benchmarks.workload import PEOPLE, TIME, Call, Shop, iso, stamped

BATCH = 50  # events
POOL = 200_000  # events that are made ahead; then the next round begins
CONNECTIONS = 32
PATIENCE_S = 30.0
OK = 200
GAVE_UP = 0  # the status of a batch that got no answer
_SENT_AT = b'],"sentAt":"' + TIME + b'"}'


class Plan(msgspec.Struct, frozen=True):
    """What to send where, and into which file to write what came of it."""

    host: str
    port: int
    key: str  # a browser's write key
    rate: float  # events a second
    seconds: float
    seed: int
    answers: str  # a path
    people: int = PEOPLE

    @property
    def batches(self) -> int:
        """How many batches there will be.

        >>> Plan("", 0, "", rate=100, seconds=2, seed=1, answers="").batches
        4
        """
        return max(1, int(self.rate * self.seconds / BATCH))


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of one batch."""

    scheduled_us: int
    sent_us: int  # when a connection began to write it
    answered_us: int
    status: int  # of HTTP, GAVE_UP where there was none
    events: int


class Batch(NamedTuple):
    """Calls that leave together."""

    fresh: bytes  # joined JSON, with marks
    copies: list[int]  # places in the pool of calls that it repeats
    events: int


class Batches:
    """Batches that are ready but for their marks.

    In a batch everything happens at the instant it is scheduled for, but what is late: that
    happened so long before the run began. So a copy is known by the batch of its original.

    Args:
        calls: the pool.
        start_us: us since 1970; when the first batch leaves.
        rate: events a second.
    """

    def __init__(self, calls: list[Call], start_us: int, rate: float) -> None:
        self._start_us = start_us
        self._pause_us = BATCH / rate * 1e6
        self._bodies = [self._dated(call) for call in calls]
        self._batches = [
            self._batch(calls, first) for first in range(0, len(calls) - BATCH + 1, BATCH)
        ]

    def _dated(self, call: Call) -> bytes:
        if call.age < 3_600_000:
            return call.body
        return call.body.replace(TIME, iso(self._start_us // 1000 - call.age))

    def _batch(self, calls: list[Call], first: int) -> Batch:
        places = range(first, first + BATCH)
        copies = [calls[nth].copy_of for nth in places if calls[nth].copy_of >= 0]
        fresh = b",".join(self._bodies[nth] for nth in places if calls[nth].copy_of < 0)
        return Batch(fresh, copies, BATCH)

    def scheduled_us(self, nth: int) -> int:
        """Return when batch `nth` of the run leaves."""
        return self._start_us + int(nth * self._pause_us)

    def body(self, nth: int) -> bytes:
        """Return the body of batch `nth` of the run."""
        nth_round, place = divmod(nth, len(self._batches))
        batch = self._batches[place]
        whole = self._stamped(b'{"batch":[' + batch.fresh + _SENT_AT, nth, nth_round)
        copies = [
            self._stamped(self._bodies[c], nth - place + c // BATCH, nth_round)
            for c in batch.copies
        ]
        if not copies:
            return whole
        end = len(whole) - len(_SENT_AT)
        return whole[:end] + b"," + b",".join(copies) + whole[end:]

    def _stamped(self, body: bytes, nth: int, nth_round: int) -> bytes:
        scheduled = self.scheduled_us(nth)
        return stamped(body, scheduled // 1000, scheduled, nth_round)


class Sender(threading.Thread):
    """One connection, which takes what is scheduled next."""

    def __init__(
        self, plan: Plan, todo: "SimpleQueue[tuple[int, bytes] | None]", answers: list[Answer]
    ) -> None:
        super().__init__(daemon=True)
        self._connection = HTTPConnection(plan.host, plan.port, timeout=PATIENCE_S)
        user = base64.b64encode(f"{plan.key}:".encode()).decode()
        self._headers = {"Authorization": f"Basic {user}", "Content-Type": "application/json"}
        self._todo = todo
        self._answers = answers

    def run(self) -> None:
        """Send until there is nothing more."""
        while (batch := self._todo.get()) is not None:
            scheduled_us, body = batch
            sent_us = time.time_ns() // 1000
            status = self._send(body)
            answered_us = time.time_ns() // 1000
            self._answers.append(Answer(scheduled_us, sent_us, answered_us, status, BATCH))
        self._connection.close()

    def _send(self, body: bytes) -> int:
        try:
            self._connection.request("POST", "/v1/batch", body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self._connection.close()  # the next request opens another
            return GAVE_UP
        return answer.status


def send(plan: Plan) -> list[Answer]:
    """Send everything, and return what came of each batch."""
    pool = min(POOL, plan.batches * BATCH)
    calls = Shop(plan.seed, plan.people).calls(pool)
    batches = Batches(calls, time.time_ns() // 1000 + 2_000_000, plan.rate)
    answers: list[Answer] = []
    todo: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
    senders = [Sender(plan, todo, answers) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for nth in range(plan.batches):
        scheduled_us, body = batches.scheduled_us(nth), batches.body(nth)
        time.sleep(max(0.0, scheduled_us / 1e6 - time.time()))
        todo.put((scheduled_us, body))
    for _ in senders:
        todo.put(None)
    for sender in senders:
        sender.join()
    return answers


def main() -> int:
    """Carry out a plan."""
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    Path(plan.answers).write_bytes(msgspec.json.encode(send(plan)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
