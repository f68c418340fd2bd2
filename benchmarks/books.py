"""Do the books of a latency run balance? What was refused, and what was lost on the way."""

from collections.abc import Iterable

from benchmarks.bed import BenchError
from benchmarks.generator import OK, Answer
from benchmarks.recorder import Arrival
from kairos.embedded import servers
from kairos.figures import Figures

FULL = 0.95  # of the log's room; an entry that is refused needs a little of it


def check_answers(answers: list[Answer], rate: float, fullness: float) -> None:
    """Check that the collector took what it could.

    Args:
        answers: of all batches.
        rate: events a second.
        fullness: of the log at its worst, 0 to 1.

    Raises:
        BenchError: the log was full, or nothing was accepted.
    """
    refused = [a.status for a in answers if a.status != OK]
    if refused and fullness >= FULL:
        raise BenchError(
            f"the log was full: its Valkey has {servers.LOG['maxmemory']} (maxmemory, noeviction), "
            f"and {len(refused)} of {len(answers)} requests were refused; the engine does not "
            f"keep up with {rate:g} events a second for so long: ask for a lower --rate or "
            "fewer --seconds"
        )
    if len(refused) == len(answers):
        raise BenchError(
            f"none of {len(answers)} requests was answered 200; found {sorted(set(refused))}, "
            "where 0 is no answer"
        )


def taken(figures: Figures) -> int:
    """Return how many activations the worker wrote down, whatever became of them."""
    return sum(sum(outcomes.values()) for outcomes in figures.deliveries.values())


def lost(decided: int, handed: Iterable[Arrival]) -> int:
    """Return how many activations were decided and never in the worker's hands.

    Raises:
        BenchError: it was handed more than were decided, so the books do not balance.
    """
    known = len({one.activation.id for one in handed})
    if known > decided:
        raise BenchError(f"the worker was handed {known} activations, {decided} were decided")
    return decided - known
