"""The crash points: places in the code at which a process dies, each exactly there.

A point is (part, module, function, at its call or at its return, at the how manieth). What a name
must say is checked before: a function that was renamed is an error, and so is a point that nobody
comes to. What must come of each is the same for all, and the books say whether it did: every
accepted event applied once, every message owed sent once, or held where nobody can know. A signal
reaches the main thread of a process that runs, so the places are there.
"""

import os
import signal
import time
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from benchmarks.bed import BenchError
from benchmarks.torture import workspace
from benchmarks.torture.client import Client
from benchmarks.torture.stand import PATIENCE_S, Stand, ended
from channels.delivery.beside import listed
from flows.workspace_folder import read_folder
from kairos.operators.erasing import erase
from kairos.parts.base import REPLACED
from kairos.profile.beside import beside
from triggers.load import hash_of

HIT_S = 30.0  # until somebody has come to a point, under load


class Point(NamedTuple):
    """Where a process dies. The part takes it up while it runs, or only from its start on."""

    name: str  # in the words of the list of crash points
    part: str
    module: str
    function: str
    event: str  # "call" or "return"
    nth: int = 1
    starts: bool = False  # the place lies in the part's start: it is killed to come there
    needs: str = ""  # what must be done for somebody to come there: "erase", "version"
    leaves: str = ""  # "unknown": at least one more message is held afterwards


_ENGINE, _BEHIND = "flows.engine", "profile_state.write_behind"
_STORE, _LOG = "profile_state.stores.redis", "events.sources.valkey"
_WORKER, _SLOT = "channels.delivery.worker", "channels.delivery.slot"

POINTS = (
    Point("collector before parsing", "collector", "collector.handle", "handle", "call"),
    Point("collector while parsing", "collector", "events.parse", "parse", "return", 3),
    Point("half-way through the append", "collector", _LOG, "ValkeyAppender.append", "return"),
    Point(
        "appended, 200 not sent", "collector", "collector.application", "Application._count", "call"
    ),
    Point("200 sent, engine has not read", "live", _ENGINE, "Engine.read", "call"),
    Point("read, nothing decided", "live", _ENGINE, "Engine.process", "call"),
    Point("inside a batch", "live", "triggers.core", "_event", "return", 3),
    Point("decided, no activation out", "live", "triggers.activation", "encode", "return"),
    Point("activations out, nothing written behind", "live", _BEHIND, "WriteBehind.take", "call"),
    Point("between two chunks of a generation", "live", _STORE, "RedisStore.write", "call", 2),
    Point("chunk sent, reply lost", "live", _STORE, "RedisStore.write", "return"),
    Point("generation drained, offset not stored", "live", _STORE, "RedisStore.mark", "call"),
    Point("offset sent, reply lost", "live", _STORE, "RedisStore.mark", "return"),
    Point("tick appended, not read", "live", _LOG, "ValkeyLog.append", "return"),
    Point(
        "workspace validated, not activated", "live", "triggers.load", "hash_of", "call", 3,
        starts=True, needs="version",
    ),
    Point(
        "erasure half done", "live", "triggers.erasure", "_take_out", "return", needs="erase"
    ),
    Point("activations unread", "workers", _WORKER, "Worker._take", "call"),
    Point("taken, no intent", "workers", _WORKER, "Worker._hand_out", "call"),
    Point(
        "intent fsynced, call not made", "workers", "channels.email", "Email.deliver", "call",
        leaves="unknown",
    ),
    Point("the same, to a provider with a key", "workers", "channels.webhook", "Webhook.deliver", "call"),
    Point("call made, answer lost", "workers", _WORKER, "Worker._settle", "call"),
    # In the main thread it is called after the write; within it by threads that are not watched.
    Point("answer in the delivery ledger, stream not acknowledged", "workers", _SLOT, "final", "call"),
    Point("segment written, without its name", "archive", "events.archive.placed", "sync", "call"),
    Point("segment packed, not written", "archive", "events.archive.folder", "Archive.write", "call"),
)  # fmt: skip


