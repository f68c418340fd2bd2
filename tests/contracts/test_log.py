"""Every log keeps the same promises."""

import asyncio
import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from events.sources.base import Appender, Log, LostHistoryError
from events.sources.memory import MemoryLog
from events.sources.valkey import ValkeyLog
from flows.open import open_appender, open_log
from kairos.settings import Log as LogSettings


class Opened:
    """A log of one kind, opened as often as a test asks."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._memory = MemoryLog(clock=lambda: time.time_ns() // 1_000_000, partitions=2)
        self._closing: list[Callable[[], None]] = []

    def log(self) -> Log:
        if self.url is None:
            return self._memory
        log = open_log(LogSettings(self.url, 2))
        self._closing.append(log.close)
        return log

    def close(self) -> None:
        for close in self._closing:
            close()


@pytest.fixture(params=["memory", "valkey", "kafka"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    yield from _open(request)


@pytest.fixture(params=["valkey", "kafka"])
def shared_log(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """A log that several processes can open."""
    yield from _open(request)


def _open(request: pytest.FixtureRequest) -> Iterator[Opened]:
    if request.param == "valkey":
        url = f"valkey://{request.getfixturevalue('valkey')}?name=test"
    elif request.param == "kafka":
        url = request.getfixturevalue("kafka_url")
    else:
        url = None
    made = Opened(url)
    yield made
    made.close()


def read_all(log: Log, partition: int, after: int = -1) -> list[bytes]:
    """Read to the end. An empty read does not say that: a connection may still be made."""
    found: list[bytes] = []
    until = time.monotonic() + 10
    while after < log.last(partition):
        assert time.monotonic() < until, f"the log holds more than {found}"
        entries = log.read(partition, after, 7, 100)
        found += [e.payload for e in entries]
        after = entries[-1].id if entries else after
    return found


def test_an_empty_log_has_no_last_entry(opened: Opened) -> None:
    log = opened.log()
    assert log.last(0) == -1
    assert list(log.read(0, -1, 10, 0)) == []


def test_entries_come_back_in_order_with_growing_ids(opened: Opened) -> None:
    log = opened.log()
    ids = [log.append(0, b"%d" % n) for n in range(40)]
    assert ids == sorted(set(ids))
    assert ids[0] >= 0
    assert read_all(opened.log(), 0) == [b"%d" % n for n in range(40)]
    assert log.last(0) == ids[-1]


def test_reading_goes_on_after_an_entry(opened: Opened) -> None:
    log = opened.log()
    ids = [log.append(0, b"%d" % n) for n in range(10)]
    assert read_all(log, 0, ids[6]) == [b"7", b"8", b"9"]
    assert read_all(log, 0, ids[-1]) == []
    assert read_all(log, 0, -1)[:2] == [b"0", b"1"], "and back to the start"


def test_looking_back_begins_with_the_newest(opened: Opened) -> None:
    log = opened.log()
    assert list(log.back(0, 1 << 60, 5)) == []
    ids = [log.append(0, b"%d" % n) for n in range(10)]
    assert [e.payload for e in log.back(0, ids[-1] + 1, 3)] == [b"9", b"8", b"7"]
    assert [e.payload for e in log.back(0, ids[2], 5)] == [b"1", b"0"], "not its own"
    assert read_all(log, 0) == [b"%d" % n for n in range(10)], "and reading is not disturbed"


def test_partitions_are_separate(opened: Opened) -> None:
    log = opened.log()
    log.append(0, b"zero")
    log.append(1, b"one")
    assert read_all(log, 0) == [b"zero"]
    assert read_all(log, 1) == [b"one"]


def test_append_time_is_now_and_never_falls(opened: Opened) -> None:
    log = opened.log()
    before = time.time_ns() // 1_000_000
    for _ in range(5):
        log.append(0, b"x")
    after = time.time_ns() // 1_000_000
    found = times(log)
    assert len(found) == 5
    assert found == sorted(found)
    assert before - 1 <= found[0]
    assert found[-1] <= after + 1


def test_what_is_read_again_has_the_time_that_it_had(opened: Opened) -> None:
    """As after a ledger that was lost: the engine reads on from its stored offset."""
    log = opened.log()
    for n in range(4):
        log.append(0, b"%d" % n)
        time.sleep(0.003)
    first, again = times(log), times(log)
    assert len(set(first)) == 4
    assert again == first


def times(log: Log, after: int = -1) -> list[int]:
    found: list[int] = []
    while after < log.last(0):
        entries = log.read(0, after, 10, 100)
        found += [e.time for e in entries]
        after = entries[-1].id if entries else after
    return found


def test_a_read_returns_as_soon_as_something_comes(shared_log: Opened) -> None:
    log, writer = shared_log.log(), shared_log.log()
    position = log.append(0, b"first")
    assert read_all(log, 0, -1) == [b"first"]

    def append_later() -> None:
        time.sleep(0.2)
        writer.append(0, b"second")

    thread = Thread(target=append_later)
    started = time.monotonic()
    thread.start()
    found: list[bytes] = []
    while not found and time.monotonic() - started < 10:
        found = [e.payload for e in log.read(0, position, 10, 5000)]
    took = time.monotonic() - started
    thread.join()
    assert found == [b"second"]
    assert 0.15 < took < 3


def test_a_read_waits_no_longer_than_asked(opened: Opened) -> None:
    log = opened.log()
    log.read(0, -1, 10, 1)
    started = time.monotonic()
    assert list(log.read(0, -1, 10, 50)) == []
    assert time.monotonic() - started < 2


def test_trimming_keeps_what_is_not_below(opened: Opened) -> None:
    log = opened.log()
    ids = [log.append(0, b"%d" % n) for n in range(10)]
    log.trim(0, ids[5])
    assert log.gone(0) in (-1, ids[4]), "Kafka lets go by its own settings"
    assert (log.gone(1), opened.log().gone(0)) == (-1, log.gone(0))
    assert read_all(log, 0, ids[4]) == [b"5", b"6", b"7", b"8", b"9"]
    assert log.last(0) == ids[-1]


def test_history_that_was_let_go_of_is_never_skipped(opened: Opened) -> None:
    log = opened.log()
    ids = [log.append(0, b"%d" % n) for n in range(10)]
    assert read_all(log, 0, ids[2]) == [b"%d" % n for n in range(3, 10)]
    log.trim(0, ids[5])
    if log.gone(0) >= 0:  # Kafka lets go by its own settings
        for after in (-1, ids[2], ids[3]):
            with pytest.raises(LostHistoryError, match="were let go of"):
                log.read(0, after, 10, 0)
    assert read_all(log, 0, ids[4]) == [b"5", b"6", b"7", b"8", b"9"]


def test_large_entries_come_back_whole(opened: Opened) -> None:
    log = opened.log()
    payload = bytes(range(256)) * 1600
    log.append(0, payload)
    assert read_all(log, 0) == [payload]


def test_the_appender_writes_into_the_same_log(shared_log: Opened) -> None:
    url = shared_log.url
    assert url is not None

    async def append() -> list[int]:
        appender: Appender = open_appender(LogSettings(url, 2))
        try:
            return [await appender.append(0, b"%d" % n) for n in range(3)]
        finally:
            await appender.close()

    ids = asyncio.run(append())
    log = shared_log.log()
    assert ids == sorted(set(ids))
    assert read_all(log, 0) == [b"0", b"1", b"2"]
    assert log.last(0) == ids[-1]


def test_valkey_ids_fit_sixty_three_bits(opened: Opened) -> None:
    log = opened.log()
    assert log.append(0, b"x") < 1 << 63
    if isinstance(log, ValkeyLog):
        assert log.last(0) >> 20 <= time.time_ns() // 1_000_000 + 1
