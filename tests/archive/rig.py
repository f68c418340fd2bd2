"""A ledger on a server of its own, and what is in it; for tests of checkpoints."""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis

from events.archive.folder import Archive
from events.archive.whole import Whole
from events.sources.base import Log
from flows.archiver import Archiver
from flows.bounds import DEFAULT, Bounds
from flows.engine import Engine
from kairos.embedded import servers
from kairos.embedded.children import end
from kairos.settings import Settings
from profile_state.checkpoints.contents import commands
from profile_state.checkpoints.folder import Checkpoints
from profile_state.copies.disk import Disk
from profile_state.hashes import Sums
from profile_state.stored import unpack
from profile_state.stores.keys import PASSING, SHARED, Keys
from profile_state.stores.redis import RedisStore
from tests.shop import ADDRESSES
from triggers import activation

KEYS = Keys(0)
FEW = Bounds(copies=160 * 40)  # first copies in memory; most go to the disk
NOW = 1_772_438_400_000  # ms


class Ledger:
    """A server that is the ledger of one test."""

    def __init__(self, socket: Path) -> None:
        self.url = f"unix://{socket}"
        self.client = redis.Redis(unix_socket_path=str(socket))

    def everything(self) -> Any:
        """All that a checkpoint is to hold, in a form that compares."""
        found = [tuple(one) for one in commands(self.client, KEYS)]
        strings: dict[Any, Any] = {}
        for one in found:
            if one[0] == "MSET":
                strings |= zip(one[1::2], one[2::2], strict=True)
        rest = sorted((one for one in found if one[0] != "MSET"), key=repr)
        return rest, strings, self.client.hgetall(KEYS.mark)

    def foreign(self) -> set[bytes]:
        """Keys of which no checkpoint would know what they are."""
        known = {KEYS.named(name).encode() for name in (*PASSING, "mark")}
        known |= {name.encode() for name in KEYS.single}
        return {
            key
            for key in self.client.scan_iter()
            if key not in known and not key.startswith((*KEYS.prefixes, *SHARED))
        }

    def activations(self) -> dict[str, tuple[str, str | None, int]]:
        rows: Any = self.client.xrange("activations:{p0}")
        found = (a for _, fields in rows for a in activation.decode(fields[b"r"]))
        return {a.id: (a.trigger, a.address, a.decided) for a in found}

    def counts(self) -> dict[str, int]:
        found: Any = self.client.hgetall("counts:{p0}")
        return {name.decode(): int(by) for name, by in found.items() if int(by)}


@contextmanager
def ledger(**options: str) -> Iterator[Ledger]:
    folder = Path(tempfile.mkdtemp(prefix="kairos-test-"))
    socket = folder / "l.sock"
    process = servers.start({**servers.LEDGER, **options}, folder / "data", socket)
    try:
        servers.wait_for("ledger", process, socket, folder / "data")
        found = Ledger(socket)
        yield found
        found.client.close()
    finally:
        end(process)
        shutil.rmtree(folder)


class Installation(NamedTuple):
    """A log whose past is archived, a ledger, and the folders."""

    folder: Path
    log: Log
    ledger: Ledger

    @property
    def settings(self) -> Settings:
        (self.folder / "copies" / "p0").mkdir(parents=True, exist_ok=True)  # as an engine does
        return Settings(
            ledger=self.ledger.url, archive=self.folder / "archive", copies=self.folder / "copies"
        )

    @property
    def archive(self) -> Archive:
        return Archive(self.folder / "archive", 0)

    @property
    def kept(self) -> Checkpoints:
        return Checkpoints(self.archive.folder)

    @property
    def whole(self) -> Whole:
        return Whole(self.log, [self.archive])

    def archived(self, size: int = 5_000) -> None:
        """Put the log into the archive, but for its end, and let the log forget it."""
        writer = Archiver(self.log, self.archive, monotonic=lambda: 0.0, age_s=1e9, size=size)
        while writer.position < self.log.last(0):
            writer.step(0)
        self.log.trim(0, self.archive.last + 1)

    def disk(self) -> Disk:
        return Disk(self.folder / "copies" / "p0")

    def engine(self, disk: Disk, bounds: Bounds = DEFAULT) -> Engine:
        engine = Engine(
            self.whole,
            RedisStore(self.ledger.url),
            ADDRESSES,
            clock=lambda: 0,
            monotonic=lambda: 0.0,
            older=disk,
            bounds=bounds,
        )
        assert engine._mover is not None
        engine._mover._sync = 10  # after so many the ledger lets go of those that are on the disk
        engine.recover()
        return engine

    def read_on(
        self,
        engine: Engine,
        seed: int,
        until: Callable[[Engine], bool] = lambda _: False,
        pause_s: float = 0.0,
    ) -> None:
        """Read the log in batches by chance, and write behind by chance, as under load."""
        draw, now_s = random.Random(seed), 0.0
        while engine.position < self.whole.last(0) and not until(engine):
            entries = engine._log.read(0, engine.position, draw.randrange(1, 12), 0)
            engine.process(entries)
            time.sleep(pause_s)
            for _ in range(draw.randrange(3)):
                now_s += draw.choice((0.0, 0.002, 1.0))
                engine.behind.pump(now_s, period_s=1.0)
                engine.residents.step()
                if engine._mover is not None and engine._mover.step(
                    engine.state.first_seen, engine.state.now
                ):
                    engine.state.older = True
        engine._store.settled(1)
        while not self.ledger.client.exists(
            KEYS.mark
        ):  # nothing was acknowledged in so little time
            now_s += 1.0
            engine.behind.pump(now_s, period_s=1.0)
            engine._store.settled(1)


def hashes(values: Iterator[bytes], engine: Engine) -> tuple[str, str, int, int]:
    """Facts and decisions, as of where an engine is."""
    workspace = engine.state.workspace
    sums = Sums(workspace.slots if workspace is not None else {}, engine.state.now)
    for value in values:
        sums.add(unpack(value, {}))
    return sums.facts, sums.decisions, sums.people, sums.leaves


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "cut":
        path.write_bytes(whole[: len(whole) * 2 // 3])
    elif how == "flipped":
        at = len(whole) // 2
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 4,)) + whole[at + 1 :])
    else:
        path.unlink()
