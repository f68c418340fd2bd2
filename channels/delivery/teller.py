"""Tells the log what became of messages: after the ledger has it, until the log has it too.

The ledger remembers what is untold, so neither a crash nor a log that is away loses a word; what
is told twice counts once. Most of it is told from memory, a moment after it was written down.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import structlog

from channels.delivery.ledger import Ledger, Untold
from channels.delivery.receipts import receipts
from events.record import Event
from events.sources.base import LogUnavailableError

_log = structlog.get_logger(__name__)

AT_ONCE = 1_000  # told in one go
KEPT = 10_000  # in memory; more is read from the ledger when its turn comes
MARK_S = 1.0  # seconds between two markings of what is told


class Threads(Protocol):
    """Calls what blocks in a thread."""

    def __call__(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        """Call it there."""
        ...


class Teller:
    """Tells what is noted.

    Args:
        ledger: which remembers what is untold.
        say: appends events to the log; blocks.
        thread: where that may block.
        retry: seconds until a log that is away is tried again.
        room: how many wait in memory.
    """

    def __init__(
        self,
        ledger: Ledger,
        say: Callable[[Sequence[Event]], None],
        thread: Threads,
        retry: float,
        room: int = KEPT,
    ) -> None:
        self._ledger = ledger
        self._say = say
        self._thread = thread
        self._retry = retry
        self._room = room
        self._noted: list[Untold] = []
        self._told: list[Untold] = []  # and not marked yet
        self._marked = 0.0  # when some were
        self._behind = True  # the ledger may have more than was noted here
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()

    def note(self, untold: Untold) -> None:
        """Have something told that is written down."""
        if len(self._noted) < self._room:
            self._noted.append(untold)
        else:
            self._behind = True
        self._wake.set()

    def look(self) -> None:
        """Look into the ledger for more, since others wrote there."""
        self._behind = True
        self._wake.set()

    def stop(self) -> None:
        """Let `run` return once everything is told, or the log is away."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Tell until stopped."""
        while True:
            last = self._stop.is_set()
            self._wake.clear()
            heard = await self._tell_all()
            if last:
                break
            with suppress(TimeoutError):
                if heard:
                    await asyncio.wait_for(self._wake.wait(), MARK_S if self._told else None)
                else:
                    await asyncio.wait_for(self._stop.wait(), self._retry)
        await self._mark()

    async def _tell_all(self) -> bool:
        """Tell until there is no more; False where the log is away."""
        while some := await self._next():
            events = [event for one in some for event in receipts(one)]
            try:
                if events:
                    await self._thread(self._say, events)
            except LogUnavailableError as error:
                _log.warning("nobody hears what became of messages", reason=str(error))
                return False
            del self._noted[: len(some)]
            self._told += some
            if asyncio.get_running_loop().time() - self._marked >= MARK_S:
                await self._mark()
        return True

    async def _next(self) -> list[Untold]:
        if not self._noted and self._behind:
            await self._mark()  # or the same would be read
            self._behind = False
            found = await self._thread(self._ledger.untold, AT_ONCE)
            self._behind |= len(found) == AT_ONCE
            noted = {(one.activation.id, one.at) for one in self._noted}  # while it was read
            self._noted[:0] = [one for one in found if (one.activation.id, one.at) not in noted]
        return self._noted[:AT_ONCE]

    async def _mark(self) -> None:
        told, self._told = self._told, []
        self._marked = asyncio.get_running_loop().time()
        if told:
            await self._thread(self._ledger.told, told)
