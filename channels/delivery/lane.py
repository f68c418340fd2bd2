"""A lane: one channel's own queue, limits and calls. A provider in trouble fills its own lane only."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import NamedTuple

import msgspec
import structlog

from channels.base import Channel, Later, Message, Outcome, Refused, Unknown
from channels.delivery.backoff import pause
from channels.delivery.breaker import Breaker, Patience
from channels.delivery.gate import StoreUnavailableError, Withdrawals, turned_away
from channels.delivery.ledger import Expired, Taken
from channels.delivery.pace import Pace
from channels.delivery.templates import Renderer
from channels.delivery.turns import Turns
from triggers.activation import Activation

_log = structlog.get_logger(__name__)

STORE_PAUSE = 0.5  # seconds between two tries to ask a store that is away


class Desk(NamedTuple):
    """What all lanes of a worker share."""

    intend: Callable[[Sequence[str]], Awaitable[set[str]]]
    settle: Callable[[Activation, Outcome | Expired], asyncio.Future[None]]
    low: Callable[[str], None]  # called with a lane's name where its queue is half empty
    withdrawals: Withdrawals
    renderer: Renderer
    handed: Callable[[Activation], int]  # ms; when an activation is handed over
    draw: Callable[[], float]  # a random number in [0, 1)
    attempts: int  # that are made at least
    trying: int  # ms from its decision, for which a message is tried that has nowhere else to go


class Limits(msgspec.Struct, frozen=True):
    """How much one channel's provider is asked for."""

    calls: int  # open at a time
    depth: int  # messages of a trigger that wait in memory
    per_s: float = inf  # messages a second
    patience: Patience = Patience()


class Lane:
    """Hands over one channel's messages, at most `calls` at a time.

    An intent is written only for messages that are called next: what waits in the queue when
    the process dies is surely not sent, and simply waits again. A call counts as open until its
    outcome is on disk, so a crash leaves at most `calls` messages unknown.
    """

    def __init__(
        self, name: str, channel: Channel, desk: Desk, *, keyed: bool, limits: Limits
    ) -> None:
        self.name = name
        self._channel = channel
        self._desk = desk
        self._keyed = keyed
        self._limit = limits.calls
        self._half = limits.depth // 2
        self._queue = Turns(limits.depth)
        self._breaker = Breaker(limits.patience)
        self._pace = Pace(limits.per_s)
        self._calling = 0
        self._changed = asyncio.Event()
        self._stopping = False

    def rooms(self) -> dict[str, int]:
        """Return how many more the queue takes of each trigger that waits in it."""
        return self._queue.rooms()

    @property
    def full(self) -> bool:
        """Whether there is a trigger of which the queue takes no more."""
        return 0 in self._queue.rooms().values()

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    @property
    def calling(self) -> int:
        """How many calls are open."""
        return self._calling

    @property
    def held(self) -> str:
        """Why nothing leaves at the moment, "" where nothing is in its way."""
        now = monotonic()
        if self._breaker.open:
            return f"the provider fails, asked again in {self._breaker.waits(now):.0f} s"
        wait = self._pace.waits(now)
        return f"too fast for the provider, going on in {wait:.0f} s" if wait > 1 else ""

    def offer(self, taken: Sequence[Taken]) -> Sequence[Taken]:
        """Queue what there is room for, and return the rest."""
        rest = self._queue.offer(taken)
        self._changed.set()
        return rest

    def stop(self) -> None:
        """Let `run` return once the open calls are through; the queue stays in the ledger."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Work until stopped, then wait for the open calls."""
        async with asyncio.TaskGroup() as calls:
            while not self._stopping:
                size = self._allowed()
                if size < 1:
                    await self._until_changed()
                    continue
                batch = self._queue.next(size)
                if len(self._queue) <= self._half:
                    self._desk.low(self.name)
                await self._start(batch, calls)

    def _allowed(self) -> int:
        """Return how many calls may begin now."""
        now = monotonic()
        most = min(self._limit, self._breaker.most(now)) - self._calling
        return int(max(0, min(most, self._pace.allows(now), len(self._queue))))

    async def _until_changed(self) -> None:
        """Wait until a call may begin that might not before."""
        self._changed.clear()
        now = monotonic()
        wait = max(self._breaker.waits(now), self._pace.waits(now)) if len(self._queue) else 0.0
        with suppress(TimeoutError):
            async with asyncio.timeout(wait or None):
                await self._changed.wait()

    async def _start(self, batch: list[Taken], calls: asyncio.TaskGroup) -> None:
        """Check, render, write the intents and start the calls."""
        try:
            ready = await self._ready(batch)
        except StoreUnavailableError as error:
            _log.warning("store unavailable, sends wait", channel=self.name, reason=str(error))
            self._queue.put_back(batch)
            await asyncio.sleep(STORE_PAUSE)
            return
        allowed = await self._desk.intend([m.id for _, m in ready])
        self._pace.take(len(allowed), monotonic())
        for taken, message in ready:
            if message.id in allowed:
                allowed.discard(message.id)  # one intent is one call, should an id be here twice
                self._calling += 1
                calls.create_task(self._call(taken, message))

    async def _ready(self, batch: list[Taken]) -> list[tuple[Taken, Message]]:
        """Return those with a message that may leave; settle the others."""
        activations = [t.activation for t in batch]
        away = await turned_away(activations, self._desk.withdrawals, self._desk.handed)
        rest = [a for a in activations if a.id not in away]
        made = away | await self._desk.renderer.messages(rest)
        ready: list[tuple[Taken, Message]] = []
        for taken in batch:
            message = made[taken.activation.id]
            if isinstance(message, Message):
                ready.append((taken, message))
            else:
                self._finish(taken, message)
        return ready

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
        self._judge(outcome)
        await self._finish(taken, outcome)
        self._calling -= 1
        self._changed.set()

    def _judge(self, outcome: Outcome) -> None:
        """Note what a call says of the provider."""
        now, trouble = monotonic(), ""
        match outcome:
            case Later(whose="pace", after=after):
                self._pace.hold(now + after)
                return
            case Unknown(reason=reason) | Later(whose="provider", reason=reason):
                trouble = reason
        if self._breaker.note(now, failed=bool(trouble)):
            if trouble:
                _log.error("the provider fails, sends wait", channel=self.name, reason=trouble)
            else:
                _log.info("the provider works again", channel=self.name)

    def _after_bug(self) -> Outcome:
        """Nobody knows how far the call got; only a receiver that drops copies is asked again."""
        if self._keyed:
            return Later(after=0.0, reason="bug in the channel", whose="provider")
        return Unknown(reason="bug in the channel")

    def _finish(self, taken: Taken, outcome: Outcome | Expired) -> asyncio.Future[None]:
        """Have an outcome written down, which says when a message is tried again, or that it never is.

        A message with another channel to go to is not kept waiting for long; every other is tried
        until whoever looks after the provider has surely had the time to.
        """
        a = taken.activation
        if isinstance(outcome, Later):
            elsewhere = a.tell or self._desk.handed(a) - a.decided >= self._desk.trying
            if elsewhere and taken.attempts + 1 >= self._desk.attempts:
                outcome = Refused(reason=f"gave_up: {outcome.reason}")
            else:
                wait = pause(taken.attempts, outcome.after, self._desk.draw())
                outcome = Later(after=wait, reason=outcome.reason)
        return self._desk.settle(a, outcome)
