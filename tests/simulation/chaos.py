"""What goes wrong, and when: drawn from the seed, so many of each kind."""

from collections import Counter
from collections.abc import Callable

from events import record
from events.record import Erase, Join, Record, Settled, Tick, Version
from tests.simulation.door import Doors
from tests.simulation.engines import Engines
from tests.simulation.history import HUMANS
from tests.simulation.ledger import LedgerServer
from tests.simulation.log import LogServer
from tests.simulation.providers import MOODS, Provider
from tests.simulation.shop import HOUR, MINUTE, SECOND_VERSION
from tests.simulation.workers import Workers
from tests.simulation.world import World
from triggers.load import hash_of

FAULTS = 16  # of a seed; those that find nobody to hurt do not count
WORDS = 8  # of an operator, in a seed
LEAVERS = 2  # people who want to be forgotten
LETTERS = 4  # dead letters that an operator is done with
COLLECTOR_POINTS = ("parse:before", "append:before", "append:after", "answer:before")
ENGINE_POINTS = (
    "read:before", "load:before", "put:before", "put:after", "write:before", "write:after",
    "settled:before", "mark:before", "mark:after", "append:before", "append:after",
    "spread write:after", "spread settled:before", "spread mark:before", "spread mark:after",
    "own:before", "own:after", "within:before", "oldest_copies:before",
)  # fmt: skip
WORKER_POINTS = (
    "take:before", "take:after", "intend:before", "intend:after", "settle:before", "settle:before",
    "settle:before", "settle:after", "due:before", "due:after", "save:before", "save:after",
)  # fmt: skip


