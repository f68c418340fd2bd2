"""The ledger's server with its stream of activations, and the wires of engines and workers.

What a store sends waits in flight: it is applied later, in order, or never where the connection
breaks. What a dead engine sent may still arrive after another one has taken over.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import Any

import msgspec

from channels.delivery.gate import InMemoryWithdrawals, StoreUnavailableError
from events.record import Offset
from events.sources.base import Entry, LogUnavailableError
from profile_state.copies.base import Seen
from profile_state.stores.base import (
    Chunk,
    FencedError,
    LedgerLostError,
    Loaded,
    Mark,
    Outputs,
    Recovered,
)
from profile_state.stores.memory import MemoryStore, Shelf
from tests.simulation.log import hash_of
from tests.simulation.world import Process, World
from triggers.activation import Activation
from triggers.activation import decode as activations_in


class LedgerServer:
    """What outlives every process, except that a restart may lose its last moments."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shelf = Shelf()
        self.stream: list[Entry] = []  # of activations
        self.run = 0  # changes with each restart
        self.away_until_us = 0
        self.decided: dict[str, list[Activation]] = {}  # every activation ever put out, by id
        self.withdrawn: dict[
            str, tuple[int, int]
        ] = {}  # key -> (instant, us since when it is here)
        self.told: dict[str, tuple[int, int]] = {}  # the same, whatever a restart lost
        self.vouched: int | None = None  # the run for which an engine has vouched
        self.changed_by_fenced: list[str] = []  # what a writer that was replaced changed
        self.readers: dict[str, Callable[[], None]] = {}
        self._kept: tuple[Shelf, list[Entry], dict[str, tuple[int, int]]] | None = None
        self._trimmed = -1

    @property
    def away(self) -> bool:
        """Whether it answers nobody at present."""
        return self.world.us < self.away_until_us

    def apply(self, writer: MemoryStore, call: str, argument: Any) -> None:
        """Carry out a call of a writer, whether or not it is still the owner."""
        shelf = self.shelf
        before = _print(shelf) if is_fenced(writer) else None
        if call == "vouch":
            self.vouched = self.vouched if before is not None else argument
            return
        puts = len(shelf.activations)
        getattr(writer, call)(argument)
        if before is not None and _print(shelf) != before:
            self.changed_by_fenced.append(call)
        if call != "put" or (before is not None and _print(shelf) == before):
            return
        for who, purpose, channel, at in argument.withdrawals:
            key = f"withdrawn:{who}:{purpose}:{channel}"
            if key not in self.withdrawn or at > self.withdrawn[key][0]:
                self.withdrawn[key] = (at, self.world.us)
            if key not in self.told or at > self.told[key][0]:
                self.told[key] = (at, self.world.us)
        for payload in shelf.activations[puts:]:
            self._add(payload)

    def _add(self, payload: bytes) -> None:
        newest = self.stream[-1].id if self.stream else self._trimmed
        entry = Entry(max(self.world.us, newest + 1), self.world.ms, payload)
        self.stream.append(entry)
        for one in activations_in(payload):
            self.decided.setdefault(one.id, []).append(one)
        for wake in self.readers.values():
            wake()

    def read(self, after: int, limit: int) -> Sequence[Entry]:
        """Read activations."""
        start = len(self.stream)
        while start and self.stream[start - 1].id > after:
            start -= 1
        return self.stream[start : start + limit]

    def trim(self, before: int) -> None:
        """Let go of activations that the delivery ledgers hold."""
        self._trimmed = max(self._trimmed, before - 1)
        self.stream = [entry for entry in self.stream if entry.id >= before]

    def remember(self) -> None:
        """Note what the disk holds now; a restart goes back to it."""
        self._kept = (_copied(self.shelf), self.stream[:], dict(self.withdrawn))

    def restart(self) -> None:
        """Come back as of the last `remember`, under another run id."""
        if self._kept is None:
            return
        self.shelf, stream, self.withdrawn = self._kept
        newest = self.stream[-1].id if self.stream else -1
        self._trimmed = max(self._trimmed, newest)  # ids follow the clock, and are not used again
        self.stream, self._kept = stream, None
        self.run += 1
        self.world.say("ledger", f"restarts as run {self.run}")


