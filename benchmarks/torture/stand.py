"""A whole stack in processes of its own, which can be killed in parts, frozen, and cut off power."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import orjson
import redis

from benchmarks.bed import BenchError, free_port
from benchmarks.child import program
from benchmarks.processes import GONE, descendants, name_of
from benchmarks.torture.rig import Rig, Undone
from collector.keys import first_keys
from events.sources.valkey import address
from kairos.embedded import running
from kairos.embedded.children import end, spawn
from kairos.settings import Settings

PARTS = ("collector", "live", "workers", "archive", "log", "ledger")
SERVERS = ("log", "ledger")
SUPERVISOR = "supervisor"
FOLDER = {"log": "log", "ledger": "ledger", "workers": "deliveries", "archive": "archive"}
HOOK = Path(__file__).with_name("hook")
PATIENCE_S = 60.0
LOOK_S = 0.01
SHOWN = 20  # lines of what a supervisor said that ended


class Stand:
    """Use it as a context manager, in a thread that lives as long as it shall.

    Args:
        base: an empty folder; the stack's data is in `data` below it.
        workspace: the workspace folder.
        channels: options of the channels.
        rigged: watch what is fsynced, so that the power can be cut.
    """

    def __init__(
        self, base: Path, workspace: Path, channels: dict[str, dict[str, str]], *, rigged: bool
    ) -> None:
        self.data, self.points, self._other = base / "data", base / "points", base / "other"
        for folder in (self.data, self.points, self._other):
            folder.mkdir()
        self.workspace = workspace
        self.key = first_keys(self.data / "keys.json", "2026-11-25T00:00:00Z")["server"]
        self._rig = Rig(self.data, base / "journal") if rigged else None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        # Sockets have short paths, and who is killed leaves them behind.
        self._temp = tempfile.mkdtemp(prefix="kt-")
        ours = {n: v for n, v in os.environ.items() if not n.startswith("KAIROS_")}
        path = os.pathsep.join(filter(None, (str(HOOK), ours.get("PYTHONPATH"))))
        self._env: Mapping[str, str] = {
            **ours,
            **Settings(channels=channels).to_env(),
            **(self._rig.env if self._rig is not None else {}),
            "PYTHONPATH": path,
            "TMPDIR": self._temp,
            "TORTURE_POINTS": str(self.points),
        }
        self._said = (base / "supervisor.txt").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._settings: Settings | None = None

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, in order."""
        if self._process is not None:
            end(self._process, PATIENCE_S)
        self._said.close()
        shutil.rmtree(self._temp, ignore_errors=True)

    @property
    def settings(self) -> Settings:
        """Where everything is since the last start."""
        assert self._settings is not None
        return self._settings

    @property
    def supervisor(self) -> subprocess.Popen[bytes]:
        """The process that watches the others."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start a supervisor, and return when everything serves."""
        self.begin()
        self.wait(self.noted, "the stack serves")

    def begin(self) -> None:
        """Start a supervisor."""
        command = program(
            "torture.supervisor", str(self.data), str(self.workspace), str(self._port)
        )
        self._process = spawn(command, output=self._said, env=self._env)
        self._settings = None

    def beside(self, part: str) -> subprocess.Popen[bytes]:
        """Start another process of a part beside the one that there is."""
        env = {**self._env, **self.settings.to_env(), "KAIROS_STATUS": str(self._other)}
        return spawn([sys.executable, "-m", "kairos", "run", part], output=self._said, env=env)

    def owner(self) -> int | None:
        """Return the engine that was started beside, once it is ready."""
        with suppress(FileNotFoundError):
            return int(orjson.loads((self._other / "live.json").read_bytes())["pid"])
        return None

    def noted(self) -> bool:
        """Say whether everything serves.

        Raises:
            BenchError: the supervisor has given up.
        """
        if self.supervisor.poll() is not None:
            said = Path(self._said.name).read_text(errors="replace").splitlines()[-SHOWN:]
            raise BenchError(
                f"the supervisor ended with code {self.supervisor.returncode}:\n" + "\n".join(said)
            )
        self._settings = running.find(self.data)
        return self._settings is not None

    def pid(self, part: str) -> int | None:
        """Return the process that serves as a part; None while none does."""
        if part == SUPERVISOR:
            return self.supervisor.pid
        if part in SERVERS:
            with suppress(redis.RedisError), self._client(part) as client:
                return int(client.info("server")["process_id"]) if client.ping() else None
            return None
        with suppress(FileNotFoundError):
            said = int(self.facts(part)["pid"])
            return None if ended(said) else said
        return None

    def facts(self, part: str) -> dict[str, Any]:
        """Return what a part says about itself.

        Raises:
            FileNotFoundError: it is starting.
        """
        assert self.settings.status is not None
        path = self.settings.status / f"{part}.json"
        found: dict[str, Any] = orjson.loads(path.read_bytes())
        return found

    def _client(self, part: str) -> redis.Redis:
        settings = self.settings
        url = address(settings.log.url)[0] if part == "log" else settings.ledger
        return redis.Redis.from_url(url, socket_timeout=5)

    def serving(self, part: str) -> int:
        """Wait until a part serves, and return its process."""
        found: list[int] = []

        def look() -> bool:
            pid = self.pid(part)
            found.extend([] if pid is None else [pid])
            return bool(found)

        self.wait(look, f"{part} serves")
        return found[-1]

    def kill(self, parts: Iterable[str]) -> dict[str, int]:
        """Kill parts at one instant; returns the processes that they were."""
        gone = {part: self.serving(part) for part in parts}
        for pid in gone.values():
            os.kill(pid, signal.SIGKILL)
        if SUPERVISOR in gone:
            self.supervisor.wait()
        return gone

    def kill_again(self, part: str, before: int) -> int:
        """Kill what was started in the place of a process, whether it serves yet or not."""
        killed: list[int] = []

        def kill() -> bool:
            for pid in descendants(self.supervisor.pid):
                if pid != before and _name(pid) == part:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
            return bool(killed)

        self.wait(kill, f"{part} is started again")
        return killed[-1]

    def power_cut(self, part: str | None, chance: random.Random | None) -> Undone:
        """Cut the power of a part's machine, or of all, and switch it on again."""
        assert self._rig is not None
        os.kill(self.supervisor.pid, signal.SIGSTOP)  # it must not start anything before its time
        gone = self.kill(PARTS if part is None else (part,)).values()
        if part is None:
            self.kill((SUPERVISOR,))
        self.wait(lambda: all(map(ended, gone)), "a killed process ends")
        undone = self._rig.cut(None if part is None else self.data / FOLDER[part], chance)
        if part is None:
            self.start()
        else:
            os.kill(self.supervisor.pid, signal.SIGCONT)
        return undone

    def wait(self, done: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until something is done.

        Raises:
            BenchError: it is not, in time.
        """
        until = time.monotonic() + patience_s
        while not done():
            if time.monotonic() > until:
                raise BenchError(f"{what}: expected within {patience_s:.0f} s, and it is not so")
            time.sleep(LOOK_S)


def _name(pid: int) -> str:
    """Name a process by its part; "" once it has ended."""
    try:
        return name_of(pid)
    except GONE:
        return ""


def ended(pid: int) -> bool:
    """Say whether a process has ended, also where nobody has asked for its code yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"
