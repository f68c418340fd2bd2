"""The log that is written before a drain."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from benchmarks.ahead import write_ahead
from benchmarks.bed import BenchError
from benchmarks.workload import Shop
from kairos.embedded import servers
from kairos.embedded.children import end


@pytest.fixture
def small() -> Iterator[redis.Redis]:
    """A log's server that has almost no room."""
    folder = Path(tempfile.mkdtemp(prefix="kairos-test-"))
    socket = folder / "v.sock"
    process = servers.start({**servers.LOG, "maxmemory": "3mb"}, folder / "data", socket)
    try:
        servers.wait_for("small", process, socket, folder / "data")
        with closing(redis.Redis(unix_socket_path=str(socket))) as client:
            yield client
    finally:
        end(process)
        shutil.rmtree(folder)


def test_a_log_that_is_full_says_so_and_what_to_do(small: redis.Redis) -> None:
    calls = Shop(1, 1_000).calls(20_000)
    with pytest.raises(BenchError, match=r"full: its Valkey has 3 MB .*of 20,000 events.*--events"):
        write_ahead(small, calls, 1_795_572_769_000_000)
