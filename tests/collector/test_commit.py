import asyncio

import pytest

from collector.commit import GroupCommit, OverloadedError, partition_of
from events.arrival import Arrival
from events.parse import parse
from events.record import CLAIMED, DeadLetter, Event
from events.sources.base import LogUnavailableError
from tests.collector.doubles import MemoryLog


def record(number: int) -> Event:
    found = parse(
        b'{"type":"track","event":"E","anonymousId":"a%d","messageId":"m"}' % number,
        Arrival("web", CLAIMED, 10**15),
    )
    assert isinstance(found, Event)
    return found


async def committed(commit: GroupCommit, records: list[Event], size: int) -> None:
    """Wait until records are durable; raise why they are not."""
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def told(failed: Exception | None) -> None:
        if not done.done():
            done.set_result(failed)

    commit.enqueue(records, size, told)
    if (failed := await done) is not None:
        raise failed


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_arrives_during_an_append_leaves_with_the_next() -> None:
    async def story() -> list[int]:
        log = MemoryLog()
        log.gate = asyncio.Event()
        commit = GroupCommit(log)
        requests = [asyncio.create_task(committed(commit, [record(0)], 100))]
        await settled()
        requests += [asyncio.create_task(committed(commit, [record(i)], 100)) for i in range(1, 50)]
        await settled()
        assert commit.waiting_bytes == 5000
        assert not any(r.done() for r in requests)
        log.gate.set()
        await asyncio.gather(*requests)
        assert commit.waiting_bytes == 0
        assert log.records == [record(i) for i in range(50)]
        return [len(records) for _, records in log.entries]

    assert asyncio.run(story()) == [1, 49]


def test_an_entry_has_at_most_five_hundred_unless_one_request_has_more() -> None:
    async def story() -> list[int]:
        log = MemoryLog()
        commit = GroupCommit(log)
        sizes = (300, 200, 1, 900, 2)
        await asyncio.gather(*(committed(commit, [record(1)] * n, n) for n in sizes))
        return [len(records) for _, records in log.entries]

    assert asyncio.run(story()) == [500, 1, 900, 2]


def test_an_entry_stays_small_in_bytes_too() -> None:
    async def story() -> list[int]:
        log = MemoryLog()
        commit = GroupCommit(log, entry_bytes=100)
        await asyncio.gather(*(committed(commit, [record(1)], n) for n in (60, 40, 1, 500)))
        return [len(records) for _, records in log.entries]

    assert asyncio.run(story()) == [2, 1, 1]


def test_a_failing_append_fails_exactly_its_own_requests() -> None:
    async def story() -> list[bool]:
        log = MemoryLog()
        log.failing = {1}
        commit = GroupCommit(log, entry_records=2)
        done = await asyncio.gather(
            *(committed(commit, [record(i)], 1) for i in range(6)), return_exceptions=True
        )
        assert [r.leaf for r in log.records if isinstance(r, Event)] == [
            f"anonymous_id:a{i}" for i in (0, 1, 4, 5)
        ]
        await committed(commit, [record(9)], 1)  # and the next one is served
        return [isinstance(d, LogUnavailableError) for d in done]

    assert asyncio.run(story()) == [False, False, True, True, False, False]


def test_a_bug_of_the_log_reaches_its_requests_instead_of_hanging_them() -> None:
    class Broken(MemoryLog):
        async def append(self, partition: int, payload: bytes) -> int:
            raise RuntimeError(f"{partition} {len(payload)}")

    async def story() -> None:
        await committed(GroupCommit(Broken()), [record(1)], 1)

    with pytest.raises(RuntimeError):
        asyncio.run(story())


def test_too_much_waiting_is_refused_and_appends_nothing() -> None:
    async def story() -> None:
        log = MemoryLog()
        log.gate = asyncio.Event()
        commit = GroupCommit(log, queue_bytes=100)
        first = asyncio.create_task(committed(commit, [record(0)], 1000))  # alone it may be larger
        await settled()
        with pytest.raises(OverloadedError):
            await committed(commit, [record(1)], 1)
        log.gate.set()
        await first
        await committed(commit, [record(2)], 1)
        assert log.records == [record(0), record(2)]

    asyncio.run(story())


def test_a_request_waits_for_all_its_partitions() -> None:
    async def story() -> None:
        log = MemoryLog(partitions=4)
        commit = GroupCommit(log)
        records = [record(i) for i in range(40)]
        await committed(commit, records, 40)
        assert {p for p, _ in log.entries} == {0, 1, 2, 3}
        for partition, part in log.entries:
            assert part == [r for r in records if partition_of(r, 4) == partition]
        log.failing = {log.appends + 1}
        with pytest.raises(LogUnavailableError):
            await committed(commit, records, 40)
        assert commit.waiting_bytes == 0

    asyncio.run(story())


def test_a_request_that_is_cancelled_harms_nobody() -> None:
    async def story() -> None:
        log = MemoryLog()
        log.gate = asyncio.Event()
        commit = GroupCommit(log)
        first, second = (asyncio.create_task(committed(commit, [record(i)], 10)) for i in range(2))
        await settled()
        first.cancel()
        await settled()
        log.gate.set()
        await second
        await commit.drained()
        assert commit.waiting_bytes == 0
        assert len(log.records) == 2

    asyncio.run(story())


def test_the_leaf_decides_the_partition_and_nothing_else() -> None:
    homes = {partition_of(record(i), 8) for i in range(100)}
    assert homes == set(range(8))
    dead = DeadLetter("web", 0, "x", "", b"", 0)
    assert 0 <= partition_of(dead, 8) < 8
