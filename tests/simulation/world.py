"""Time and processes: one queue of what happens next, and a clock that jumps to it."""

import asyncio
import contextvars
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

Context = contextvars.Context | None


class Died(BaseException):
    """The process ends here, in the middle of whatever it does."""


class Trace:
    """What happened, line by line; two runs of a seed have the same hash."""

    def __init__(self, *, kept: int | None) -> None:
        self.lines: deque[str] = deque(maxlen=kept)
        self._hash = blake2b(digest_size=16)

    def add(self, us: int, who: str, what: str) -> None:
        """Add a line."""
        line = f"{us / 1e6:.6f} {who} {what}"
        self.lines.append(line)
        self._hash.update(line.encode())

    @property
    def hash(self) -> str:
        """Name the whole trace."""
        return self._hash.hexdigest()


class World:
    """The clock, and all that is still to happen.

    >>> world = World(seed=1, start_ms=1000)
    >>> world.outside.call_later(5, lambda: None) and None
    >>> world.run(until_ms=9000)
    >>> world.ms
    9000
    """

    def __init__(self, seed: int, start_ms: int, *, kept: int | None = 0) -> None:
        self.us = start_ms * 1000
        self.seed = seed
        self.trace = Trace(kept=kept)
        self.errors: list[str] = []
        self._queue: list[tuple[int, int, Process, asyncio.Handle]] = []
        self._order = count()
        self._processes: list[Process] = []
        self.outside = Process(self, "outside")  # what no fault ends

    @property
    def ms(self) -> int:
        """Return the true time."""
        return self.us // 1000

    def draw(self, what: str) -> Random:
        """Return a source of chance of its own, so that one part's draws move no other's."""
        return Random(f"{self.seed}/{what}")

    def say(self, who: str, what: str) -> None:
        """Write into the trace."""
        self.trace.add(self.us, who, what)

    def plan(self, us: int, process: "Process", handle: asyncio.Handle) -> None:
        """Have something happen at an instant, after what is planned for it already."""
        heappush(self._queue, (max(us, self.us), next(self._order), process, handle))

    def born(self, process: "Process") -> None:
        """Remember a process, whose end must be tidy."""
        self._processes.append(process)

    def run(self, until_ms: int) -> None:
        """Let time pass."""
        queue, until, running = self._queue, until_ms * 1000, None
        while queue and queue[0][0] <= until and not self.errors:
            us, order, process, handle = heappop(queue)
            if process.frozen_us > us:
                heappush(queue, (process.frozen_us, order, process, handle))
                continue
            if not process.alive:
                process.miss(handle)
                continue
            if handle.cancelled():
                continue
            self.us = us
            if process is not running:
                running = process
                process.enter()
            handle._run()
        asyncio._set_running_loop(None)
        self.us = max(self.us, until)

    def close(self) -> None:
        """Unwind what dead and living processes were in the middle of; nothing of it has effect."""
        for _, _, process, handle in self._queue:
            process.miss(handle)
        for process in self._processes:
            process.unwind()


class Process:
    """A process: an event loop on the world's clock that can die or freeze between two steps.

    It has what asyncio's tasks and timers ask of a loop, and no more. `fuse` is a point at which it dies; whoever touches a server asks `dies` on the way.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self._loop: Any = self  # for asyncio, which wants the whole of a loop and uses this part
        self.alive = True
        self.frozen_us = 0
        self.fuse = ""
        self.on_death: Callable[[], None] = lambda: None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._afterlife: deque[asyncio.Handle] = deque()
        self._unwinding = False
        world.born(self)

    def __repr__(self) -> str:
        return f"Process({self.name!r}, alive={self.alive})"

    def say(self, what: str) -> None:
        """Write into the trace."""
        self.world.say(self.name, what)

    # Life and death.

    def dies(self, point: str) -> bool:
        """Die if this is the point, and say so."""
        if self.fuse != point:
            return not self.alive
        self.kill(point)
        return True

    def reach(self, point: str) -> None:
        """Die here if this is the point; for code that does not await."""
        if self.dies(point):
            raise Died(point)

    def kill(self, why: str) -> None:
        """End the process as `kill -9` does: no line of it runs any more."""
        if self.alive:
            self.alive = False
            self.fuse = ""
            self.say(f"dies: {why}")
            self.on_death()

    def freeze(self, seconds: float) -> None:
        """Stop it as SIGSTOP does."""
        self.frozen_us = self.world.us + round(seconds * 1e6)
        self.say(f"freezes for {seconds:.0f} s")

    async def gone(self) -> Any:
        """Wait for an answer that a dead process never gets."""
        await self.create_future()

    def enter(self) -> None:
        """Be the loop that asyncio finds running."""
        asyncio._set_running_loop(self._loop)

    def miss(self, handle: asyncio.Handle) -> None:
        """Keep for the unwinding what a task waits for that is no timer."""
        if not isinstance(handle, asyncio.TimerHandle):
            self._afterlife.append(handle)

    def unwind(self) -> None:
        """Let every task see that it is cancelled, so that the interpreter finds nothing open."""
        self.alive, self._unwinding = False, True
        for task in list(self._tasks):
            task.cancel()
        self.enter()
        while self._afterlife:
            handle = self._afterlife.popleft()
            if not handle.cancelled():
                handle._run()
        asyncio._set_running_loop(None)

    # What asyncio asks of an event loop.

    def time(self) -> float:
        return self.world.us / 1e6

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._loop, context)
        if self._unwinding:
            self._afterlife.append(handle)
        else:
            self.world.plan(self.world.us, self, handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self._loop, context)
        if not self._unwinding:
            self.world.plan(round(when * 1e6), self, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._loop)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Context = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self._loop, name=str(name), context=context)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None and self.alive:
            self.world.errors.append(f"{self.name}: {_told({'exception': error})}")

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        raise NotImplementedError(f"{self.name} has no threads")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.alive:
            self.world.errors.append(f"{self.name}: {_told(context)}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled handle is passed over when its time comes."""


def _told(context: dict[str, Any]) -> str:
    """Say what went wrong, and where."""
    error = context.get("exception")
    if error is None:
        return str(context["message"])
    where = " <- ".join(
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    )
    return f"{error!r} at {where}"
