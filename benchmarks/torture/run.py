"""What do kills and power cuts cost? Nothing may be lost, doubled or sent twice, and all serve again.

Under load, parts of the real stack are killed at random instants, often several at once, and again
while they start; the power is cut at the whole machine, and at the log, the ledger, the worker and
the archive alone. What is done in which order follows from the seed. `books.py` says whether the
promise held, from what clients and providers wrote down.
"""

import random
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import structlog

from benchmarks.base import Options
from benchmarks.quantiles import quantiles
from benchmarks.torture import workspace
from benchmarks.torture.books import Balance, balance
from benchmarks.torture.client import Client
from benchmarks.torture.points import Points
from benchmarks.torture.stand import FOLDER, PARTS, SUPERVISOR, Stand
from events.sources.base import Log
from flows.open import open_log
from kairos.demo.outside import Outside
from kairos.demo.receipts import Receipts
from kairos.figures import FiguresError, Gauge

log = structlog.get_logger()

PEOPLE_PER_S = 50.0  # each of about six events
PROVIDER_S = 0.02  # a provider's answer takes so long; what a crash falls into
FROZEN_S = 1.0  # how long an engine and a worker are stopped, at each round of crash points
SERVES_S = 5.0  # within which collector, engine and worker must serve again
PATIENCE_S = 120.0  # until everything has come to rest
LOOK_S, CALM = 0.2, 8  # a tick may be under way while nothing is missing: so many looks say so
PROMPT = ("collector", "live", "workers")


class Step(NamedTuple):
    """What is done at one instant."""

    pause_s: float  # of load, before it
    parts: tuple[str, ...]  # that are killed; where the power is cut, at most one, none for all
    again_s: float | None = None  # after which they are killed a second time, while they start
    cut: bool = False
    torn: bool = False  # the disk has taken a part of what it was not made to


class Torture(msgspec.Struct, frozen=True):
    """What one run came to."""

    kills: int
    power_cuts: int
    points: int  # crash points that were hit
    accepted: int
    applied: int
    lost: int
    doubled: int
    double_sends: int
    unsent: int
    unknown: int
    owed: int
    duplicates: int
    dropped_by_key: int
    resent: int
    undone_writes: int  # that the power cuts took back
    recovery_p99_s: float  # of collector, engine and worker
    recovery_max_s: float
    recovery_p99_s_of: dict[str, float]
    wrong: list[str]  # promises that did not hold, and what the books do not agree on
    seconds: float


def once(options: Options) -> dict[str, Any]:
    """Run once."""
    done = measure(options.kills, options.power_cuts, options.points, options.seed)
    found: dict[str, Any] = msgspec.to_builtins(done)
    return found


def told(found: dict[str, Any]) -> str:
    """Say in one line what a run came to."""
    return (
        f"{found['kills']} kills, {found['power_cuts']} power cuts, {found['points']} crash points: "
        f"{found['accepted']} accepted, {found['lost']} lost, {found['doubled']} doubled, "
        f"{found['double_sends']} double sends, {found['unknown']} unknown; serves again in "
        f"{found['recovery_p99_s']:.2f} s (p99)"
    )


