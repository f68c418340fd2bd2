"""The learning flow: a log in, versions of models out, as a Bytewax dataflow of three steps.

Like the live flow it takes batches, and keeps no state in Bytewax. What it finds goes into the log it
reads, once it has come to the end: on the way there it would be what is known already.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from events import record
from events.record import Learned
from events.sources.base import Entry, Log
from flows import running
from flows.learner import Learner
from flows.poison import decoded

READ = 256  # entries in one read
# What goes with many items comes bit by bit, so that the engine is never long at it.
AT_ONCE, REST_S = 100, 0.01
WAIT_MS = 500  # for entries, in one read
LATE_MS = 5_000  # by which an entry's time may differ from this machine's, where nothing comes
_PAST = datetime(2000, 1, 1, tzinfo=UTC)

log = structlog.get_logger()


class _LogSource(FixedPartitionedSource[Sequence[Entry], None]):
    """The log of one partition, read until it is asked to stop."""

    def __init__(self, begin: Callable[[], "_LogPartition"]) -> None:
        self._begin = begin

    def list_parts(self) -> list[str]:
        """One partition, one process, one total order."""
        return ["p0"]

    def build_part(
        self,
        step_id: str,  # noqa: ARG002 - Bytewax's signature
        for_part: str,  # noqa: ARG002
        resume_state: None,  # noqa: ARG002 - it begins with the first entry there is
    ) -> "_LogPartition":
        """Start reading."""
        return self._begin()


class _LogPartition(StatefulSourcePartition[Sequence[Entry], None]):
    def __init__(
        self, source: Log, learner: Learner, stopped: Callable[[], bool], gather_s: float
    ) -> None:
        self._source, self._stopped = source, stopped
        self._position = max(learner.position, source.gone(0))
        self._gathering = timedelta(seconds=gather_s)
        self._awake = _PAST

    def next_batch(self) -> Iterable[Sequence[Entry]]:
        """Read what has come."""
        if self._stopped():
            raise StopIteration
        entries = self._source.read(0, self._position, READ, WAIT_MS)
        if entries:
            self._position = entries[-1].id
        few = 0 < len(entries) < READ
        self._awake = datetime.now(UTC) + self._gathering if few else _PAST
        return [entries]

    def next_awake(self) -> datetime:
        """At once where there is more, or nothing: that is waited for inside the poll."""
        return self._awake

    def snapshot(self) -> None:
        """Nothing: it begins anew."""


class _LogSink(DynamicSink[Learner]):
    """The end of the flow: the log."""

    def __init__(self, source: Log) -> None:
        self._source = source

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_Telling":  # noqa: ARG002 - Bytewax's signature
        """Build the only partition."""
        return _Telling(self._source)


class _Telling(StatelessSinkPartition[Learner]):
    def __init__(self, source: Log) -> None:
        self._source = source

    def write_batch(self, items: list[Learner]) -> None:
        """Append what the log is owed, where all of it is read."""
        learner = items[-1]
        news = learner.news()
        if news and learner.position >= self._source.last(0):
            for first in range(0, len(news), AT_ONCE):
                time.sleep(REST_S if first else 0.0)
                self._source.append(0, record.encode(news[first : first + AT_ONCE]))
            learner.told()
            versions = [one.what for one in news if isinstance(one, Learned)]
            log.info("a new version", models=versions, people=learner.people)


def run(
    source: Log,
    learner: Learner,
    stopped: Callable[[], bool],
    clock: Callable[[], int],
    gather_s: float = 0.0,
) -> None:
    """Learn until asked to stop.

    Args:
        source: archive and log.
        learner: new.
        stopped: asked between two reads.
        clock: ms.
        gather_s: how long entries gather before the next read, once all there were are read.

    Raises:
        LogUnavailableError: the log is away; begin anew.
    """

    def learn(entries: Sequence[Entry]) -> Learner:
        for entry in entries:
            learner.take(decoded(entry))
        if not entries:
            learner.passed(clock() - LATE_MS)
        return learner

    begin = partial(_LogPartition, source, learner, stopped, gather_s)
    flow: Dataflow = Dataflow("learn")
    batches: Any = op.input("log", flow, _LogSource(begin))
    learnt = op.map("learn", batches, learn)
    op.output("versions", learnt, _LogSink(source))
    running.run(flow)
