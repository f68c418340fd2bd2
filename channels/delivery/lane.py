"""A lane: one channel's own queue, limit and calls. A slow channel fills its own lane only."""

import asyncio
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from channels.base import Channel, Later, Message, Outcome, Refused, Unknown
from channels.delivery.backoff import pause
from channels.delivery.gate import WITHDRAWN, StoreUnavailableError, Withdrawals, turned_away
from channels.delivery.ledger import Expired, Taken
from channels.delivery.templates import Renderer
from triggers.activation import Activation

_log = structlog.get_logger(__name__)

STORE_PAUSE = 0.5  # seconds between two tries to ask a store that is away


class Desk(NamedTuple):
    """What all lanes of a worker share."""

    intend: Callable[[Sequence[str]], Awaitable[set[str]]]
    settle: Callable[[str, str, Outcome | Expired], asyncio.Future[None]]  # id, channel, outcome
    withdrawals: Withdrawals
    renderer: Renderer
    handed: Callable[[Activation], int]  # ms; when an activation is handed over
    draw: Callable[[], float]  # a random number in [0, 1)
    attempts: int
    tell: Callable[[Activation, str], Awaitable[bool]]  # that a message failed, and why


class Lane:
    """Hands over one channel's messages, at most `calls` at a time.

    An intent is written only for messages that are called next: what waits in the queue when
    the process dies is surely not sent, and simply waits again. A call counts as open until its
    outcome is on disk, so a crash leaves at most `calls` messages unknown.
    """

    def __init__(
        self, name: str, channel: Channel, desk: Desk, *, keyed: bool, calls: int, depth: int
    ) -> None:
        self.name = name
        self._channel = channel
        self._desk = desk
        self._keyed = keyed
        self._depth = depth
        self._limit = calls
        self._queue: deque[Taken] = deque()
        self._calling = 0
        self._changed = asyncio.Event()
        self._stopping = False

    @property
    def room(self) -> int:
        """How many more the queue takes."""
        return self._depth - len(self._queue)

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    @property
    def calling(self) -> int:
        """How many calls are open."""
        return self._calling

    def offer(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """Queue what there is room for, and return the rest."""
        room = max(self.room, 0)
        self._queue.extend(taken[:room])
        self._changed.set()
        return taken[room:]

    def stop(self) -> None:
        """Let `run` return once the open calls are through; the queue stays in the ledger."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Work until stopped, then wait for the open calls."""
        async with asyncio.TaskGroup() as calls:
            while not self._stopping:
                size = min(self._limit - self._calling, len(self._queue))
                if not size:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                await self._start([self._queue.popleft() for _ in range(size)], calls)

    async def _start(self, batch: list[Taken], calls: asyncio.TaskGroup) -> None:
        """Check, render, write the intents and start the calls."""
        try:
            ready = await self._ready(batch)
        except StoreUnavailableError as error:
            _log.warning("store unavailable, sends wait", channel=self.name, reason=str(error))
            self._queue.extendleft(reversed(batch))
            await asyncio.sleep(STORE_PAUSE)
            return
        allowed = await self._desk.intend([m.id for _, m in ready])
        for taken, message in ready:
            if message.id in allowed:
                allowed.discard(message.id)  # one intent is one call, should an id be here twice
                self._calling += 1
                calls.create_task(self._call(taken, message))

    async def _ready(self, batch: list[Taken]) -> list[tuple[Taken, Message]]:
        """Return those with a message that may leave; settle the others."""
        activations = [t.activation for t in batch]
        away = await turned_away(activations, self._desk.withdrawals, self._desk.handed)
        made = [(t, await self._message(t.activation, away)) for t in batch]
        ready: list[tuple[Taken, Message]] = []
        for taken, message in made:
            if isinstance(message, Message):
                ready.append((taken, message))
            else:
                await self._finish(taken, message)
        return ready

    async def _message(
        self, activation: Activation, away: dict[str, Refused | Expired]
    ) -> Message | Refused | Expired | Later:
        if activation.id in away:
            return away[activation.id]
        return await self._desk.renderer.message(activation)

    async def _call(self, taken: Taken, message: Message) -> None:
        try:
            outcome = await self._channel.deliver(message)
        except Exception as error:  # noqa: BLE001 - recorded: a channel's bug must not stop others
            # Its text and its frames may hold the message, so only its kind and place are told.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.filename}:{place.lineno}"
            kind = type(error).__name__
            _log.error("bug in a channel", channel=self.name, id=message.id, kind=kind, where=where)
            outcome = self._after_bug()
        written = await self._finish(taken, outcome)
        if written is not None:
            await written
        self._calling -= 1
        self._changed.set()

    def _after_bug(self) -> Outcome:
        """Nobody knows how far the call got; only a receiver that drops copies is asked again."""
        if self._keyed:
            return Later(after=0.0, reason="bug in the channel")
        return Unknown(reason="bug in the channel")

    async def _finish(
        self, taken: Taken, outcome: Outcome | Expired
    ) -> asyncio.Future[None] | None:
        """Have an outcome written down, after whoever waits for word of a failure has it.

        Where nobody can be told before the worker stops it is not written either, and comes up
        again with the next start.
        """
        activation = taken.activation
        outcome = self._for_good(taken, outcome)
        if activation.tell and isinstance(outcome, Refused) and outcome.reason not in WITHDRAWN:
            told = await self._desk.tell(activation, outcome.reason)
            if not told:
                return None
        return self._desk.settle(activation.id, self.name, outcome)

    def _for_good(self, taken: Taken, outcome: Outcome | Expired) -> Outcome | Expired:
        """Say when a message is tried again, or that it never will be."""
        if isinstance(outcome, Later):
            if taken.attempts + 1 >= self._desk.attempts:
                return Refused(reason="gave_up")
            wait = pause(taken.attempts, outcome.after, self._desk.draw())
            return Later(after=wait, reason=outcome.reason)
        return outcome
