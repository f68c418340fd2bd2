"""A partition whose engines come and go: they die at any point, read late, and have clocks of their own."""

from collections.abc import Callable
from random import Random

from events.sources.base import Log
from flows.bounds import DEFAULT, Bounds
from flows.engine import Engine
from profile_state.leaf import NEVER
from profile_state.stores.base import Store
from tests.shop import ADDRESSES

PATIENCE = 2_000  # turns after which a partition should have come to rest


class Clock:
    """True time in ms. Each look is another instant, so an instant names one entry of the log.

    >>> clock = Clock(5)
    >>> clock(), clock(), clock.now
    (6, 7, 7)
    """

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        self.now += 1
        return self.now


class Partition:
    """A log, a ledger, and one engine after the other.

    Args:
        log: appends at the time of `clock`.
        open_store: opens the ledger for an engine.
        draw: what the engine does next, and when it dies.
        clock: true time.
        deaths: of all turns, how many are the engine's last.
        bounds: of its engines.
        appends: whether the engine does what time asks for; else it only reads and writes behind.
    """

    def __init__(
        self,
        log: Log,
        open_store: Callable[[], Store],
        draw: Random,
        clock: Clock,
        deaths: float = 0.05,
        bounds: Bounds = DEFAULT,
        *,
        appends: bool = True,
    ) -> None:
        self.log = log
        self.clock = clock
        self.skew = 0  # ms; how far the engine's own clock is ahead of true time
        self.crashes = -1
        self._open_store = open_store
        self._draw = draw
        self._deaths = deaths
        self._bounds = bounds
        self._appends = appends
        self._store: Store | None = None
        self.engine: Engine
        self.start()

    def start(self) -> None:
        """Start an engine; the one before, if there was one, ends here, whatever it was doing."""
        self.close()
        self._store = self._open_store()
        self.engine = Engine(
            self.log,
            self._store,
            ADDRESSES,
            clock=lambda: self.clock.now + self.skew,
            monotonic=lambda: self.clock.now / 1000,
            bounds=self._bounds,
        )
        self.engine.recover()
        self.crashes += 1

    def close(self) -> None:
        """Give back the ledger's connections."""
        if self._store is not None:
            self._store.close()

    def turn(self) -> None:
        """Let the engine do a part of its work: read a little, write a little, or die."""
        draw = self._draw
        if draw.random() < self._deaths:
            self.start()
        if draw.random() < 0.6:
            entries = self.log.read(0, self.engine.position, draw.randrange(1, 8), 0)
            if entries:
                self.engine.process(entries)
        if draw.random() < 0.6:
            if self._appends:
                self.engine.pump(eager=draw.random() < 0.5)
            else:
                self.engine.behind.pump(0.0, period_s=0)

    @property
    def read_to_the_end(self) -> bool:
        """Whether the engine has read the whole log."""
        return self.engine.position >= self.log.last(0)

    def read_on(self) -> None:
        """Let the engine read the log to its end, however often it dies on the way."""
        for _ in range(PATIENCE):
            if self.read_to_the_end:
                return
            self.turn()
        raise AssertionError("the engine does not come to the end of its log")

    def adopt(self, files: dict[str, str]) -> None:
        """Bring a workspace into force."""
        self.read_on()
        self.engine.adopt(files)

    def wait_until(self, instant: int) -> None:
        """Let time pass while the engine watches for whoever is due by its own clock."""
        while self.clock.now < instant:
            due = self.engine.state.dues.next() - self.skew
            step = self._draw.choice((100, 1_000, 60_000))
            self.clock.now = min(instant, max(due, self.clock.now + step))
            self.turn()

    def rest(self) -> None:
        """Let time pass until nobody is due, all is read, and everybody is written."""
        self.skew = 0
        for _ in range(PATIENCE):
            if self.read_to_the_end:
                self.engine.drain()
                assert self._store is not None
                due = self._store.due(0, NEVER)
                if not due and self.engine.state.sweep is None:
                    return
                self.clock.now = max(self.clock.now + 100, *(instant for instant, _ in due[:1]))
            self.turn()
        raise AssertionError("the partition does not come to rest: somebody stays due")