class Chaos:
    """Plans the faults of a seed between two instants, and counts those that happened."""

    def __init__(
        self,
        world: World,
        log: LogServer,
        ledger: LedgerServer,
        doors: Doors,
        engines: Engines,
        workers: Workers,
        providers: list[Provider],
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._world = world
        self._log = log
        self._ledger = ledger
        self._doors = doors
        self._engines = engines
        self._workers = workers
        self._providers = providers
        self._draw = world.draw("chaos")

    def plan(self, start: int, end: int) -> None:
        """Plan `FAULTS` faults, and one change of the workspace."""
        kinds: dict[Callable[[], bool], int] = {
            self._collector_dies: 3, self._answers_lost: 2, self._log_away: 2,
            self._engine_dies: 8, self._ledger_breaks: 3, self._ledger_away: 2,
            self._ledger_restarts: 3, self._second_engine: 2, self._engine_freezes: 1,
            self._clock_jumps: 2, self._stray_ticks: 1, self._worker_dies: 6,
            self._worker_freezes: 1, self._provider_fails: 5,
        }  # fmt: skip
        for fault in self._draw.choices(list(kinds), list(kinds.values()), k=FAULTS):
            self._at(self._draw.randrange(start, end), self._strike, fault)
        self._at(self._draw.randrange(start + (end - start) // 4, end), self._new_version)
        for nth in range(WORDS):
            self._at(self._draw.randrange(start, end), self._operator_speaks, nth)
        for do in [self._somebody_leaves] * LEAVERS + [self._letter_settled] * LETTERS:
            self._at(self._draw.randrange(start, end), do)

    def _at(self, ms: int, do: Callable[..., object], *args: object) -> None:
        self._world.outside.call_at(ms / 1000, do, *args)

    def _later(self, seconds: float, do: Callable[..., object], *args: object) -> None:
        self._world.outside.call_later(seconds, do, *args)

    def _strike(self, fault: Callable[[], bool]) -> None:
        name = fault.__name__.strip("_")
        if fault():
            self.happened[name] += 1
            self._world.say("chaos", name)

    def _collector_dies(self) -> bool:
        self._doors.process.fuse = f"collector {self._draw.choice(COLLECTOR_POINTS)}"
        return self._doors.process.alive

    def _answers_lost(self) -> bool:
        self._log.lost_answers += self._draw.choice((1, 1, 3))
        return True

    def _log_away(self) -> bool:
        self._log.away_until_us = self._world.us + self._draw.choice((1, 20, 90)) * 1_000_000
        return True

    def _engine_dies(self) -> bool:
        one = self._engines.newest
        if one is not None:
            one.process.fuse = self._draw.choice(ENGINE_POINTS)
        return one is not None

    def _ledger_breaks(self) -> bool:
        one = self._engines.newest
        if one is not None:
            one.store.broken = True
        return one is not None

    def _ledger_away(self) -> bool:
        self._ledger.away_until_us = self._world.us + self._draw.choice((1, 20, 90)) * 1_000_000
        return True

    def _ledger_restarts(self) -> bool:
        self._ledger.remember()
        self._later(self._draw.choice((0.5, 10, 300)), self._ledger.restart)
        return True

    def _second_engine(self) -> bool:
        """Another one takes the partition over, while the old one goes on or sleeps."""
        one = self._engines.newest
        if one is not None and self._draw.random() < 0.5:
            one.process.freeze(self._draw.choice((5, 60, 1200)))
        self._engines.start()
        return one is not None

    def _engine_freezes(self) -> bool:
        one = self._engines.newest
        if one is not None:
            one.process.freeze(self._draw.choice((1, 60, 3600)))
        return one is not None

    def _clock_jumps(self) -> bool:
        """The engine's wall clock is off for a while; it may only move ticks."""
        self._engines.skew_ms = self._draw.choice((-HOUR, -MINUTE, MINUTE, 10 * MINUTE))
        self._later(self._draw.choice((60, 900)), setattr, self._engines, "skew_ms", 0)
        return True

    def _stray_ticks(self) -> bool:
        """A tick that nobody asked for and that reaches into the future, twice, and a late one."""
        for due in (self._world.ms + HOUR, self._world.ms + HOUR, self._world.ms - MINUTE):
            self._log.append(record.encode([Tick(due)]))
        return True

    def _worker_dies(self) -> bool:
        self._workers.process.fuse = f"worker {self._draw.choice(WORKER_POINTS)}"
        return self._workers.process.alive

    def _worker_freezes(self) -> bool:
        self._workers.process.freeze(60)
        return True

    def _provider_fails(self) -> bool:
        provider = self._draw.choice(self._providers)
        provider.mood = self._draw.choice(MOODS)
        self._later(self._draw.choice((60, 3600, 10_000)), setattr, provider, "mood", "")
        return True

    def _operator_speaks(self, nth: int) -> None:
        """An operator joins or cuts by hand."""
        draw = self._draw
        human = draw.randrange(HUMANS // 4)  # few, so that words meet about one pair
        other = draw.choice((f"anonymous_id:d{human}a", f"user_id:u{human + 1}"))
        now = self._world.ms - draw.choice((0, MINUTE))
        cut = draw.random() < 0.6
        self._say_twice(Join(f"w{nth}", now, f"user_id:u{human}", other, cut, "op", ""))

    def _somebody_leaves(self) -> None:
        """Erase somebody, by any of their identifiers; now and then somebody who never came."""
        draw = self._draw
        human = draw.randrange(HUMANS + 1)
        ways = (f"user_id:u{human}", f"anonymous_id:d{human}a", f"email:u{human}@shop.example")
        key = draw.choice((b"k" * 16, b"l" * 16))
        self._say_twice(Erase(draw.choice(ways), key, self._world.ms, "op", ""))

    def _letter_settled(self) -> None:
        letters = sorted(self._ledger.shelf.dead)
        if letters:
            self._say_twice(Settled(*self._draw.choice(letters), "op"))

    def _say_twice(self, word: Record) -> None:
        """Say an operator's word, who presses the button twice."""
        for _ in range(2):
            self._log.append(record.encode([word]))
        self._world.say("operator", f"{word}")

    def _new_version(self) -> None:
        """An operator edits the folder; the engine at hand hears of it through the log."""
        self._engines.files = SECOND_VERSION
        version = Version(hash_of(SECOND_VERSION), SECOND_VERSION, "2026.1")
        self._log.append(record.encode([version]))
        self._world.say("chaos", "new version")
        if self._draw.random() < 0.5:  # in the middle of its sweeps
            self._later(self._draw.choice((0.005, 0.02, 1)), self._engine_dies)