def known(point: Point) -> None:
    """Check that there is such a function.

    Raises:
        BenchError: there is none; it was renamed or moved.
    """
    try:
        attrgetter(point.function)(import_module(point.module))
    except (ImportError, AttributeError) as error:
        raise BenchError(
            f"crash point {point.name!r}: there is no {point.module}.{point.function} ({error}); "
            "benchmarks/torture/points.py must name what it is now"
        ) from error


class Points:
    """Kills at crash points of several parts at once, one of each part at a time.

    Args:
        stand: that serves.
        client: whose load brings somebody to each point.
    """

    def __init__(self, stand: Stand, client: Client) -> None:
        self._stand, self._client = stand, client
        self._versions = 0
        self.erased: set[str] = set()
        self.hits = 0

    def all(self) -> None:
        """Kill at every point, once."""
        for point in POINTS:
            known(point)
        queues = {part: [p for p in POINTS if p.part == part] for part in {p.part for p in POINTS}}
        while any(queues.values()):
            self._together([queue.pop(0) for queue in queues.values() if queue])

    def frozen(self, seconds: float) -> None:
        """Freeze worker and engine, while another one of each is started in its place.

        A worker's slots are its own as long as its process lives, so nobody else gets one. An
        engine's partition is whose comes last, and who was replaced changes nothing any more.
        """
        stand = self._stand
        pids = {part: stand.serving(part) for part in ("workers", "live")}
        for pid in pids.values():
            os.kill(pid, signal.SIGSTOP)
        try:
            worker, engine = (stand.beside(part) for part in pids)
            if worker.wait(PATIENCE_S) == 0:
                raise BenchError("a second worker served the slots of one that was frozen")
            stand.wait(lambda: stand.owner() == engine.pid, "another engine serves")
            time.sleep(seconds)
        finally:
            for pid in pids.values():
                os.kill(pid, signal.SIGCONT)
        stand.wait(lambda: ended(pids["live"]), "an engine that was replaced ends")
        stand.serving("live")
        if (code := engine.wait(PATIENCE_S)) != REPLACED:
            raise BenchError(f"an engine that was replaced ended with code {code}, not {REPLACED}")
        self.hits += len(pids)

    def _together(self, points: list[Point]) -> None:
        before = {point.part: self._stand.serving(point.part) for point in points}
        held = self._held()
        for point in points:
            self._arm(point, before[point.part])
        for point in points:
            self._stand.wait(
                self._hit(point).exists,
                f"crash point {point.name!r} is reached, {point.function} of {point.part} is run",
                HIT_S,
            )
        for point in points:
            self._hit(point).unlink()
            self.hits += 1
            self._stand.wait(partial(ended, before[point.part]), f"{point.part} dies")
            self._stand.serving(point.part)
            if point.leaves == "unknown" and self._held() <= held:
                raise BenchError(f"crash point {point.name!r}: no message is held as unknown")
            if point.needs == "version" and self._in_force() != self._wanted():
                raise BenchError(f"crash point {point.name!r}: another version is in force")

    def _hit(self, point: Point) -> Path:
        return self._stand.points / f"{point.part}.hit"

    def _in_force(self) -> object:
        return self._stand.facts("live")["workspace"]

    def _wanted(self) -> str:
        return hash_of(read_folder(self._stand.workspace))

    def _arm(self, point: Point, pid: int) -> None:
        words = f"{point.module} {point.function} {point.event} {point.nth}"
        (self._stand.points / point.part).write_text(words, encoding="utf-8")
        if point.needs == "version":
            self._versions += 1
            workspace.changed(self._stand.workspace, self._versions)
        os.kill(pid, signal.SIGKILL if point.starts else signal.SIGUSR1)
        if point.needs == "erase":
            user = self._client.one()
            with beside(self._stand.settings) as engine:
                # The engine dies of it, so nobody answers in time; the record is in the log.
                erase(engine, f"user_id:{user}", "torture", "a crash point", really=True)
            self.erased.add(user)

    def _held(self) -> int:
        return len(listed(self._stand.settings.deliveries, "unknown", 1_000_000))
