"""Engines: the real core, its recovery and its write-behind, turned as the live flow turns them."""

import threading
from collections import deque
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from events.sources.base import Entry, LogUnavailableError
from flows.bounds import Bounds
from flows.engine import Engine
from flows.live import LogPartition, Pump
from profile_state.copies.disk import Disk
from profile_state.stores.base import FencedError, LedgerLostError
from tests.simulation.ledger import EngineStore, LedgerServer
from tests.simulation.log import EngineLog, LogServer
from tests.simulation.shop import ADDRESSES
from tests.simulation.world import Died, Process, World

LATE_S = (0, 0, 5, 120, 600)  # after which an idle engine sees that somebody is due
PATIENCE_S = 1800.0  # for which it sleeps at most
SMALL = Bounds(fired=5, swept=4)  # so that a storm takes several ticks, and a version many sweeps
# Most first copies go to the disk, and whoever was not touched for a moment leaves memory.
TIGHT = SMALL._replace(copies=60_000, people=0, stride=256)


class Engines:
    """Whoever runs the engine: starts one, another after its death, and sometimes one too many."""

    def __init__(self, world: World, log: LogServer, ledger: LedgerServer, disk: Path) -> None:
        self.world = world
        self.log = log
        self.ledger = ledger
        self.files: dict[str, str] = {}  # the workspace folder
        self.skew_ms = 0  # how far the engines' wall clock is off
        self.running: list[Running] = []
        self.disk = disk  # for first copies that memory has no room for
        self.disks: list[Disk] = []
        self._names = count(1)
        self._draw = world.draw("engines")
        self.bounds = self._draw.choice((SMALL, TIGHT, TIGHT._replace(people=SMALL.people)))

    def start(self) -> "Running":
        """Start one."""
        one = Running(self, Process(self.world, f"engine{next(self._names)}"))
        self.running.append(one)
        return one

    def open_disk(self) -> Disk:
        """Open the folder of first copies once more."""
        self.disks.append(Disk(self.disk))
        return self.disks[-1]

    def close(self) -> None:
        """Close every file."""
        for disk in self.disks:
            disk.close()

    @property
    def newest(self) -> "Running | None":
        """The one that was started last, if it lives."""
        return self.running[-1] if self.running else None

    def ended(self, one: "Running") -> None:
        """Bury one; the supervisor starts another where none is left."""
        self.running.remove(one)
        self.log.readers.pop(one.process.name)
        one.store.scatter()
        if not self.running:
            self.world.outside.call_later(self._draw.choice((0.2, 1, 20)), self._replace)

    def _replace(self) -> None:
        if not self.running:
            self.start()


class Running:
    """One engine's process."""

    def __init__(self, around: Engines, process: Process) -> None:
        self.process = process
        self.store = EngineStore(process, around.ledger)
        self._around = around
        self._draw = around.world.draw(process.name)
        self._log = EngineLog(process, around.log)
        self.engine = Engine(
            self._log,
            self.store,
            ADDRESSES,
            clock=lambda: around.world.ms + around.skew_ms,
            monotonic=lambda: around.world.us / 1e6,
            older=around.open_disk(),
            bounds=around.bounds,
        )
        self._source: LogPartition | None = None  # None: to recover first
        self._handed: deque[Sequence[Entry]] = deque()  # by the source, not processed yet
        self._sink = Pump(self.engine)
        self._wakeup = process.call_soon(self._turn)
        self._asleep = False
        process.on_death = lambda: around.ended(self)
        around.log.readers[process.name] = self._wake

    def _wake(self) -> None:
        if self._asleep:
            self._wakeup.cancel()
            self._next(0.0005)

    def _next(self, delay_s: float, *, asleep: bool = False) -> None:
        self._asleep = asleep
        self._wakeup = self.process.call_later(delay_s, self._turn)

    def _turn(self) -> None:
        """Do what the part `live` does between two looks at its log."""
        self._asleep = False
        try:
            self._step()
        except Died:
            pass
        except FencedError:
            self.process.say("is fenced, and leaves")
            self._leave()
        except (LedgerLostError, LogUnavailableError) as error:
            self.process.say(f"recovers: {error}")
            self._source = None
            self._next(self._draw.choice((0.2, 10)))

    def _leave(self) -> None:
        self.process.alive = False
        self._around.ended(self)

    def _step(self) -> None:
        if self._source is None:
            self._recover()
            self._source = LogPartition(self.engine, threading.Event())
            self._handed.clear()
        self._handed += self._source.next_batch()
        if self._handed and self._draw.random() < 0.8:  # else the next read comes first
            self._sink.write_batch([self.engine.process(self._handed.popleft())])
        if self._handed:
            self._next(0.0005)
        else:
            self._rest()

    def _recover(self) -> None:
        engine, log = self.engine, self._log
        engine.recover()
        while engine.position < log.last(0):
            engine.process(engine.read())
            engine.pump()
        engine.announce()
        if engine.adopt(self._around.files):
            self.process.say("adopts the workspace folder")

    def _rest(self) -> None:
        """Sleep until the log grows, somebody is due or people wait to be written."""
        engine, draw = self.engine, self._draw
        if engine.position < self._log.last(0):
            self._next(draw.choice((0.0005, 0.002, 0.3)))
        elif not engine.behind.idle:
            self._next(draw.choice((0.01, 1.0, 2.1)))
        else:
            due = engine.state.dues.next()
            now = self._around.world.ms + self._around.skew_ms
            late = draw.choice(LATE_S)
            until = max(0.1, (due - now) / 1000) + late
            self._next(min(PATIENCE_S, until), asleep=True)