class EngineStore:
    """The ledger as one engine's process sees it: calls in flight, answers later."""

    def __init__(self, process: Process, server: LedgerServer) -> None:
        self.broken = False  # set by a fault: this connection is over
        self._process = process
        self._server = server
        self._draw = server.world.draw(f"store {process.name}")
        self._writer = MemoryStore(server.shelf)
        self._run = server.run
        self._flight: deque[tuple[str, Any]] = deque()
        self._sent = self._applied = 0
        self._chunks = 0  # of the generation that drains

    def own(self) -> Recovered:
        self._process.reach("own:before")
        if self._server.away:
            raise LedgerLostError("away")
        self.scatter()
        self._writer = MemoryStore(self._server.shelf)
        self._run, self.broken = self._server.run, False
        self._sent = self._applied = 0
        recovered = self._writer.own()
        self._process.say(f"owns, entry {recovered.mark.offset.entry}")
        self._process.reach("own:after")
        return recovered

    def load(self, identifiers: Iterable[str], people: Iterable[str]) -> Loaded:
        self._process.reach("load:before")
        self._answers()
        return self._writer.load(identifiers, people)

    def within(self, first: int, last: int) -> list[str]:
        self._process.reach("within:before")
        self._answers()
        return self._writer.within(first, last)

    def people(self) -> int:
        self._answers()
        return self._writer.people()

    def who_saw(self, how: str, item: str, since: int) -> list[str]:
        self._answers()
        return self._writer.who_saw(how, item, since)

    def counts(self) -> dict[str, int]:
        self._answers()
        return self._writer.counts()

    def due(self, first: int, last: int) -> list[tuple[int, str]]:
        self._answers()
        return self._writer.due(first, last)

    def oldest_copies(self, after: int, rows: int) -> list[list[Seen]]:
        self._process.reach("oldest_copies:before")
        self._answers()
        return self._writer.oldest_copies(after, rows)

    def dead(self) -> Iterator[tuple[Offset, bytes]]:
        raise NotImplementedError("an engine never reads dead letters")

    def put(self, outputs: Outputs) -> None:
        self._send("put", outputs)

    def write(self, chunk: Chunk) -> None:
        self._send("write", chunk)

    def mark(self, mark: Mark) -> None:
        self._send("mark", mark)

    def vouch(self) -> None:
        self._send("vouch", self._run)

    def _send(self, call: str, argument: Any) -> None:
        """Send a call; `spread …` are the points of a generation of several chunks."""
        if call == "write":
            self._chunks += 1
        self._reach(f"{call}:before")
        self._answers()
        self._sent += 1
        self._flight.append((call, argument))
        self._process.say(f"{call} {_said(argument)}")
        self._reach(f"{call}:after")
        if call == "mark":
            self._chunks = 0

    def _reach(self, point: str) -> None:
        self._process.reach(point)
        if self._chunks > 1:
            self._process.reach(f"spread {point}")

    @property
    def sent(self) -> int:
        return self._sent

    def settled(self, wait_s: float = 0) -> int:
        self._reach("settled:before")
        self._answers()
        slow = not wait_s and self._draw.random() < 0.2
        self._arrive(self._draw.randrange(len(self._flight) + 1) if slow else len(self._flight))
        self._writer.settled()
        return self._applied

    def close(self) -> None:
        self.scatter()

    def scatter(self) -> None:
        """The connection is over: some of what is in flight arrived, some does later, or never."""
        self._arrive(self._draw.randrange(len(self._flight) + 1))
        late = [self._flight.popleft() for _ in range(self._draw.randrange(len(self._flight) + 1))]
        writer, run, server = self._writer, self._run, self._server
        self._flight.clear()

        def arrive() -> None:
            for call, argument in late:
                if server.run == run:
                    server.apply(writer, call, argument)

        if late:
            server.world.outside.call_later(self._draw.random() * 5, arrive)

    def _answers(self) -> None:
        if self.broken or self._run != self._server.run or self._server.away:
            self.broken = True
            raise LedgerLostError("the connection broke")

    def _arrive(self, calls: int) -> None:
        if self._run != self._server.run:
            return
        for _ in range(calls):
            self._server.apply(self._writer, *self._flight.popleft())
            self._applied += 1


class Stream:
    """The activation stream as a worker's process sees it."""

    partitions = 1

    def __init__(self, process: Process, server: LedgerServer) -> None:
        self._process = process
        self._server = server

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:  # noqa: ARG002 - the process waits, see workers
        if self._server.away:
            raise LogUnavailableError("away")
        return self._server.read(after, limit)

    def trim(self, partition: int, before: int) -> None:  # noqa: ARG002 - there is one
        if not self._server.away:
            self._server.trim(before)

    def append(self, partition: int, payload: bytes) -> int:
        raise NotImplementedError("only an engine's store adds activations")

    def back(self, partition: int, before: int, limit: int) -> Sequence[Entry]:
        raise NotImplementedError("a worker never looks back")

    def last(self, partition: int) -> int:
        raise NotImplementedError("a worker reads on, whatever the end is")

    def gone(self, partition: int) -> int:
        raise NotImplementedError("a worker asks for no past")

    def fullness(self) -> float:
        return 0.0

    def close(self) -> None:
        pass


class Gate:
    """The withdrawals and the workspaces as a worker's process sees them."""

    def __init__(self, server: LedgerServer) -> None:
        self._server = server

    def _answers(self) -> None:
        if self._server.away:
            raise StoreUnavailableError("away")

    def _vouched(self) -> None:
        if self._server.vouched != self._server.run:
            raise StoreUnavailableError("nobody has vouched for this run")

    async def check(self, activations: Sequence[Activation]) -> dict[str, str]:
        self._answers()
        self._vouched()
        asked = InMemoryWithdrawals()
        asked.at = {key: at for key, (at, _) in self._server.withdrawn.items()}
        return await asked.check(activations)

    async def files(self, version: str) -> dict[str, str] | None:
        self._answers()
        packed = self._server.shelf.workspaces.get(version)
        return None if packed is None else msgspec.msgpack.decode(packed, type=dict[str, str])


def is_fenced(writer: MemoryStore) -> bool:
    """Whether another writer has replaced this one."""
    try:
        writer.settled()
    except FencedError:
        return True
    return False


def _print(shelf: Shelf) -> str:
    return repr({name: value for name, value in vars(shelf).items() if name != "epoch"})


def _copied(shelf: Shelf) -> Shelf:
    twin = Shelf()
    for name, value in vars(shelf).items():
        setattr(twin, name, copy(value))
    return twin


def _said(argument: Outputs | Chunk | Mark | int) -> str:
    """Say in the trace what a call is about, in an order that no hash of a string decides."""
    match argument:
        case Outputs():
            return f"{hash_of(argument.activations or b'')} seen {len(argument.seen)}"
        case Chunk():
            return (
                " ".join(f"{person} {hash_of(value)}" for person, value in argument.people)
                + "".join(f" +{person} {hash_of(value)}" for person, value in argument.added)
                + f" {argument.dues} -{argument.removed} {sorted(argument.index)}"
            )
        case Mark():
            return str(argument.offset)
        case run:
            return f"for run {run}"
