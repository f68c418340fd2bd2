"""Seeds, one or many: lived through and judged."""

import gc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import structlog

from tests.simulation.oracle.checks import judge
from tests.simulation.run import clean, live, scratch
from tests.simulation.witness import evidence_of

_seeds = count(1)  # of this process
TAIL = 40  # lines of the trace that are shown of a seed that fails


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a seed."""

    seed: int
    hash: str  # of its trace
    wrong: list[str]
    trace: list[str]  # its last lines

    def report(self) -> str:
        """Say what is wrong, and how to see it again."""
        return "\n".join(
            [
                f"seed {self.seed} fails:",
                *(f"  {line}" for line in self.wrong),
                "the end of its trace:",
                *(f"  {line}" for line in self.trace[-TAIL:]),
                f"again, with all of its trace: python -m tests.simulation --seed {self.seed} --trace",
            ]
        )


def verdict(seed: int, *, kept: int | None = TAIL) -> Verdict:
    """Live through a seed and judge it.

    Args:
        seed: of everything that is drawn.
        kept: lines of the trace to keep, None for all.
    """
    with structlog.testing.capture_logs(), _without_cycles():
        lived = live(seed, scratch(), kept=kept)
        try:
            wrong = lived.failures or judge(evidence_of(lived))
        finally:
            clean(lived)
    trace = lived.world.trace
    return Verdict(seed, trace.hash, wrong, list(trace.lines))


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Rest Python's cycle collector: a seed is short, and a look at everything takes 50 ms."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        if next(_seeds) % 24 == 0:
            gc.collect()


def verdicts(seeds: range, processes: int) -> Iterator[Verdict]:
    """Judge many seeds, in order."""
    if processes == 1:
        yield from map(verdict, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(verdict, seeds, chunksize=1)
