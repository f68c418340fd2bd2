"""Engines as processes of their own over one log and one ledger, without the rest of the stack."""

import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import orjson
import redis

from events import record
from events.record import Event
from events.sources.valkey import connect
from kairos.embedded import servers
from kairos.embedded.children import end
from kairos.settings import Log, Settings
from tests.e2e.stacks import eventually, part, workspace
from tests.shop import WORKSPACE, an_event
from triggers import activation
from triggers.activation import Activation


class Engines:
    """A log, a ledger, and as many `kairos run live` as a test starts.

    Args:
        folder: keeps everything.
        files: of the workspace, beside workspace.yaml.
    """

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self._folder = folder
        self._sockets = folder / "s"  # a short path: unix allows about 100 characters
        self._sockets.mkdir()
        options = (("log", servers.LOG), ("ledger", servers.LEDGER))
        self._servers = {
            name: servers.start(option, folder / name, self._sockets / name)
            for name, option in options
        }
        for name, process in self._servers.items():
            servers.wait_for(name, process, self._sockets / name, folder / name)
        self._url = f"valkey://{self._sockets / 'log'}?name=log"
        self.log = connect(self._url, 1)
        self.ledger = redis.Redis(unix_socket_path=str(self._sockets / "ledger"))
        self._workspace = workspace(folder / "workspace", {"workspace.yaml": WORKSPACE, **files})
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        self.log.close()
        self.ledger.close()
        for process in self._servers.values():
            end(process)

    def start(self) -> subprocess.Popen[bytes]:
        """Start another engine, and return when it has read the log."""
        name = f"engine{len(self.started)}"
        status = self._folder / name
        status.mkdir()
        settings = Settings(
            log=Log(self._url),
            ledger=f"unix://{self._sockets / 'ledger'}",
            workspace=self._workspace,
            deliveries=self._folder / "deliveries",
            copies=self._folder / f"{name}.copies",
            status=status,
        )
        process = part("live", settings, self._folder / f"{name}.log")
        self.started.append(process)
        assert eventually((status / "live.json").exists), self.said(process)
        return process

    def said(self, process: subprocess.Popen[bytes]) -> str:
        """What an engine wrote to its log."""
        return (self._folder / f"engine{self.started.index(process)}.log").read_text()

    def position(self, process: subprocess.Popen[bytes]) -> int:
        """How far an engine has read, as it said last."""
        return int(self._status(process)["position"])

    def stored(self, process: subprocess.Popen[bytes]) -> int:
        """How far the ledger follows it, as it said last."""
        return int(self._status(process)["stored"][0])

    def _status(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        path = self._folder / f"engine{self.started.index(process)}" / "live.json"
        said: dict[str, Any] = orjson.loads(path.read_bytes())
        return said

    def say(self, *names: str, **properties: Any) -> list[Event]:
        """Append an event for each of these users, in one entry."""
        name = properties.pop("event")
        now = time.time_ns() // 1_000_000
        events = [
            an_event(name, user=user, time=now, message_id=f"{name}-{user}", **properties)
            for user in names
        ]
        self.log.append(0, record.encode(list(events)))
        return events

    @property
    def decided(self) -> list[Activation]:
        """Every activation in the stream, copies too."""
        rows: Any = self.ledger.xrange("activations:{p0}")
        return [one for _, row in rows for one in activation.decode(row[b"r"])]

    def counted(self, name: str) -> int:
        """A counter of the ledger."""
        found: Any = self.ledger.hget("counts:{p0}", name)
        return int(found or 0)

    def held(self) -> dict[bytes, bytes]:
        """Everything in the ledger, as the server would dump it, but what moves by itself.

        Every 21 s a sweep that concerns nobody moves the mark, and its call is counted; and the
        owner says where it is.
        """
        keys: Any = self.ledger.keys("*")
        moving = (b"mark:", b"calls:", b"position:")
        return {key: self.ledger.dump(key) for key in keys if not key.startswith(moving)}  # type: ignore[misc]

    def whom(self) -> Counter[str]:
        """How many different messages there are for each person."""
        return Counter(a.person for a in {a.id: a for a in self.decided}.values())