def planned(seed: int, kills: int, cuts: int) -> list[Step]:
    """Draw what is done, in which order.

    >>> planned(1, 5, 2) == planned(1, 5, 2)
    True
    >>> sum(len(s.parts) * (1 + (s.again_s is not None)) for s in planned(3, 50, 0))
    50
    """
    draw = random.Random(seed)
    steps = []
    while kills > 0:
        # The supervisor seldom: with it everything goes.
        lone = draw.random() < 0.08
        many = draw.choices((1, 2, 3), (3, 3, 2))[0]
        parts = (SUPERVISOR,) if lone else tuple(draw.sample(PARTS, min(many, kills)))
        again = not lone and draw.random() < 0.2 and 2 * len(parts) <= kills
        again_s = draw.uniform(0.1, 1.2) if again else None
        steps.append(Step(draw.uniform(0.05, 0.5), parts, again_s))
        kills -= len(parts) * (2 if again else 1)
    where = [(), *((part,) for part in FOLDER)]
    for nth in range(cuts):
        # Every second one is of the whole machine.
        parts = () if nth % 2 == 0 else where[1 + nth // 2 % len(FOLDER)]
        step = Step(draw.uniform(0.3, 1.5), parts, cut=True, torn=draw.random() < 0.5)
        steps.insert(draw.randint(0, len(steps)), step)
    return steps


def measure(kills: int, cuts: int, points: int, seed: int) -> Torture:
    """Run once. Where a promise did not hold, the folder of it all is kept, and named in the log.

    Raises:
        BenchError: something does not come back at all.
        RigError: the power cannot be cut on this machine.
    """
    base = Path(tempfile.mkdtemp(prefix="kairos-torture-"))
    kept = False
    try:
        found = _measured(base, kills, cuts, points, seed)
        kept = bool(found.wrong)
    except Exception:
        kept = True
        raise
    finally:
        if kept:
            log.error("something went wrong, all that there is of it is kept", folder=str(base))
        else:
            shutil.rmtree(base)
    return found


def _measured(base: Path, kills: int, cuts: int, points: int, seed: int) -> Torture:
    started = time.monotonic()
    record, receipts = base / "accepted.jsonl", base / "received.jsonl"
    shop = workspace.write(base / "workspace")
    with (
        Receipts(receipts, "torture") as seen,
        Outside(seen, PROVIDER_S) as outside,
        Stand(base, shop, outside.channels, rigged=cuts > 0) as stand,
    ):
        with Client(stand.url, stand.key, record, PEOPLE_PER_S) as client:
            doing = _Doing(stand, client, random.Random(seed))
            for step in planned(seed, kills, cuts):
                doing.step(step)
            at = Points(stand, client)
            for _ in range(points):
                at.all()
                at.frozen(FROZEN_S)
        missing = settle(stand)
        found = balance(stand.settings, record, receipts, at.erased)
    wrong = [f"it does not come to rest: {missing}"] if missing else []
    return _torture(found, wrong, doing, at, client, time.monotonic() - started)


def _torture(
    found: Balance,
    wrong: list[str],
    doing: "_Doing",
    at: Points,
    client: Client,
    seconds: float,
) -> Torture:
    wrong = [*wrong, *found.wrong]
    if not client.copied <= found.duplicates <= client.copied + client.resent:
        wrong.append(
            f"copies in the log: {client.copied} on purpose and at most {client.resent} more "
            f"expected, found {found.duplicates}"
        )
    counts = {n: getattr(found, n) for n in ("lost", "doubled", "double_sends", "unsent")}
    wrong += [f"{name}: {number}" for name, number in counts.items() if number]
    slowest = {part: max(doing.took[part], default=0.0) for part in PROMPT}
    wrong += [
        f"{part} served again after {took:.1f} s, {SERVES_S:.0f} s at most"
        for part, took in slowest.items()
        if took > SERVES_S
    ]
    prompt = [s for part in PROMPT for s in doing.took[part]]
    return Torture(
        kills=doing.kills,
        power_cuts=doing.cuts,
        points=at.hits,
        accepted=found.accepted,
        applied=found.applied,
        lost=found.lost,
        doubled=found.doubled,
        double_sends=found.double_sends,
        unsent=found.unsent,
        unknown=found.unknown,
        owed=found.owed,
        duplicates=found.duplicates,
        dropped_by_key=found.dropped,
        resent=client.resent,
        undone_writes=doing.undone,
        recovery_p99_s=quantiles(prompt).p99,
        recovery_max_s=max(prompt, default=0.0),
        recovery_p99_s_of={
            part: quantiles(took).p99 for part, took in sorted(doing.took.items()) if took
        },
        wrong=wrong,
        seconds=seconds,
    )


class _Doing:
    """Does what was planned, and measures how long it takes until all serve again."""

    def __init__(self, stand: Stand, client: Client, draw: random.Random) -> None:
        self._stand, self._client, self._draw = stand, client, draw
        self.kills = self.cuts = self.undone = 0
        self.took: dict[str, list[float]] = defaultdict(list)

    def step(self, step: Step) -> None:
        time.sleep(step.pause_s)
        if step.cut:
            self._cut(step)
        elif step.parts == (SUPERVISOR,):
            self._kill_the_supervisor()
        else:
            self._kill(step)

    def _kill(self, step: Step) -> None:
        before = self._stand.kill(step.parts)
        began = time.monotonic()
        self.kills += len(before)
        if step.again_s is not None:
            time.sleep(step.again_s)
            before = {p: self._stand.kill_again(p, old) for p, old in before.items()}
            began = time.monotonic()
            self.kills += len(before)
        self._served(before, began)

    def _served(self, before: dict[str, int], began: float) -> None:
        """Wait until each part serves again, all at the same time."""
        waiting = dict(before)

        def look() -> bool:
            for part, old in list(waiting.items()):
                if self._stand.pid(part) not in (None, old):
                    if part == "collector":
                        self._client.one()
                    self.took[part].append(time.monotonic() - began)
                    del waiting[part]
            return not waiting

        self._stand.wait(look, f"{', '.join(before)} serve again")

    def _kill_the_supervisor(self) -> None:
        self._stand.kill((SUPERVISOR,))
        self.kills += 1
        began = time.monotonic()
        self._stand.start()
        self._client.one()
        self.took[SUPERVISOR].append(time.monotonic() - began)

    def _cut(self, step: Step) -> None:
        part = step.parts[0] if step.parts else None
        chance = self._draw if step.torn else None
        began = time.monotonic()
        self.undone += self._stand.power_cut(part, chance).writes
        self.cuts += 1
        for each in PARTS:
            self._stand.serving(each)
        self._client.one()
        self.took[f"power cut, {part or 'everything'}"].append(time.monotonic() - began)


def settle(stand: Stand) -> str:
    """Wait until all that was accepted is decided and delivered, and no timer runs any more.

    Returns:
        What is still missing when patience ends; "" where nothing is.
    """
    gauge, source = Gauge(stand.settings), open_log(stand.settings.log)
    until = time.monotonic() + PATIENCE_S
    calm = 0
    try:
        while calm < CALM and time.monotonic() < until:
            missing = _missing(stand, gauge, source)
            calm = 0 if missing else calm + 1
            time.sleep(LOOK_S)
    finally:
        gauge.close()
        source.close()
    return missing


def _missing(stand: Stand, gauge: Gauge, source: Log) -> str:
    try:
        running = stand.facts("live")["timers"]
        return f"{running} timers run" if running else gauge.read().missing(source.last(0))
    except (FiguresError, FileNotFoundError) as error:
        return str(error)
