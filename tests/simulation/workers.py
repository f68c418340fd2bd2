"""Workers: the real one over real ledger files, its threads' work done in its own loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from channels.delivery.breaker import Patience
from channels.delivery.ledger import Ledger
from channels.delivery.worker import Delivery, Worker
from events.sources.base import LogUnavailableError
from tests.simulation.ledger import Gate, LedgerServer, Stream
from tests.simulation.providers import KEYED, Provider
from tests.simulation.world import Process, World

HOW = Delivery(
    tick=300.0,
    save=600.0,
    look=3_600.0,
    sweep=3_600.0,
    prune=86_400.0,
    wait_ms=3_600_000,
    calls_of={"email": 2},
    calls=4,
    patience=Patience(least=1 << 30),  # a breaker counts seconds of a real clock
)
TRIM_S = 3600.0


class Workers:
    """Keeps one worker running, over a folder that outlives it."""

    def __init__(
        self,
        world: World,
        ledger: LedgerServer,
        providers: list[Provider],
        folder: Path,
        slots: range,
    ) -> None:
        self.world = world
        self.ledger = ledger
        self.providers = providers
        self.folder = folder
        self.slots = slots
        self.process: WorkerProcess
        self._names = count(1)
        self._draw = world.draw("workers")
        self._open: list[
            Ledger
        ] = []  # of dead workers: their files stay open, as the kernel's do not
        self._start()

    def _start(self) -> None:
        process = self.process = WorkerProcess(
            self.world, f"worker{next(self._names)}", self.ledger
        )
        process.on_death = self._died
        ledger = Ledger.open(
            self.folder,
            keyed=KEYED.__getitem__,
            now=self.world.ms,
            slots=self.slots,
            threads=AtOnce(),
        )
        self._open.append(ledger)
        gate = Gate(self.ledger)
        self._worker = Worker(
            process.stream,
            ledger,
            {provider.name: provider for provider in self.providers},
            keyed=KEYED.__getitem__,
            withdrawals=gate,
            workspaces=gate,
            now=lambda: self.world.ms,
            draw=self._draw.random,
            delivery=HOW,
        )
        self._stop = asyncio.Event()
        process.create_task(self._worker.run(self._stop))
        process.create_task(self._trim())

    async def _trim(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(TRIM_S)
            [needed] = self._worker.trimmable()
            if needed > 0:
                self.process.stream.trim(0, needed)

    def _died(self) -> None:
        for lease in self._open[-1]._leases.values():
            lease.close()  # the kernel does
        self.world.outside.call_later(self._draw.choice((0.5, 5, 120)), self._start)

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits for a call or an outcome."""
        counts = self._open[-1].counts()
        return not any(of.get(s) for of in counts.values() for s in ("pending", "intent"))

    def close(self) -> None:
        """Close every file."""
        for ledger in self._open:
            ledger.close()


class WorkerProcess(Process):
    """A process whose threads are its own loop: a call takes a moment, and may be the last."""

    def __init__(self, world: World, name: str, ledger: LedgerServer) -> None:
        super().__init__(world, name)
        self.stream = Stream(self, ledger)
        self._ledger = ledger
        self._thread_draw = world.draw(name)
        self._reading: Callable[[], None] = lambda: None
        ledger.readers["worker"] = self._wake

    def _wake(self) -> None:
        self._reading()

    def run_in_executor(
        self,
        executor: Any,  # noqa: ARG002 - the loop is all there is
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        done = self.create_future()
        if self._unwinding:
            done.cancel()
        elif func == self.stream.read:
            self._read(done, args)
        else:
            delay = self._thread_draw.choice((0.0002, 0.001, 0.02))
            self.call_later(delay, self._call, done, func, args)
        return done

    def _call(self, done: asyncio.Future[Any], func: Callable[..., Any], args: Any) -> None:
        point = f"worker {func.__name__}"
        if self.dies(f"{point}:before"):
            return
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - it is the caller's
            done.set_exception(error)
            return
        if not self.dies(f"{point}:after") and not done.done():
            done.set_result(result)

    def _read(self, done: asyncio.Future[Any], args: tuple[int, int, int, int]) -> None:
        """Answer a read once something is there, or its patience has ended."""

        def look(*, last: bool = False) -> None:
            if done.done():
                return
            try:
                found = self.stream.read(*args)
            except LogUnavailableError as error:
                done.set_exception(error)
                return
            if found or last:
                done.set_result(found)

        def wake() -> None:
            self.call_soon(look)

        self._reading = wake
        self.call_later(0.0002, look)
        self.call_later(args[3] / 1000, partial(look, last=True))


class AtOnce(Executor):
    """Threads that are none: what is submitted is done by then."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done
