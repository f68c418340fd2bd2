"""The activation worker: from the activation stream to the providers, each message once.

    stream -> take (ledger) -> lane of its channel: gate -> render -> intent (ledger) -> call
                                                                        outcome (ledger) <-'

Order is what makes it safe. An entry counts as read when the ledger has its activations; a call
is made when its intent is on disk. A crash anywhere leaves a row that says what may have
happened, and the ledger decides from it (see slot.py).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from typing import Any, NamedTuple, TypeVar

import msgspec
import structlog

from channels.base import Channel, Later, Outcome
from channels.delivery.breaker import Patience
from channels.delivery.copies import Copies
from channels.delivery.gate import ERASED, StoreUnavailableError, Withdrawals
from channels.delivery.lane import Desk, Lane, Limits
from channels.delivery.latency import Latencies
from channels.delivery.ledger import HORIZON, START, Expired, Ledger, Settled, Taken, Untold
from channels.delivery.links import Links
from channels.delivery.receipts import tells
from channels.delivery.slot import final
from channels.delivery.stand_in import StandIn
from channels.delivery.teller import Teller
from channels.delivery.templates import Renderer
from channels.delivery.vouchers import Take, Wanted, none_left
from channels.delivery.workspaces import InMemoryWorkspaces, Workspaces
from events.record import Event
from events.sources.base import Entry, Log, LogUnavailableError, LostHistoryError
from triggers.activation import Activation, decode

_log = structlog.get_logger(__name__)
T = TypeVar("T")

SWEPT = 500  # messages that wait, looked at in one go


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker works."""

    attempts: int = 8  # calls at least before a message is given up
    trying: int = 86_400_000  # ms from its decision until it may be, unless it has another channel
    calls: int = 64  # open at a time, a channel; what a crash may leave `unknown`
    calls_of: dict[str, int] = msgspec.field(
        default_factory=lambda: {"email": 24, "log": 256, "slack": 1}
    )
    per_s_of: dict[str, float] = msgspec.field(
        default_factory=lambda: {"slack": 1.0}  # what it takes; of others as many as it goes
    )
    patience: Patience = Patience()  # with a provider that fails
    depth: int = 500  # messages that wait in memory, a channel and trigger; more in the ledger
    entries: int = 256  # read at a time, a partition
    wait_ms: int = 200  # a read waits so long for the first entry; a stop waits as long
    tick: float = 0.1  # seconds between two looks at what is due
    save: float = 1.0  # seconds between two savings of the cursors
    revive: float = 5.0  # seconds between two tries of a slot that failed, or of a log that is away
    look: float = 1.0  # seconds between two looks whether an operator decided something
    sweep: float = 20.0  # seconds between two looks whether somebody was erased whose messages wait
    prune: float = 3600.0  # seconds between two prunings of the ledger


class _Writing(NamedTuple):
    """An outcome that is to be written down."""

    activation: Activation
    outcome: Outcome | Expired
    written: asyncio.Future[None]


