"""Warming: the past of what definitions asked for late is read once more, and put into the log.

It is work of a process of its own beside the engine, which goes on meanwhile. Ended in the middle, it
is begun again: what is in the log already is passed over there.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from typing import NamedTuple, Protocol

from events import record
from events.record import Filled, Offset
from events.sources.base import Log
from flows.poison import decoded
from profile_state.history import Gap
from profile_state.stores.base import Mark
from triggers import failing
from triggers.load import load
from triggers.past import MOST, Past

READ = 128  # entries in one read
EVERY_S = 0.05  # between records, while the engine has other things to do as well
OUTSTANDING = 100  # records that the ledger need not have yet
LOOK_S = 0.5  # between looks at how far the ledger is


class Ledger(Protocol):
    """What is asked of a ledger, by who does not own it."""

    def peek(self) -> Mark:
        """Return the mark."""
        ...

    def letters(self) -> Collection[Offset]:
        """Return where the dead letters are that nobody has settled."""
        ...


class Warmed(NamedTuple):
    """What was done."""

    records: int
    leaves: int
    passes: int


def warm(
    source: Log,
    ledger: Ledger,
    addresses: Mapping[str, str | None],
    *,
    partition: int = 0,
    pause: Callable[[float], None],
    most: int = MOST,
) -> Warmed:
    """Read the past of all that is warming, and return when the ledger has it.

    Args:
        source: archive and log.
        ledger: of the partition.
        addresses: channel -> kind of address, see `triggers.load.load`.
        partition: of the log.
        pause: waits for some seconds.
        most: see `triggers.past.Past`.

    Raises:
        LogUnavailableError: the log, or a segment of the archive, cannot be read.
        LedgerLostError: the ledger does not answer.
    """
    going_on = steps(source, ledger, addresses, partition=partition, most=most)
    while True:
        try:
            seconds = next(going_on)
        except StopIteration as end:
            done: Warmed = end.value
            return done
        pause(seconds)


def steps(
    source: Log,
    ledger: Ledger,
    addresses: Mapping[str, str | None],
    *,
    partition: int = 0,
    most: int = MOST,
) -> Generator[float, None, Warmed]:
    """Do the same, and yield for how many seconds to pause."""
    done = Warmed(0, 0, 0)
    while True:
        mark = ledger.peek()
        gap = next((gap for gap in mark.history.gaps if not gap.filled), None)
        if gap is None:
            return done
        past = _read(source, partition, ledger, mark, gap, addresses, most)
        records = leaves = entry = 0
        for records, filled in enumerate(past.records(), 1):
            entry = source.append(partition, record.encode([filled]))
            leaves += len(filled.leaves)
            yield EVERY_S
            if records % OUTSTANDING == 0:
                yield from _until(ledger, entry)
                if not _goes_on(ledger, filled):
                    break
        yield from _until(ledger, entry)
        done = Warmed(done.records + records, done.leaves + leaves, done.passes + 1)


def _read(
    source: Log,
    partition: int,
    ledger: Ledger,
    mark: Mark,
    gap: Gap,
    addresses: Mapping[str, str | None],
    most: int,
) -> Past:
    """Read up to the version that made a gap, from as far back as there is anything."""
    workspace = load(mark.files, addresses, failing.versions(mark.paused), mark.history, new=False)
    after = source.gone(partition)
    oldest = source.read(partition, after, 1, 0) if after >= 0 else ()
    since = oldest[0].time if oldest else 0
    past = Past(gap, workspace, since, frozenset(ledger.letters()), most)
    while entries := source.read(partition, after, READ, 0):
        if not all(past.take(decoded(entry)) for entry in entries):
            break
        after = entries[-1].id
    return past


def _until(ledger: Ledger, entry: int) -> Iterator[float]:
    """Wait until the ledger has an entry of the log, whatever came of it."""
    while ledger.peek().offset.entry < entry:
        yield LOOK_S


def _goes_on(ledger: Ledger, filled: Filled) -> bool:
    """Say whether the next record of a pass is waited for, and not another reader's, or none."""
    gap = ledger.peek().history.find(Offset(filled.entry, filled.nth))
    return gap is not None and gap.next == filled.last + 1
