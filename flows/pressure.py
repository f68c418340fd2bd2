"""How much the door may let in: what the engine keeps up with, and what the servers have room for.

An engine that is away takes nothing, and that is no reason to refuse anything: the log keeps it.
One that is behind and reads sets the pace. What it has read in the last second is what it can do,
so a little less than that is let in until it has caught up, and as much while it is only just
behind. So what is accepted is soon worked off, whatever more is offered.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Self

import structlog

from collector.quotas import FIRST, VIEWS
from events.sources.base import Log, LogUnavailableError
from profile_state.stores.base import LedgerLostError, Position
from profile_state.stores.redis import RedisStore

LOOK_S = 0.1
MEMORY_S = 1.0  # between looks at the memory of the servers
FROM_MS, TARGET_MS = 250, 500  # of lag: from which on it is watched, and at which it is held
MEASURED_S = 0.2  # of reading, at least, before a pace follows from it
WINDOW_S = 1.0  # that a pace is measured over
AWAY_S = 4.0  # without reading anything, after which an engine is away
LEAST, MOST = 0.8, 1.1  # of the pace that are let in, far behind and hardly behind
GROWTH = 1.05  # of what is let in, at each look that finds the engine with us
CALM_S = 10.0  # without lag, after which all is let in again
SHED, FULL = 0.8, 0.9  # of a server's memory: browsers are refused, everybody is

_WAITING = 100_000  # entries that are remembered; one for each look, so some hours

log = structlog.get_logger()


class _Read(NamedTuple):
    at_s: float
    records: int


class Pace:
    """Says how many events a second are let in, by how far behind the engine is.

    >>> pace = Pace()
    >>> [pace.look(n / 10, 0, n * 100) for n in range(3)]
    [None, None, None]
    >>> [round(pace.look(n / 10, 600, n * 100) or 0) for n in range(3, 7)]
    [0, 0, 950, 950]
    """

    def __init__(self) -> None:
        self._reads: deque[_Read] = deque()  # while it is behind
        self._rate: float | None = None
        self._calm_s: float | None = None  # since when there is no lag

    def look(self, at_s: float, lag_ms: float | None, records: int) -> float | None:
        """Look at the engine.

        Args:
            at_s: monotonic.
            lag_ms: how long what it reads next has waited; None where no engine reads.
            records: that it has read since it began.

        Returns:
            Events a second, None for all.
        """
        if lag_ms is None:
            self._reads.clear()
            self._rate = None
        elif lag_ms < FROM_MS:
            self._reads.clear()
            self._with_us(at_s)
        else:
            self._calm_s = None
            self._behind(at_s, lag_ms, records)
        return self._rate

    def _with_us(self, at_s: float) -> None:
        self._calm_s = self._calm_s if self._calm_s is not None else at_s
        if self._rate is not None:
            self._rate = self._rate * GROWTH if at_s - self._calm_s < CALM_S else None

    def _behind(self, at_s: float, lag_ms: float, records: int) -> None:
        reads = self._reads
        # One that reads now and then, in long turns, has a pace too.
        window = WINDOW_S if reads and records > reads[0].records else AWAY_S
        reads.append(_Read(at_s, records))
        while len(reads) > 2 and at_s - reads[1].at_s >= window:
            reads.popleft()
        measured = at_s - reads[0].at_s
        if measured < MEASURED_S or (self._rate is None and lag_ms < TARGET_MS):
            return
        pace = (records - reads[0].records) / measured
        share = 1 + (TARGET_MS - lag_ms) / (4 * TARGET_MS)
        if pace > 0:
            self._rate = pace * min(MOST, max(LEAST, share))
        elif measured >= AWAY_S:
            self._rate = None


class PressureWatch:
    """Looks at engine and servers, and says what may be let in.

    Args:
        store: the ledger, by a connection of its own.
        source: the log, likewise.
        appended: gives the id of the last entry that the door appended, -1 before the first.
        limit: told how many events a second may come in, and the lowest rank that may at all.
    """

    def __init__(
        self,
        store: RedisStore,
        source: Log,
        appended: Callable[[], int],
        limit: Callable[[float | None, int], None],
    ) -> None:
        self._store = store
        self._source = source
        self._appended = appended
        self._limit = limit
        self._pace = Pace()
        self._position: Position | None = None
        self._heard_s = 0.0
        # Entries, and when they were new.
        self._waiting: deque[tuple[int, float]] = deque(maxlen=_WAITING)
        self._least: int = VIEWS
        self._memory_s = 0.0
        self.lag_ms = 0.0
        self.rate: float | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Start looking."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._done.set()
        self._thread.join()
        self._store.close()
        self._source.close()

    def _watch(self) -> None:
        while not self._done.wait(LOOK_S):
            now = time.monotonic()
            try:
                position = self._store.position()
                if now - self._memory_s >= MEMORY_S:
                    self._memory_s = now
                    self._look_at_memory(max(self._store.fullness(), self._source.fullness()))
            except (LedgerLostError, LogUnavailableError):
                position = None  # the engine waits too, and says so
            self._look(now, position)

    def _look(self, now: float, position: Position | None) -> None:
        newest = self._appended()
        if position is not None and position == self._position and now - self._heard_s < AWAY_S:
            return  # it has not said anything since, so nobody knows more than before
        self._position, self._heard_s = position, now
        if not self._waiting or newest > self._waiting[-1][0]:
            self._waiting.append((newest, now))
        read = position.entry if position is not None else -1
        while self._waiting and self._waiting[0][0] <= read:
            self._waiting.popleft()
        lag = (now - self._waiting[0][1]) * 1000 if self._waiting and newest >= 0 else 0.0
        self.lag_ms = lag
        records = position.records if position is not None else 0
        rate = self._pace.look(now, lag if position is not None else None, records)
        if (rate is None) != (self.rate is None):
            said = "the engine keeps up again" if rate is None else "the engine is behind"
            log.warning(said, lag_ms=round(lag), let_in_per_s=None if rate is None else round(rate))
        self.rate = rate
        self._limit(rate, self._least)

    def _look_at_memory(self, used: float) -> None:
        least = FIRST + 1 if used >= FULL else FIRST if used >= SHED else VIEWS
        if least != self._least:
            log.warning("memory of log or ledger", used=round(used, 3), lowest_rank_let_in=least)
        self._least = least
