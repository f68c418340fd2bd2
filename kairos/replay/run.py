"""One replay: read, put in order where it must be, post at its pace, and say what came of it."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kairos.replay.mapping import Calls, Mapping, check
from kairos.replay.pace import Pace
from kairos.replay.posting import Poster, Refused
from kairos.replay.reading import Unreadable, rows_of

AHEAD_S = 0.02  # an event may be posted so early, so that a high rate still fills batches
LOOK = 512  # rows between two calls of `progress`

Progress = Callable[[int, int, int], None]  # how much of how much is done, and how many rows


class Source(NamedTuple):
    """A file, and what its columns mean."""

    path: Path
    mapping: Mapping | None


class Timed(NamedTuple):
    """A call and when it happened, in an order that keeps the file's own among equal times."""

    time: int  # ms; -1 for none
    line: int
    call: dict[str, Any]


class Summary(msgspec.Struct):
    """What came of a replay."""

    rows: int = 0
    accepted: int = 0
    refused: list[Refused] = []
    unreadable: list[Unreadable] = []
    first: int | None = None  # ms; the earliest event
    last: int | None = None  # ms
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether every row was accepted."""
        return not self.refused and not self.unreadable

    def saw(self, instant: int) -> None:
        """Widen the span of time."""
        self.first = instant if self.first is None else min(self.first, instant)
        self.last = instant if self.last is None else max(self.last, instant)


def shift_to(source: Source, now: int) -> int:
    """Return by how many ms to move all times so that the last event is at `now`.

    Raises:
        MappingError: the mapping does not fit the file.
        ValueError: no row has a time.
    """
    last = max((t.time for t in _read(source, Summary(), 0, _quiet)), default=-1)
    if last < 0:
        raise ValueError(f"{source.path.name}: no row has a time, so there is nothing to shift")
    return now - last


def replay(
    source: Source,
    poster: Poster,
    import_of: Callable[[int], str | None],
    pace: Pace,
    *,
    shift: int = 0,
    ordered: bool = False,
    progress: Progress,
) -> Summary:
    """Post a file.

    Args:
        source: the file.
        poster: a connection to the collector.
        import_of: the import that an event of that time (ms; -1 for none) belongs to, if any.
        pace: how fast.
        shift: ms; added to every time.
        ordered: in the order of time rather than of the file; holds the whole file in memory.
        progress: called now and then.

    Raises:
        MappingError: the mapping does not fit the file.
        PostError: the collector does not take the events.
    """
    started = time.monotonic()
    summary = Summary()
    calls: Iterable[Timed]
    if ordered:
        read = _read(source, summary, shift, _quiet)
        calls = _counted(sorted(read, key=lambda t: (t.time, t.line)), progress)
    else:
        calls = _read(source, summary, shift, progress)
    for one in calls:
        if (wait := pace.wait(one.time if one.time >= 0 else None)) > AHEAD_S:
            poster.flush()
            time.sleep(wait)
        poster.add(one.line, one.call, import_of(one.time))
    poster.flush()
    summary.accepted, summary.refused = poster.posted.accepted, poster.posted.refused
    summary.seconds = time.monotonic() - started
    return summary


def _read(source: Source, summary: Summary, shift: int, progress: Progress) -> Iterator[Timed]:
    calls = Calls(source.mapping, shift)
    with rows_of(source.path) as rows:
        check(source.mapping or Mapping(), rows, source.path.name)
        for row in rows:
            summary.rows += 1
            if summary.rows % LOOK == 0:
                progress(rows.position(), rows.size, summary.rows)
            if isinstance(row, Unreadable):
                summary.unreadable.append(row)
                continue
            try:
                call = calls.of(row)
            except ValueError as error:
                summary.unreadable.append(Unreadable(row.line, str(error)))
                continue
            instant = calls.time_of(call)
            if instant is not None:
                summary.saw(instant)
            yield Timed(-1 if instant is None else instant, row.line, call)
        progress(rows.size, rows.size, summary.rows)


def _counted(calls: list[Timed], progress: Progress) -> Iterator[Timed]:
    for nth, call in enumerate(calls, 1):
        if nth % LOOK == 0 or nth == len(calls):
            progress(nth, len(calls), nth)
        yield call


def _quiet(_read: int, _size: int, _rows: int) -> None:
    """Show nothing."""
