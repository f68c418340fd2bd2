"""The embedded stack: two Valkeys, live flow, collector and worker, kept alive until stopped.

DATA/   log/ archive/ ledger/ deliveries/ copies/ keys.json    everything that lasts
TEMP/   log.sock ledger.sock status/            short paths; gone with the process
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec
import orjson
import structlog

from kairos.embedded import running, servers
from kairos.embedded.children import end, spawn
from kairos.settings import (
    DISK_FREE_MB,
    LOOPBACK,
    READING,
    Collector,
    Log,
    Settings,
    Upkeep,
)

log = structlog.get_logger()

READS_S = 5.0  # how long the door waits for that
LOOK_S = 1.0  # between looks whether models are asked for
LEAVE_S = 30.0  # until the children of a stack that was killed have ended
RESTART_S = (0.1, 0.5, 2.0, 5.0)  # pauses before a child that keeps ending is started again


class StackError(Exception):
    """The stack cannot start; the message says why and what to do."""


class _Child:
    """A process that is started again when it ends.

    Args:
        name: for messages.
        start: starts it.
        served: whether it got so far as to serve. One that did starts again at once; one that
            never does is started again after pauses that grow.
    """

    def __init__(
        self, name: str, start: Callable[[], subprocess.Popen[bytes]], served: Callable[[], bool]
    ) -> None:
        self.name = name
        self._start = start
        self._served = served
        self.restarts = 0
        self._failures = 0
        self._again_at = 0.0
        self.process = start()

    def watch(self, now: float) -> None:
        """Start the child again if it has ended and its pause is over."""
        code = self.process.poll()
        if code is None:
            return
        if not self._again_at:
            if self._served():
                self._failures = 0
            pause = RESTART_S[min(self._failures, len(RESTART_S) - 1)]
            self._failures += 1
            self._again_at = now + pause
            log.warning("child ended", child=self.name, code=code, again_in_s=pause)
        elif now >= self._again_at:
            self._again_at = 0.0
            self.restarts += 1
            self.process = self._start()


class Stack:
    """Runs everything. Use it as a context manager.

    Args:
        data: the folder that keeps everything; made if it is not there.
        workspace: the workspace folder.
        host: the collector's address.
        port: the collector's port, 0 for any that is free.
        channels: options of channels, see `Settings.channels`.
        door: settings of the collector; its address and files are the stack's own.
        replayed: the log's clock is that of a file; needs a folder that nothing is in yet.
        disk_free_mb: below which no event is accepted.
        upkeep: of the archive.
        programs: part -> what runs in its place, as a benchmark has a worker that takes notes.
        reads_s: how long the door waits for a live flow that reads what it missed.
        public_url: where people reach the collector. "": where it is on this machine, which is no
            use to anybody else, so only where no e-mail leaves it.
        indoors: what is sent never leaves this machine.
    """

    def __init__(
        self,
        data: Path,
        workspace: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        channels: dict[str, dict[str, str]] | None = None,
        door: Collector = Collector(),  # noqa: B008 - frozen
        replayed: bool = False,
        disk_free_mb: int = DISK_FREE_MB,
        upkeep: Upkeep = Upkeep(),  # noqa: B008 - frozen
        programs: Mapping[str, Sequence[str]] | None = None,
        reads_s: float = READS_S,
        public_url: str = "",
        indoors: bool = False,
    ) -> None:
        self.data = data
        self._reads_s = reads_s
        self._programs = programs or {}
        with ExitStack() as locks:
            self._lock = locks.enter_context(_locked(data))
            self._held = locks.enter_context(_free_of_children(data))
            _keep_clocks_apart(data, replayed=replayed)
            self.listening = _listen(host, port)
            locks.pop_all()  # kept, until `stop`
        self.temp = Path(tempfile.mkdtemp(prefix="kairos-"))
        self.url = f"http://{host}:{self.listening.getsockname()[1]}"
        status = self.temp / "status"
        status.mkdir()
        # A replay of the past shows nobody anything.
        web = {} if replayed else {"web": {"url": f"unix://{self.temp / 'ledger.sock'}"}}
        own = self.url if host in LOOPBACK and (indoors or "email" not in (channels or {})) else ""
        self.settings = Settings(
            log=Log(f"{'replayed' if replayed else 'valkey'}://{self.temp / 'log.sock'}?name=log"),
            ledger=f"unix://{self.temp / 'ledger.sock'}",
            collector=msgspec.structs.replace(
                door,
                host=host,
                port=self.listening.getsockname()[1],
                keys=data / "keys.json",
                seal=None,
            ),
            public_url=public_url or own,
            workspace=workspace,
            deliveries=data / "deliveries",
            copies=data / "copies",
            archive=None if replayed else data / "archive",
            upkeep=upkeep,
            disk=data,
            disk_free_mb=disk_free_mb,
            channels={**web, **(channels or {})},
            status=status,
        )
        self.children: dict[str, _Child] = {}
        self._look_s = 0.0  # when it is asked next whether there are models
        self._note: IO[bytes] | None = None  # to be found by, as long as it is open

    def __enter__(self) -> Self:
        """Start everything, and return when it serves."""
        try:
            self._start()
            self._note = running.note(self.data, self.settings)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop everything, in order."""
        self.stop()

    def _start(self) -> None:
        for name, options in (("log", servers.LOG), ("ledger", servers.LEDGER)):
            held = (self._held.fileno(),)
            start = partial(servers.start, options, self.data / name, self._socket(name), held)
            self.children[name] = _Child(name, start, self._socket(name).exists)
        for name in ("log", "ledger"):
            process = self.children[name].process
            servers.wait_for(name, process, self._socket(name), self.data / name)
        self._part("live")
        self._wait_until_ready("live", meanwhile=READING)
        if self.settings.archive is not None:
            self._part("archive")
        self._part("workers")
        self._part("collector", self.listening.fileno())
        self._wait_until_ready("workers")
        self._wait_until_ready("collector")

    def _socket(self, name: str) -> Path:
        return self.temp / f"{name}.sock"

    def _part(self, part: str, *keep: int) -> None:
        start = partial(self._run, part, *keep)
        self.children[part] = _Child(part, start, self._status(part).exists)

    def _run(self, part: str, *keep: int) -> subprocess.Popen[bytes]:
        # Settings of an installation, such as KAIROS_LOG_URL_FILE, are not those of this stack.
        ours = {name: value for name, value in os.environ.items() if not name.startswith("KAIROS_")}
        env = {**ours, **self.settings.to_env()}
        if keep:
            env["KAIROS_FD"] = str(keep[0])
        (self._status(part)).unlink(missing_ok=True)
        with (self.data / f"{part}.log").open("ab") as output:
            program = self._programs.get(part, [sys.executable, "-m", "kairos", "run", part])
            return spawn(program, output=output, env=env, keep=(*keep, self._held.fileno()))

    def _status(self, part: str) -> Path:
        return self.temp / "status" / f"{part}.json"

    def _wait_until_ready(
        self, part: str, patience_s: float = 120, *, meanwhile: str | None = None
    ) -> None:
        """Wait until a part has written its status.

        Live does so when it has read what it missed. That may be everything that there ever was;
        meanwhile it has another status, and after a while the door opens without it.
        """
        began = time.monotonic()
        while not self._status(part).exists():
            code = self.children[part].process.poll()
            took = time.monotonic() - began
            if (
                code is None
                and meanwhile
                and took > self._reads_s
                and self._status(meanwhile).exists()
            ):
                log.warning("not done yet, the others start", part=part, status=meanwhile)
                return
            if code is not None or took > patience_s:
                tail = (self.data / f"{part}.log").read_text(errors="replace").splitlines()[-12:]
                what = "is not ready in time" if code is None else f"ended with code {code}"
                raise StackError(
                    f"{part} {what}; the end of {self.data / f'{part}.log'}:\n" + "\n".join(tail)
                )
            time.sleep(0.01)

    def watch(self) -> None:
        """Start again whatever has ended. Call it a few times a second."""
        now = time.monotonic()
        for child in list(self.children.values()):  # a stop may take them meanwhile
            child.watch(now)
        if "learn" not in self.children and now >= self._look_s:
            self._look_s = now + LOOK_S
            if not self.settings.log.replayed and self._models():
                self._part("learn")

    def _models(self) -> bool:
        """Say whether the workspace in force asks for models."""
        try:
            return bool(orjson.loads(self._status("live").read_bytes()).get("models"))
        except FileNotFoundError:  # it is just starting
            return False

    def stop(self) -> None:
        """Stop everything: the door first, the servers last."""
        if self._note is not None:
            (self.data / running.NOTE).unlink(missing_ok=True)
            self._note.close()
        for name in ("collector", "live", "learn", "archive", "workers", "log", "ledger"):
            child = self.children.pop(name, None)
            if child is not None:
                end(child.process)
        self.listening.close()
        shutil.rmtree(self.temp, ignore_errors=True)
        self._held.close()
        self._lock.close()


