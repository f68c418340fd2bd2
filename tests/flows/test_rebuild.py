"""I12: a ledger that is read from the log again is the one that was lost, and sends nothing new."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
import redis

from channels.delivery.slot import Slot
from events import record
from events.record import Erase, Event, Join
from events.sources.base import Log
from events.sources.memory import MemoryLog
from events.sources.replayed import ReplayedLog
from profile_state.hashes import Sums
from profile_state.stored import unpack
from profile_state.stores.base import Store, everybody
from profile_state.stores.memory import MemoryStore, Shelf
from profile_state.stores.redis import RedisStore
from tests.flows.partition import Clock, Partition
from tests.flows.test_crashes import FILES, history
from tests.shop import DAY, at
from triggers import activation
from triggers.activation import Activation

LATER = {**FILES, "segments/warm.yaml": FILES["segments/warm.yaml"].replace(">= 3", ">= 2")}
IMPORTED = 0.08  # of all events
ERASED = "user_id:u0"


class Kept(NamedTuple):
    """What a ledger holds, and what was put out beside it."""

    people: int
    facts: str
    decisions: str
    erased: str | None  # whom the erased identifier leads to
    counts: dict[str, int]
    activations: dict[str, Activation]


class Ledgers:
    """Where the ledgers of a test are, each by a number of its own."""

    def open(self, number: int) -> Store:
        raise NotImplementedError

    def counts(self, number: int) -> dict[str, int]:
        raise NotImplementedError

    def activations(self, number: int) -> list[bytes]:
        raise NotImplementedError


class InMemory(Ledgers):
    def __init__(self) -> None:
        self._shelves = [Shelf(), Shelf()]

    def open(self, number: int) -> Store:
        return MemoryStore(self._shelves[number])

    def counts(self, number: int) -> dict[str, int]:
        return self._shelves[number].counts

    def activations(self, number: int) -> list[bytes]:
        return self._shelves[number].activations


class OnValkey(Ledgers):
    def __init__(self, socket: Path) -> None:
        self._url = f"unix://{socket}"

    def _database(self, number: int) -> str:
        return f"{self._url}?db={number + 1}"

    def open(self, number: int) -> Store:
        return RedisStore(self._database(number))

    def counts(self, number: int) -> dict[str, int]:
        with redis.Redis.from_url(self._database(number), decode_responses=True) as client:
            return {name: int(n) for name, n in client.hgetall("counts:{p0}").items()}

    def activations(self, number: int) -> list[bytes]:
        with redis.Redis.from_url(self._database(number)) as client:
            return [fields[b"r"] for _, fields in client.xrange("activations:{p0}")]


class TimedLog(ReplayedLog):
    """A Valkey log whose time is a clock's."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url)
        self._clock = clock

    def append(self, partition: int, payload: bytes) -> int:
        return self.append_at(partition, payload, self._clock())


def live(partition: Partition, seed: int, size: int) -> None:
    """Let a history happen around an engine that dies again and again."""
    draw = Random(f"{seed}/history")
    partition.adopt(FILES)
    entries = history(seed, size)
    for nth, (instant, events) in enumerate(entries):
        partition.wait_until(instant)
        said: list[Any] = [imported(one) if draw.random() < IMPORTED else one for one in events]
        if nth in (size // 3, 2 * size // 3):
            said += words(nth, instant, cut=nth > size // 2)
        if nth == size // 2:
            partition.adopt(LATER)
        if nth == 3 * size // 4:
            said.append(Erase(ERASED, b"k" * 16, instant, "officer", ""))
        partition.log.append(0, record.encode(said))
        for _ in range(draw.choice((0, 1, 3))):
            partition.turn()
    partition.wait_until(partition.clock.now + 2 * DAY)
    partition.rest()


def imported(event: Event) -> Event:
    """The same, as a part of an import of what happened long ago."""
    return msgspec.structs.replace(event, import_id="old", time=event.time - 40 * DAY)


def words(nth: int, now: int, *, cut: bool) -> Iterator[Join]:
    """An operator joins two pairs, or cuts them."""
    for one, other in (("user_id:u1", "anonymous_id:d1"), ("user_id:u2", "user_id:u3")):
        yield Join(f"op{nth}{one}", now, one, other, cut, "operator", "")


def again(log: Log, open_store: Callable[[], Store], clock: Clock, seed: int) -> Partition:
    """Read the log into an empty ledger, in other batches and with other deaths."""
    draw = Random(f"{seed}/again")
    partition = Partition(log, open_store, draw, clock, deaths=0.1, appends=False)
    partition.read_on()
    partition.engine.drain()
    return partition


def kept(partition: Partition, ledgers: Ledgers, number: int) -> Kept:
    state = partition.engine.state
    assert state.workspace is not None
    store = ledgers.open(number)
    store.own()
    sums = Sums(state.workspace.slots, state.now)
    for value in everybody(store):
        sums.add(unpack(value, {}))
    erased = store.load([ERASED], []).leads[ERASED]
    store.close()
    made = [a for payload in ledgers.activations(number) for a in activation.decode(payload)]
    counts = {name: n for name, n in ledgers.counts(number).items() if n}
    distinct = {one.id: one for one in made}
    assert len({repr(one) for one in made}) == len(distinct), "what is made again says the same"
    return Kept(sums.people, sums.facts, sums.decisions, erased, counts, distinct)


def check_alike(rebuilt: Kept, lost: Kept) -> None:
    for what in Kept._fields:
        assert getattr(rebuilt, what) == getattr(lost, what), f"other {what}"
    assert rebuilt.erased is None


def lived_and_read_again(
    log: Log, clock: Clock, ledgers: Ledgers, seed: int, size: int
) -> tuple[Kept, Kept]:
    first = Partition(log, lambda: ledgers.open(0), Random(seed), clock)
    live(first, seed, size)
    second = again(log, lambda: ledgers.open(1), clock, seed)
    assert min(first.crashes, second.crashes) > 3
    lost, rebuilt = kept(first, ledgers, 0), kept(second, ledgers, 1)
    first.close()
    second.close()
    happened = Counter(lost.counts)
    for what in ("erasures", "erased", "joins", "cuts", "duplicate"):
        assert happened[what] > 0, f"a history without {what} proves less"
    sent = {one.trigger for one in lost.activations.values()}
    assert {"undecided", "warmed"} <= sent, "what sends nothing could send nothing new"
    return lost, rebuilt


@pytest.mark.parametrize("seed", range(3))
def test_i12_the_log_read_into_an_empty_ledger_is_the_live_one(seed: int, tmp_path: Path) -> None:
    clock = Clock(at("9:00"))
    lost, rebuilt = lived_and_read_again(MemoryLog(clock), clock, InMemory(), seed, 200)
    check_alike(rebuilt, lost)
    worker = Slot(tmp_path / "slot", keyed=lambda _: False, now=clock.now)
    assert len(worker.take(list(lost.activations.values()), clock.now)) == len(lost.activations)
    assert worker.take(list(rebuilt.activations.values()), clock.now) == [], "nothing is new"
    worker.close()


def test_i12_on_real_servers_too(valkey: Path) -> None:
    clock = Clock(at("9:00"))
    log = TimedLog(f"replayed://{valkey}?name=log", clock)
    lost, rebuilt = lived_and_read_again(log, clock, OnValkey(valkey), 7, 90)
    log.close()
    check_alike(rebuilt, lost)
