"""One seed, lived through: the world is built, set going, left to come to rest, and judged."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation.chaos import Chaos
from tests.simulation.clients import Clients
from tests.simulation.door import Doors
from tests.simulation.engines import Engines
from tests.simulation.history import Batch, History, start_of
from tests.simulation.ledger import LedgerServer
from tests.simulation.log import LogServer
from tests.simulation.providers import Provider
from tests.simulation.readers import Readers
from tests.simulation.shop import DAY, FIRST, HOUR, MINUTE
from tests.simulation.workers import Workers
from tests.simulation.world import World

MESSAGES = 1_650  # copies and ticks make more than 2,000 records of them
_MEMORY = Path("/dev/shm")  # noqa: S108 - where fsync costs nothing; the worker's files need a disk


@dataclass
class Lived:
    """A seed's world after its end."""

    world: World
    log: LogServer
    ledger: LedgerServer
    clients: Clients
    providers: list[Provider]
    chaos: Chaos
    engines: Engines
    workers: Workers
    slots: range
    batches: list[Batch]
    failures: list[str] = field(default_factory=list)


def live(seed: int, folder: Path, *, kept: int | None = 0) -> Lived:
    """Live through a seed.

    Args:
        seed: of everything that is drawn.
        folder: for the worker's files; empty.
        kept: lines of the trace that are kept, None for all.
    """
    start = start_of(World(seed, 0).draw("start"))
    world = World(seed, start, kept=kept)
    log, ledger = LogServer(world), LedgerServer(world)
    engines = Engines(world, log, ledger, folder / "copies")
    engines.files = FIRST
    doors = Doors(world, log)
    providers = [Provider(world, name, ledger) for name in ("email", "webhook", "log")]
    first = world.draw("slots").randrange(4) * 16
    slots = range(first, first + 16)
    workers = Workers(world, ledger, providers, folder / "slots", slots)
    engines.start()
    Readers(world, log, ledger)
    history = History(world.draw("history"), start + 5_000, MESSAGES)
    batches = history.batches()
    clients = Clients(world, doors.request, lambda: log.memory.last(0))
    clients.plan(batches)
    chaos = Chaos(world, log, ledger, doors, engines, workers, providers)
    chaos.plan(start + 10 * MINUTE, history.now)
    lived = Lived(world, log, ledger, clients, providers, chaos, engines, workers, slots, batches)
    world.run(max(history.now, *(b.leaves for b in batches)) + 4 * HOUR)
    _rest(lived)
    if world.errors:
        lived.failures = [f"nothing_of_ours_raises: {error}" for error in world.errors]
    return lived


def _rest(lived: Lived) -> None:
    """Let days pass without faults, until nobody is due and nothing is on its way."""
    world, engines = lived.world, lived.engines
    for _ in range(20):
        one = engines.newest
        if (
            one is not None
            and one.engine.behind.idle
            and not lived.ledger.shelf.dues
            and one.engine.state.sweep is None
            and not one.engine.state.history.gaps
            and lived.workers.at_rest
            and not lived.clients.open
        ):
            return
        world.run(world.ms + DAY // 4)
    due = sorted(lived.ledger.shelf.dues.items())[:3]
    lived.failures.append(
        f"everything_comes_to_rest: five days after the last message there is still work: {lived.clients.open} requests "
        f"unanswered, due {due}, worker at rest: {lived.workers.at_rest}"
    )


def scratch() -> Path:
    """Make a folder for one seed."""
    return Path(tempfile.mkdtemp(prefix="kairos-sim-", dir=_MEMORY if _MEMORY.is_dir() else None))


def clean(lived: Lived) -> None:
    """Give back what a seed holds."""
    lived.world.close()
    lived.workers.close()
    lived.engines.close()
    shutil.rmtree(lived.workers.folder.parent)