class Worker:
    """Serves the slots of one ledger. It owns none of what it is given; close that after `run`.

    Args:
        stream: the activation stream.
        ledger: the open ledger.
        channels: by name; `log` must be one of them, it stands in for those that are missing.
        keyed: whether a channel's receiver drops a second message with the same id.
        withdrawals: asked right before each call.
        workspaces: where templates come from.
        vouchers: gives messages their codes; blocks. Nobody has any, if not given.
        now: ms.
        now_us: us, for latencies; from `now` if not given.
        say: puts events into the log, where what became of messages is heard. None where nobody
            listens.
        copies: makes those for seed addresses; none are made, if not given.
        links: what leaves with messages and leads home; nothing does, if not given.
        handed: ms; when an activation is handed over. Now, if not given; in a replay of the
            past it is when it was decided, or all would be too late.
        draw: a random number in [0, 1), for back-off.
        delivery: how to work.
    """

    def __init__(
        self,
        stream: Log,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        *,
        keyed: Callable[[str], bool],
        withdrawals: Withdrawals,
        workspaces: Workspaces,
        links: Links | None = None,
        copies: Copies | None = None,
        now: Callable[[], int],
        vouchers: Take = none_left,
        now_us: Callable[[], int] | None = None,
        handed: Callable[[Activation], int] | None = None,
        say: Callable[[Sequence[Event]], None] | None = None,
        draw: Callable[[], float] = random.random,
        delivery: Delivery | None = None,
    ) -> None:
        if "log" not in channels:
            raise ValueError("a worker needs the channel 'log', it stands in for missing ones")
        self._stream = stream
        self._ledger = ledger
        self._channels = channels
        self._keyed = keyed
        self._now = now
        self._now_us = now_us or (lambda: now() * 1000)
        self._handed = handed or (lambda _: now())
        self._how = delivery or Delivery()
        self._withdrawals = withdrawals
        self._vouchers = vouchers
        self._copies = copies or Copies(InMemoryWorkspaces())
        self._lanes: dict[str, Lane] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._after = [ledger.cursor(p).read for p in range(stream.partitions)]
        self._taking = asyncio.Lock()  # an entry is taken and marked while no slot comes back
        self._settled: list[_Writing] = []
        self._to_settle = asyncio.Event()
        self._full: set[str] = set()  # lanes that had no room when something was handed out
        self._low = asyncio.Event()  # one of them is half empty
        self._counts: Counter[str] = Counter()
        self._by_channel: dict[str, Counter[str]] = {}
        self._latencies = Latencies()
        self._told = START  # the floor of which it was said that messages expire by it
        self._threads = ThreadPoolExecutor(stream.partitions + 4, thread_name_prefix="worker")
        self._desk = Desk(
            intend=self._intend,
            settle=self._settle,
            low=self._runs_low,
            withdrawals=withdrawals,
            renderer=Renderer(workspaces, self._codes, links),
            handed=self._handed,
            draw=draw,
            attempts=self._how.attempts,
            trying=self._how.trying,
        )
        self._teller = None if say is None else Teller(ledger, say, self._thread, self._how.revive)

    def __repr__(self) -> str:
        return f"Worker({self._ledger!r}, channels={sorted(self._channels)})"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then let the open calls end and write down what came of them.

        What waits in a lane stays `pending` in the ledger and is sent after the next start.

        Raises:
            ExceptionGroup: around a bug; nothing is lost, the next start goes on.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                drained = asyncio.Event()
                settling = tasks.create_task(self._settling(drained))
                reading = [
                    tasks.create_task(self._reading(p, stop))
                    for p in range(self._stream.partitions)
                ]
                feeding = tasks.create_task(self._feeding(stop))
                ticking = tasks.create_task(self._ticking(stop))
                sweeping = tasks.create_task(self._sweeping(stop))
                telling = tasks.create_task(self._teller.run()) if self._teller else None
                await asyncio.wait([*reading, feeding, ticking, sweeping])
                for lane in self._lanes.values():
                    lane.stop()
                if self._running:
                    await asyncio.wait(self._running.values())
                drained.set()
                self._to_settle.set()
                await settling
                if self._ledger.owes:
                    await self._thread(self._ledger.revive, self._now())
                if self._teller is not None and telling is not None:
                    self._teller.stop()
                    await telling
                await self._thread(self._ledger.save)
        finally:
            self._threads.shutdown()

    def stats(self) -> dict[str, Any]:
        """Return counters since the start, what is in hand, and the latencies to our hands."""
        return {
            "taken": self._counts["taken"],
            "delivered": self._counts["delivered"],
            "bounced": self._counts["bounced"],
            "refused": self._counts["refused"],
            "dead": self._counts["dead"],
            "unknown": self._counts["unknown"],
            "expired": self._counts["expired"],
            "retried": self._counts["retried"],
            "waiting": sum(lane.waiting for lane in self._lanes.values()),
            "calling": sum(lane.calling for lane in self._lanes.values()),
            "channels": {name: dict(counts) for name, counts in self._by_channel.items()},
            "held": {name: why for name, lane in self._lanes.items() if (why := lane.held)},
            "unserved": dict(self._ledger.unserved),
            "latency_ms": self._latencies.quantiles(),
        }

    def trimmable(self) -> list[int]:
        """Return for each partition the id below which this worker needs no entry any more.

        Everything below is fsynced in the ledgers, so a stream trimmed there loses nothing.
        """
        return [self._ledger.cursor(p).needed for p in range(self._stream.partitions)]

    async def _reading(self, partition: int, stop: asyncio.Event) -> None:
        while not stop.is_set():
            after = self._after[partition]
            try:
                entries = await self._thread(
                    self._stream.read, partition, after, self._how.entries, self._how.wait_ms
                )
            except LostHistoryError as error:
                _log.error("the stream lost activations, reading what is there", reason=str(error))
                await self._begin_again(partition)
                await asyncio.sleep(self._how.tick)
                continue
            except LogUnavailableError as error:
                _log.warning("activation stream unavailable", reason=str(error))
                await asyncio.sleep(self._how.tick)
                continue
            if entries:
                arrived = self._now_us()
                activations = [a for entry in entries for a in _decoded(partition, entry)]
                await self._take(partition, after, entries[-1].id, activations, arrived)

    async def _begin_again(self, partition: int) -> None:
        """Read whatever there is: what the ledger knows, it drops."""
        async with self._taking:
            try:
                gone = await self._thread(self._stream.gone, partition)
            except LogUnavailableError:
                return  # the next read says so
            await self._thread(self._ledger.rewind, partition, gone)
            self._copies.forget()
            self._after[partition] = gone

    async def _take(
        self, partition: int, after: int, last: int, activations: list[Activation], arrived: int
    ) -> None:
        async with self._taking:
            if self._after[partition] != after:
                return  # a slot came back meanwhile and needs older entries first
            activations = activations + await self._copies.of(activations)
            now = min((self._handed(a) for a in activations), default=self._now())
            down = self._no_room_for(activations)
            new = await self._thread(self._ledger.take, activations, now, down)
            self._ledger.mark(partition, last)
            self._after[partition] = last
        self._mind_the_clock(activations)
        self._counts["taken"] += len(new)
        for a in new:
            if a.accepted_us is not None:
                self._latencies.add((arrived - a.accepted_us) / 1000)
        await self._hand_out([Taken(a, 0) for a in new if a.id not in down])

    def _no_room_for(self, activations: Sequence[Activation]) -> set[str]:
        """Return which have to wait in the ledger from the first, since their lane is full."""
        rooms, down = self._rooms(), set()
        for a in activations:
            room = rooms.setdefault((a.channel, a.trigger), self._how.depth)
            if room > 0:
                rooms[a.channel, a.trigger] = room - 1
            else:
                down.add(a.id)
        return down

    def _mind_the_clock(self, activations: Sequence[Activation]) -> None:
        """Say that messages expire since the clock was ahead when ids were forgotten."""
        floor = self._ledger.floor
        if floor in (START, self._told) or floor <= self._now() - HORIZON:
            return
        if any(a.decided < floor for a in activations):
            self._told = floor
            ahead_s = (floor + HORIZON - self._now()) // 1000
            _log.error("messages expire, for the clock went back", seconds=ahead_s, floor_ms=floor)

    async def _hand_out(self, taken: Sequence[Taken]) -> None:
        """Give each lane its messages; what a full lane has no room for waits in the ledger."""
        groups: dict[str, list[Taken]] = {}
        for t in taken:
            groups.setdefault(t.activation.channel, []).append(t)
        left = [
            t.activation.id for name, group in groups.items() for t in self._lane(name).offer(group)
        ]
        if left:
            await self._thread(self._ledger.defer, left, self._now())

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes:
            channel = self._channels.get(name) or StandIn(name, self._channels["log"])
            lane = Lane(
                name,
                channel,
                self._desk,
                keyed=self._keyed(name),
                limits=Limits(
                    self._how.calls_of.get(name, self._how.calls),
                    self._how.depth,
                    self._how.per_s_of.get(name, inf),
                    self._how.patience,
                ),
            )
            self._lanes[name] = lane
            self._running[name] = self._tasks.create_task(lane.run())
        return self._lanes[name]

    def _rooms(self) -> dict[tuple[str, str], int]:
        """Return how many more messages of a channel and trigger may wait in memory."""
        return {
            (name, trigger): room
            for name, lane in self._lanes.items()
            for trigger, room in lane.rooms().items()
        }

    async def _feeding(self, stop: asyncio.Event) -> None:
        """Hand out what is due: when it may be, and as soon as a lane that was full runs low."""
        while not stop.is_set():
            self._low.clear()
            if self._ledger.next_due() <= self._now():
                depth, room = self._how.depth, self._rooms()
                await self._hand_out(await self._thread(self._ledger.due, self._now(), depth, room))
                self._full = {name for name, lane in self._lanes.items() if lane.full}
            with suppress(TimeoutError):
                await asyncio.wait_for(self._low.wait(), self._how.tick)

    def _runs_low(self, lane: str) -> None:
        if lane in self._full:
            self._full.discard(lane)
            self._low.set()

    async def _ticking(self, stop: asyncio.Event) -> None:
        """Look after the ledger."""
        clock = asyncio.get_running_loop().time
        saved = revived = pruned = looked = clock()
        while not stop.is_set():
            at = clock()
            if at - saved >= self._how.save:
                saved = at
                await self._thread(self._ledger.save)
            troubled = self._ledger.unserved or self._ledger.owes
            if troubled and at - revived >= self._how.revive:
                revived = at
                await self._revive()
            if at - looked >= self._how.look:
                looked = at
                if await self._thread(self._ledger.changed) and self._teller is not None:
                    self._teller.look()
            if at - pruned >= self._how.prune:
                pruned = at
                await self._thread(self._ledger.prune, self._now())
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._how.tick)
        self._low.set()  # so that nobody waits for it any more

    async def _sweeping(self, stop: asyncio.Event) -> None:
        """Let go of what waits for somebody who was erased; for its call it may wait for long."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._how.sweep)
                return
            try:
                await self._sweep()
            except StoreUnavailableError as error:
                _log.warning("store unavailable, nothing is swept", reason=str(error))

    async def _sweep(self) -> None:
        held = self._ledger.held(SWEPT)
        while some := await self._thread(next, held, None):
            withdrawn = await self._withdrawals.check(some)
            erased = [i for i, why in withdrawn.items() if why == ERASED]
            if erased:
                await self._thread(self._ledger.erase, erased, self._now())

    async def _revive(self) -> None:
        async with self._taking:
            for slot, reason in self._ledger.unserved.items():
                _log.error("slot is not served", slot=slot, reason=reason)
            if await self._thread(self._ledger.revive, self._now()):
                self._after = [self._ledger.cursor(p).read for p in range(len(self._after))]
                self._copies.forget()
        if self._teller is not None:
            self._teller.look()  # at what was written down only now

    async def _intend(self, ids: Sequence[str]) -> set[str]:
        return await self._thread(self._ledger.intend, ids, self._now()) if ids else set()

    async def _codes(self, wanted: Sequence[Wanted]) -> dict[Wanted, str]:
        return await self._thread(self._vouchers, wanted, self._now())

    def _settle(self, activation: Activation, outcome: Outcome | Expired) -> asyncio.Future[None]:
        """Have an outcome written down; the future is done when it is."""
        written = asyncio.get_running_loop().create_future()
        self._settled.append(_Writing(activation, outcome, written))
        self._to_settle.set()
        return written

    async def _settling(self, drained: asyncio.Event) -> None:
        """Write outcomes down, as many at a time as have come in while the last were written."""
        while self._settled or not drained.is_set():
            await self._to_settle.wait()
            self._to_settle.clear()
            batch, self._settled = self._settled, []
            if not batch:
                continue
            now = self._now()
            settled = [Settled(w.activation.id, w.outcome, self._tells(w)) for w in batch]
            await self._thread(self._ledger.settle, settled, now)
            for (activation, outcome, written), (_, _, tell) in zip(batch, settled, strict=True):
                if not written.done():  # its call may have been cancelled
                    written.set_result(None)
                if isinstance(outcome, Later):
                    word = "retried"
                else:
                    word, detail = final(outcome)
                    if tell and self._teller is not None:
                        self._teller.note(Untold(activation, word, detail, now))
                self._counts[word] += 1
                self._by_channel.setdefault(activation.channel, Counter())[word] += 1

    def _tells(self, writing: "_Writing") -> bool:
        """Say whether the log hears of an outcome; what a stand-in did happened to nobody."""
        channel = writing.activation.channel
        return (
            self._teller is not None
            and channel in self._channels
            and tells(channel, writing.outcome)
        )

    async def _thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call what blocks; not in asyncio's own threads, which others may fill."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


def _decoded(partition: int, entry: Entry) -> list[Activation]:
    """Unpack an entry. One that cannot be read stops the worker: skipping it would lose sends."""
    try:
        return decode(entry.payload)
    except msgspec.MsgspecError as error:
        raise ValueError(
            f"activation stream, partition {partition}, entry {entry.id}: not a list of "
            f"activations ({error}); start the worker version that goes with the engine"
        ) from error
