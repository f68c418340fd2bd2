"""Which segments may go: those that are too old or too many, and that a checkpoint stands for."""

from collections.abc import Iterable
from typing import NamedTuple


class Kept(NamedTuple):
    """A segment, as the retention sees it."""

    last: int  # id of its last entry
    last_ms: int  # when the log took that
    size: int  # bytes


class Verdict(NamedTuple):
    """What may go."""

    upto: int  # id of the last entry that goes, -1 where nothing does
    held: int  # segments that are to go and must not: no checkpoint stands for them


def judged(
    kept: Iterable[Kept], covered: int, *, now: int, keep_ms: int | None, over: int
) -> Verdict:
    """Say which segments go, the oldest first.

    >>> kept = [Kept(9, 1_000, 50), Kept(19, 2_000, 50)]
    >>> judged(kept, 29, now=5_000, keep_ms=3_500, over=0)
    Verdict(upto=9, held=0)
    >>> judged(kept, 15, now=5_000, keep_ms=None, over=60)
    Verdict(upto=9, held=1)

    Args:
        kept: all segments but the newest, which never goes; oldest first. Read as far as needed.
        covered: id up to which checkpoints stand for the log.
        now: ms.
        keep_ms: how old an entry must be to go; None lets go of none for its age.
        over: bytes by which the folder is too large.
    """
    upto, held = -1, 0
    for one in kept:
        if over <= 0 and (keep_ms is None or now - one.last_ms <= keep_ms):
            break
        over -= one.size
        if held or one.last > covered:
            held += 1
        else:
            upto = one.last
    return Verdict(upto, held)
