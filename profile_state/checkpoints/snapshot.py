"""One instant of a server, received over its own replication protocol.

The server forks, and its child writes what there is at that instant, while the server goes on.
It is read as it comes; a reader that is slow makes the child slow, and nobody else.
"""

import socket
from typing import Any, BinaryIO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_S = 60  # without a byte; a server that is only preparing sends one every few seconds
_READ = 1 << 18  # bytes
_MARK = 40  # bytes, which end a snapshot whose size is not known before


class SnapshotError(Exception):
    """There is no snapshot; the message says why, and what to do."""


def receive(url: str, file: BinaryIO) -> int:
    """Receive a snapshot of a server, all its databases, in the form of its own files.

    Args:
        url: of redis-py.
        file: where it goes.

    Returns:
        Its bytes.

    Raises:
        SnapshotError: the server gives none, or it broke off.
    """
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    try:
        connection: Any = client.connection_pool.get_connection()
        try:
            # The first spares it a buffer of what is written meanwhile, the second a file.
            for words in (("rdb-only", "1"), ("capa", "eof")):
                connection.send_command("REPLCONF", *words)
                connection.read_response()
            connection.send_command("SYNC")
            # redis-py knows no answer like this one; nothing of it was read yet.
            return _received(connection._sock, file)  # noqa: SLF001
        finally:
            connection.disconnect()
    except (redis.RedisError, OSError) as error:
        raise SnapshotError(f"the ledger's server gives no snapshot: {error}. {_DO}") from error
    finally:
        client.close()


_DO = (
    "Checkpoints need a server that other servers may follow (SYNC), which hosted ones often refuse "
    "and a user's ACL may; without them nothing of the archive is ever let go of. Set "
    "KAIROS_CHECKPOINT_S=0 where there can be none"
)


def _received(connection: socket.socket, file: BinaryIO) -> int:
    connection.settimeout(PATIENCE_S)
    head, rest = _head(connection)
    if head.startswith(b"$EOF:"):
        return _until(connection, head[5:], rest, file)
    if head[:1] == b"$" and head[1:].isdigit():
        return _sized(connection, int(head[1:]), rest, file)
    raise OSError(head.lstrip(b"-").decode(errors="replace"))


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read the line that says what comes, behind empty lines that only say "wait"."""
    found = b""
    while b"\r\n" not in (found := found.lstrip(b"\n")):
        found += _more(connection)
    head, _, rest = found.partition(b"\r\n")
    return head, rest


def _until(connection: socket.socket, mark: bytes, found: bytes, file: BinaryIO) -> int:
    """Copy up to a mark that the server made up for this snapshot."""
    written = 0
    while not found.endswith(mark):
        sure = len(found) - _MARK
        if sure > 0:
            file.write(found[:sure])
            written += sure
            found = found[sure:]
        found += _more(connection)
    file.write(found[:-_MARK])
    return written + len(found) - _MARK


def _sized(connection: socket.socket, size: int, found: bytes, file: BinaryIO) -> int:
    left = size
    while True:
        file.write(found[:left])
        left -= len(found)
        if left <= 0:
            return size
        found = _more(connection)


def _more(connection: socket.socket) -> bytes:
    found = connection.recv(_READ)
    if not found:
        raise OSError("the connection ended in the middle of it")
    return found
