"""Servers that tests share: a real Valkey on a unix socket, from the wheel."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from confluent_kafka import Producer
from hypothesis import settings

from kairos.embedded import servers
from kairos.embedded.children import end

# A machine that is busy with other tests is no failure of theirs.
settings.register_profile("kairos", deadline=None)
settings.load_profile("kairos")

collect_ignore = ["fuzz/harness.py", "fuzz/schema.py"]  # of another environment, see `scripts/fuzz`


@contextmanager
def valkey_server() -> Iterator[Path]:
    """A Valkey that fsyncs each write before it answers; gives its socket."""
    folder = Path(tempfile.mkdtemp(prefix="kairos-test-"))
    socket = folder / "v.sock"
    process = servers.start(servers.LOG, folder / "data", socket)
    try:
        servers.wait_for("test", process, socket, folder / "data")
        yield socket
    finally:
        end(process)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[Path]:
    """One of these, for all tests."""
    with valkey_server() as socket:
        yield socket


@pytest.fixture
def valkey(valkey_socket: Path) -> Path:
    """The same, emptied."""
    client = redis.Redis(unix_socket_path=str(valkey_socket))
    client.flushall()
    client.close()
    return valkey_socket


@pytest.fixture(scope="session")
def kafka_cluster() -> Producer:
    """librdkafka's own mock cluster; it lives in its producer."""
    return Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})


@pytest.fixture
def kafka_url(kafka_cluster: Producer) -> str:
    """A topic of its own; asking for it makes it, with four partitions."""
    topic = f"test-{uuid.uuid4().hex}"
    brokers = kafka_cluster.list_topics(topic, timeout=10).brokers.values()
    return f"kafka://{','.join(f'{b.host}:{b.port}' for b in brokers)}/{topic}"
