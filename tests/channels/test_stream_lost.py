"""The stream of activations lost entries: that is said, and what comes next is sent."""

from pathlib import Path

import pytest
import redis

from channels.delivery.beside import summary
from events.sources.base import LostHistoryError
from events.sources.valkey import ValkeyLog, entry_id
from tests.channels.doubles import activation
from tests.channels.test_worker import Bench
from triggers.activation import Activation, encode

KEY = "activations:{p0}"


class LosingBench(Bench):
    """A worker over a real stream."""

    def __init__(self, folder: Path, valkey: Path) -> None:
        super().__init__(folder, {})
        self.client = redis.Redis(unix_socket_path=str(valkey))
        self.url = f"valkey://{valkey}?name=activations"
        self.open()

    def open(self) -> ValkeyLog:
        self.valkey = ValkeyLog(self.url)
        self.stream = self.valkey  # type: ignore[assignment] # Bench sends to one in memory
        return self.valkey

    def add(self, one: Activation, ms: int | str = "*") -> int:
        """Append as the engine does, with an id that the server's clock would make."""
        where = "*" if ms == "*" else f"{ms}-0"
        return entry_id(self.client.xadd(KEY, {b"r": encode([one])}, id=where))  # type: ignore[arg-type]

    def close(self) -> None:
        self.valkey.close()
        self.client.close()


def test_a_worker_that_is_ahead_of_its_stream_sends_what_comes_next(
    tmp_path: Path, valkey: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger lost its last second, and its clock is behind: a replica became the primary."""
    bench = LosingBench(tmp_path, valkey)
    one, two, three = (activation(n) for n in range(3))
    first = bench.add(one)
    bench.run(bench.settled(1))
    bench.valkey.close()

    bench.client.delete(KEY)
    second = bench.add(two, (first >> 20) - 2_000)
    stream = bench.open()
    with pytest.raises(LostHistoryError, match="it lost its end"):
        stream.read(0, first, 10, 0)
    stream.trim(0, first)
    assert bench.client.xlen(KEY) == 1, "nothing is trimmed by what was there before"
    bench.run(bench.settled(1))
    assert bench.worker.trimmable() == [second]
    assert "the stream lost activations" in capsys.readouterr().out
    bench.add(three, (first >> 20) - 1_000)
    bench.run(bench.settled(1))
    assert "the stream lost activations" not in capsys.readouterr().out, "the cursors are saved"
    assert bench.log.ids == [one.id, two.id, three.id]
    bench.close()


def test_a_worker_that_is_behind_what_was_let_go_of_says_so(
    tmp_path: Path, valkey: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with delivery ledgers from a backup."""
    bench = LosingBench(tmp_path, valkey)
    ids = [bench.add(activation(n)) for n in range(3)]
    bench.valkey.trim(0, ids[2])
    bench.run(bench.settled(1))
    assert bench.log.ids == [activation(2).id]
    assert "the stream lost activations" in capsys.readouterr().out
    assert summary(tmp_path) == {"log": {"delivered": 1}}
    bench.close()


def test_nothing_is_trimmed_that_a_crash_would_read_again(tmp_path: Path, valkey: Path) -> None:
    bench = LosingBench(tmp_path, valkey)
    bench.add(activation(0))

    def taken() -> bool:
        if bench.settled(1)():
            assert bench.worker.trimmable() == [-1], "the cursor is in memory alone"
            return True
        return False

    bench.how["delivery"] = bench.how["delivery"].__class__(wait_ms=10, tick=0.005, save=100.0)
    bench.run(taken)
    bench.close()
