"""The live flow: a log in, decisions out, as a Bytewax dataflow of three steps.

One item is one batch of log entries: per-item dataflows were measured at 40-48 k events/s, this
form at 65-77 k. No state lives in Bytewax, and its recovery store is off: the ledger is ours.
"""

import gc
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from events.sources.base import Entry
from flows import running
from flows.engine import Engine
from triggers.work import Work

Batch = Sequence[Entry]
PORTION = 256 * 1024  # bytes of entries in one batch: about 20 ms
_PAST = datetime(2000, 1, 1, tzinfo=UTC)


class LogSource(FixedPartitionedSource[Batch, None]):
    """The log of one partition, read until `stop` is set."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self._engine = engine
        self._stop = stop

    def list_parts(self) -> list[str]:
        """One partition, one process, one total order."""
        return [f"p{self._engine.partition}"]

    def build_part(
        self,
        step_id: str,  # noqa: ARG002 - Bytewax's signature
        for_part: str,  # noqa: ARG002
        resume_state: None,  # noqa: ARG002 - the ledger's offset says where to read on
    ) -> "LogPartition":
        """Start reading."""
        return LogPartition(self._engine, self._stop)


class LogPartition(StatefulSourcePartition[Batch, None]):
    """Reads batches; blocks in its poll with the interpreter lock released."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self._engine = engine
        self._stop = stop
        self._position = engine.position  # of the last entry read
        self._ahead: deque[Batch] = deque()  # read, not yet handed on

    def next_batch(self) -> Iterable[Batch]:
        """Read what has come, and do what time asks for while nothing comes."""
        if self._stop.is_set():
            raise StopIteration
        if not self._ahead:
            self._engine.turn.release()
            try:
                entries = self._engine.read(self._position)
            finally:
                self._engine.turn.acquire()
            if not entries:
                self._engine.pump()
                return []
            self._position = entries[-1].id  # what is handed on may not be processed yet
            self._ahead.extend(portions(entries))
        return [self._ahead.popleft()]

    def next_awake(self) -> datetime:
        """At once: the waiting is done inside the poll, where data ends it.

        An instant of the past, because Bytewax measures from the start of the poll: "now"
        would wait as long again as the poll has waited (measured: p50 50 ms at low rates).
        """
        return _PAST

    def snapshot(self) -> None:
        """Nothing: the ledger holds the offset."""


class Pump(StatelessSinkPartition[list[Work]]):
    """Writes behind, after a batch."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write_batch(self, items: list[list[Work]]) -> None:
        """Send people to the ledger; outputs went ahead of them."""
        if items:
            self._engine.keep_up()


def portions(entries: Batch) -> Iterator[Batch]:
    """Cut a read into batches after which the engine may turn to its ledger.

    An engine that is behind reads entries of 500 events each; without this it would be seconds
    until the next person is written.

    >>> [[e.id for e in p] for p in portions([Entry(n, 0, b"x" * PORTION) for n in range(2)])]
    [[0], [1]]
    """
    start = size = 0
    for nth, entry in enumerate(entries):
        size += len(entry.payload)
        if size >= PORTION or nth + 1 == len(entries):
            yield entries[start : nth + 1]
            start, size = nth + 1, 0


class LedgerSink(DynamicSink[list[Work]]):
    """The end of the flow."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def build(self, step_id: str, worker_index: int, worker_count: int) -> Pump:  # noqa: ARG002 - Bytewax's signature
        """Build the only partition."""
        return Pump(self._engine)


def run(engine: Engine, stop: threading.Event) -> None:
    """Run the live flow of one partition until `stop` is set.

    Args:
        engine: recovered.
        stop: set it to end the flow after the batch at hand.

    Raises:
        FencedError: another engine owns the partition.
        LedgerLostError: the ledger is away; the engine must recover.
        LogUnavailableError: the log is away; the same.
    """
    running.run(live(engine, stop))


def rest_cycle_collection() -> None:
    """Let Python's cycle collector look at what is new, and never again at the people.

    They live long and hold no cycles. A look at all of them is a pause for everybody: a third of
    the engine's time at 17,000 people, and up to 80 ms at once. What is there when this is called is
    left alone from then on, and what comes later is looked at when it is young.
    """
    gc.freeze()
    gc.set_threshold(10_000, 1_000_000, 1_000_000)


def live(engine: Engine, stop: threading.Event) -> Dataflow:
    """Wire the live flow."""
    flow: Dataflow = Dataflow("live")
    batches: Any = op.input("log", flow, LogSource(engine, stop))
    decided = op.map("decide", batches, engine.process)
    op.output("ledger", decided, LedgerSink(engine))
    return flow
