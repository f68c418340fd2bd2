"""A server of our own on a snapshot of another: nobody reaches it but us, and it writes nothing.

That it starts is the proof that the snapshot can be loaded.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from kairos.embedded import servers
from kairos.embedded.children import CAN_WAIT, end

SNAPSHOT = "snapshot.rdb"
LOAD_S = 3600.0  # for the snapshot; at about 4 s a GB nobody waits as long

_OPTIONS = {
    "appendonly": "no",
    "maxmemory": "0",  # it holds what the other one holds
    "databases": "1024",
    "dbfilename": SNAPSHOT,
}


@contextmanager
def private_server(data: Path, url: str) -> Iterator[redis.Redis]:
    """Start a server on `data / SNAPSHOT`, and end it afterwards.

    Args:
        data: its folder.
        url: of the server that the snapshot is of; says which of its databases is asked.

    Raises:
        ServerError: the snapshot cannot be loaded, or there is no server.
    """
    temp = Path(tempfile.mkdtemp(prefix="kairos-"))  # a short path: unix allows 100 characters
    path = temp / "s.sock"
    process = servers.start(_OPTIONS, data, path, nice=CAN_WAIT)
    try:
        servers.wait_for("checkpoint", process, path, data, LOAD_S)
        with redis.Redis(unix_socket_path=str(path), db=_database(url)) as client:
            yield client
    finally:
        end(process)
        shutil.rmtree(temp, ignore_errors=True)


def _database(url: str) -> int:
    """Return which database a URL means.

    >>> _database("redis://cache:6379/3"), _database("unix:///l.sock?db=2"), _database("redis://c")
    (3, 2, 0)
    """
    client = redis.Redis.from_url(url)
    try:
        return int(client.connection_pool.connection_kwargs.get("db") or 0)
    finally:
        client.close()
