"""One run: drive, watch, drain, report."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import structlog

from collector.keys import Kind
from events.sources.base import LogUnavailableError
from flows.open import open_log
from kairos.demo.drive import DriveError, Driver
from kairos.demo.outside import Outside
from kairos.demo.report import Arrived, Outcome
from kairos.demo.shop import Shop
from kairos.demo.signals import Signals
from kairos.demo.view import Now
from kairos.embedded.stack import Stack
from kairos.figures import Figures, FiguresError, Gauge

log = structlog.get_logger()

WATCH_S, LOOK_S = 0.2, 0.5  # seconds between looks at the children, and at the figures
PATIENCE_S = 60.0  # seconds that a drain may take
REPORTED_S = 1.1  # seconds after which the worker's status file is surely newer than the drain


class Plan(NamedTuple):
    """What to do."""

    run: str
    seed: int
    rate: float  # events a second
    seconds: float | None  # None drives until a signal comes
    data: str | None  # the folder, where it is kept


class Reading(NamedTuple):
    """Figures and arrivals of one moment."""

    figures: Figures
    arrived: Arrived
    missing: str  # what is not done yet


class Session:
    """A run over a stack that serves.

    Args:
        plan: what to do.
        stack: serving.
        outside: serving.
        keys: the run's write keys.
        signals: the first one ends the drive, the second one the drain.
        show: called with what there is to see, twice a second.
    """

    def __init__(
        self,
        plan: Plan,
        stack: Stack,
        outside: Outside,
        keys: Mapping[Kind, str],
        signals: Signals,
        show: Callable[[Now], None],
    ) -> None:
        self._plan, self._stack, self._outside = plan, stack, outside
        self._signals, self._show = signals, show
        self._driver = Driver(stack.url, keys)
        self._gauge = Gauge(stack.settings)
        self._log = open_log(stack.settings.log)
        self._base = self._latest = Figures()
        self._phase = "starting"
        self._seconds = 0.0
        self._refused = ""  # why the collector ended the drive
        self._stop = asyncio.Event()  # set by the first signal: drain, then end
        self._give_up = asyncio.Event()  # set by the second: end

    async def run(self) -> Outcome:
        """Drive until the time is over or a signal comes, then drain."""
        loop = asyncio.get_running_loop()
        self._started = loop.time()
        self._signals.then = lambda: _soon(loop, self._asked)
        around = [asyncio.create_task(self._watching()), asyncio.create_task(self._looking())]
        for task in around:
            task.add_done_callback(lambda _: self._stop.set())  # a bug there ends the run
        try:
            before = await self._drained()  # a killed run may have left work
            self._base = before.figures
            await self._drive()
            self._phase = "draining"
            await asyncio.sleep(REPORTED_S)
            after = await self._drained()
            for task in around:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        finally:
            self._signals.ignore()
            self._gauge.close()
            self._log.close()
        return Outcome(
            run=self._plan.run,
            seed=self._plan.seed,
            data=self._plan.data,
            seconds=self._seconds,
            tally=self._driver.tally,
            base=self._base,
            total=after.figures,
            arrived_before=before.arrived,
            arrived=after.arrived,
            restarts=self._restarts(),
            undrained=self._refused or after.missing or before.missing,
        )

    def _asked(self) -> None:
        if self._stop.is_set():
            self._give_up.set()
        self._stop.set()

    async def _drive(self) -> None:
        plan, clock = self._plan, asyncio.get_running_loop().time
        shop = Shop(plan.seed, time.time_ns() // 1_000_000, plan.run, plan.rate)
        self._phase = "driving"
        started = self._started = clock()
        driving = asyncio.create_task(self._driver.run(shop.requests(), self._stop))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait(
            (driving, stopping), timeout=plan.seconds, return_when=asyncio.FIRST_COMPLETED
        )
        self._seconds = clock() - started
        self._stop.set()
        giving_up = asyncio.create_task(self._give_up.wait())
        await asyncio.wait(
            (driving, giving_up), timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not driving.done():
            self._refused = "the collector did not answer all that was sent"
            driving.cancel()
        stopping.cancel()
        giving_up.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await driving
        except DriveError as error:
            self._refused = str(error)

    async def _drained(self) -> Reading:
        """Wait until all that is in the log is decided and delivered, and read that moment.

        Timers go on firing meanwhile, so a reading counts only if all of it belongs together.
        """
        until = asyncio.get_running_loop().time() + PATIENCE_S
        newest: int | None = None
        while True:
            arrived = self._arrived()
            try:
                if newest is None:
                    newest = await asyncio.to_thread(self._log.last, 0)
                figures = await asyncio.to_thread(self._gauge.read)
                missing = figures.missing(newest)
            except (LogUnavailableError, FiguresError) as error:
                figures, missing = self._latest, str(error)
            if not missing and arrived != self._arrived():
                missing = "messages are still arriving"
            if missing and self._give_up.is_set():
                return Reading(figures, arrived, f"cut short by a second signal; {missing}")
            if not missing or asyncio.get_running_loop().time() > until:
                return Reading(figures, arrived, missing)
            await asyncio.sleep(0.1)

    async def _watching(self) -> None:
        while True:
            self._stack.watch()
            await asyncio.sleep(WATCH_S)

    async def _looking(self) -> None:
        while True:
            try:
                self._latest = await asyncio.to_thread(self._gauge.read)
            except FiguresError as error:
                log.warning("no figures now", reason=str(error))
            self._show(self._now())
            await asyncio.sleep(LOOK_S)

    def _now(self) -> Now:
        return Now(
            url=self._stack.url,
            phase=self._phase,
            elapsed=asyncio.get_running_loop().time() - self._started,
            tally=self._driver.tally,
            here=self._latest.since(self._base),
            total=self._latest,
            twice=sum(self._arrived().twice.values()),
            restarts=sum(self._restarts().values()),
        )

    def _arrived(self) -> Arrived:
        receipts = self._outside.receipts
        channels = ("email", "webhook")
        return Arrived(
            {c: receipts.distinct(c) for c in channels},
            {c: receipts.twice(c) for c in channels},
            receipts.repeated_here,
            self._outside.forged,
        )

    def _restarts(self) -> dict[str, int]:
        return {name: child.restarts for name, child in self._stack.children.items()}


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call from a signal handler, which may have interrupted the loop in its sleep."""
    loop.call_soon_threadsafe(call)