def _locked(data: Path) -> IO[str]:
    """Lock a data folder, so that two stacks never share it."""
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StackError(
            f"{data} is in use by another Kairos; stop it, or choose another --data folder"
        ) from None
    return lock


def _free_of_children(data: Path) -> IO[str]:
    """Lock what every child holds while it lives, once those of a killed stack have let go of it.

    They end by themselves, but a moment later than it did. Two log servers that append to the same
    files, if only for that moment, would lose events that were acknowledged.
    """
    held = (data / "children.lock").open("w")
    until = time.monotonic() + LEAVE_S
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < until:
                time.sleep(0.02)
                continue
            held.close()
            raise StackError(
                f"processes of a stack that was killed still use {data} after {LEAVE_S:.0f} s; "
                f"end them: `fuser {data / 'children.lock'}` says which"
            ) from None
        return held


def _keep_clocks_apart(data: Path, *, replayed: bool) -> None:
    """Never let a log of the present and a replay of the past write into one folder."""
    mark = data / "replayed"
    if not replayed and mark.exists():
        raise StackError(
            f"{data} holds a replay, whose clock is that of its file; choose another --data folder"
        )
    if replayed:
        if (data / "log").exists():
            raise StackError(
                f"{data} is not empty, and a replay begins at the beginning; delete the folder, "
                "or choose another --data folder"
            )
        mark.touch()


def _listen(host: str, port: int) -> socket.socket:
    """Open the collector's door here, so that it stays open while the collector starts again."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise StackError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from None
    listening.listen(1024)
    return listening


def until_signal(
    each: Callable[[], None], pause_s: float = 0.2, ready: Callable[[], None] = lambda: None
) -> None:
    """Call `each` again and again until SIGINT or SIGTERM comes.

    Args:
        each: called every `pause_s` seconds.
        pause_s: see there.
        ready: called once, when a signal ends it in order: who is told then may send one at once.
    """
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ready()
        while not stopping:
            each()
            time.sleep(pause_s)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
