"""Readers of the past: whoever keeps the archive has it read where a definition is warming."""

from collections.abc import Iterator
from itertools import count

from events.record import Offset
from events.sources.base import LogUnavailableError
from flows.warming import steps
from profile_state.stores.base import LedgerLostError, Mark
from tests.simulation.ledger import LedgerServer
from tests.simulation.log import EngineLog, LogServer
from tests.simulation.shop import ADDRESSES
from tests.simulation.world import Died, Process, World

POINTS = ("read:before", "append:before", "append:after")  # at which one dies
LOOK_S = (60, 300, 1800)  # between looks at whether something is warming
MOST = (3, 40, 1_000_000)  # leaves and first copies in a reader's memory


class Readers:
    """Starts one where something is warming, and sometimes one too many."""

    def __init__(self, world: World, log: LogServer, ledger: LedgerServer) -> None:
        self.world = world
        self.log = log
        self.ledger = ledger
        self.running: list[Process] = []
        self._names = count(1)
        self._draw = world.draw("readers")
        self._look()

    def _look(self) -> None:
        gaps = self.ledger.shelf.mark.history.gaps
        waits = any(not gap.filled for gap in gaps) and not self.ledger.away
        if waits and (not self.running or self._draw.random() < 0.2):
            self.start()
        self.world.outside.call_later(self._draw.choice(LOOK_S), self._look)

    def start(self) -> None:
        """Start one."""
        process = Process(self.world, f"reader{next(self._names)}")
        self.running.append(process)
        process.on_death = lambda: self.running.remove(process)
        process.call_soon(self._step, process, self._reading(process))

    def _reading(self, process: Process) -> Iterator[float]:
        ledger = _Ledger(self.ledger)
        most = self._draw.choice(MOST)
        done = yield from steps(EngineLog(process, self.log), ledger, ADDRESSES, most=most)
        process.say(f"has read the past: {done}")

    def _step(self, process: Process, reading: Iterator[float]) -> None:
        if self._draw.random() < 0.1:
            process.fuse = self._draw.choice(POINTS)
        try:
            pause_s = next(reading)
        except Died:
            pass
        except (StopIteration, LogUnavailableError, LedgerLostError) as error:
            process.kill(f"is done: {error!r}")
        else:
            process.call_later(self._draw.choice((0, pause_s, 20)), self._step, process, reading)


class _Ledger:
    """What a reader asks of the ledger, which answers at once or not at all."""

    def __init__(self, server: LedgerServer) -> None:
        self._server = server

    def peek(self) -> Mark:
        if self._server.away:
            raise LedgerLostError("away")
        return self._server.shelf.mark

    def letters(self) -> list[Offset]:
        return sorted(Offset(*place) for place in self._server.shelf.dead)
