"""Poison: an event that the core cannot apply, and an entry that nobody can read.

Neither may stop the partition, and neither is lost: it becomes a dead letter before the offset
passes it. Where a stretch of the log cannot be applied, memory may be half changed. So it is
dropped, the log is read again up to there, and from then on each event is tried alone, on a copy
of whom it concerns. One that fails three times is replaced by a dead letter; its neighbours are
applied as if it had never been there. That is a function of the log and of the build, so whoever
reads it again comes to the same, wherever it was interrupted.

The copies are what makes many such events cheap: memory is dropped once, not for each of them. A
copy follows what is applied until something fails on it, so people are copied once a stretch.

What the engine or an operator says (a tick, a sweep, a version, an erasure) is never replaced:
left out, it would be missed in silence. The engine ends, and says at which record.
"""

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import structlog

from events.record import CLAIMED, DeadLetter, Event, NewerError, Offset, decode
from events.sources.base import Entry
from profile_state.stored import pack, unpack
from triggers import activation, core
from triggers.core import Batch
from triggers.failing import place_of
from triggers.state import State

POISON = "poison"
UNREADABLE = "unreadable_entry"
TRIES = 3
WARY = 1_000  # records without poison, at least, before they are applied together again

log = structlog.get_logger()


class NotAppliedError(Exception):
    """The core could not apply a stretch; what it was changing is half changed.

    It says where, but not with what: messages of exceptions quote what somebody sent.
    """

    @property
    def trace(self) -> str:
        """The way to the place, for a log."""
        cause = self.__cause__
        return "" if cause is None else "".join(traceback.format_tb(cause.__traceback__))


@contextmanager
def applying() -> Iterator[None]:
    """Tell what the core raises, whatever it is, from what happens around it."""
    try:
        yield
    except MemoryError:
        raise  # says nothing about the record
    except Exception as error:
        raise NotAppliedError(place_of(error)) from error


def decoded(entry: Entry) -> Batch:
    """Decode an entry; what cannot be read is one dead letter.

    Raises:
        NewerError: a newer release wrote it.
    """
    try:
        return Batch(entry.id, entry.time, decode(entry.payload))
    except NewerError:
        raise
    except ValueError as error:
        log.error("an entry of the log cannot be read", entry=entry.id, reason=str(error))
        letter = DeadLetter(
            source="log",
            trust=CLAIMED,
            code=UNREADABLE,
            reason=str(error),
            body=entry.payload,
            accepted_us=entry.time * 1000,
        )
        return Batch(entry.id, entry.time, [letter])


def singly(stretch: list[Batch]) -> Iterator[Batch]:
    """Cut a stretch into batches of one record.

    >>> [one.first for one in singly([Batch(1, 5, ["a", "b"])])]
    [0, 1]
    """
    for batch in stretch:
        for nth, record in enumerate(batch.records, batch.first):
            yield batch._replace(records=[record], first=nth)


class Poison:
    """What an engine knows about the events that it cannot apply."""

    def __init__(self) -> None:
        self._letters: dict[Offset, DeadLetter] = {}  # in the log's order, until they are stored
        self._wary = WARY  # records to try alone after each poisonous one
        self._left = 0  # of these
        self._copy: State | None = None  # of whom the stretch at hand concerned until now
        self.found = 0  # since the start

    @property
    def wary(self) -> bool:
        """Whether records are tried one by one."""
        return self._left > 0

    def beware(self, again: int) -> None:
        """Try records one by one from here on.

        Args:
            again: records that were read again; as many at least are tried, so that reading again
                never becomes most of what there is to do.
        """
        self._left = self._wary = max(WARY, again)

    def replaced(self, stretch: list[Batch]) -> list[Batch]:
        """Replace what is known to be poison, in a stretch that is read again."""
        if not self._letters:
            return stretch
        return [
            batch._replace(
                records=[
                    self._letters.get(Offset(batch.entry, nth), record)
                    for nth, record in enumerate(batch.records, batch.first)
                ]
            )
            for batch in stretch
        ]

    def end(self, stored: Offset) -> None:
        """End a stretch: forget its copies, and what will not be read again."""
        self._copy = None
        while self._letters and (first := next(iter(self._letters))) <= stored:
            del self._letters[first]

    def tried(self, one: Batch, state: State, addresses: Mapping[str, str | None]) -> Batch:
        """Return a record as it can be applied: itself, or a dead letter.

        Args:
            one: a single record.
            state: as it stands before; what an event needs is in memory.
            addresses: see `triggers.core.step`.
        """
        self._left -= 1
        [event] = one.records
        if not isinstance(event, Event):
            self._copy = None  # it does not follow what is no event
            return one
        offset = Offset(one.entry, one.first)
        letter = self._letters.get(offset) or self._letter(event, one, state, addresses)
        if letter is None:
            return one
        self._letters[offset] = letter
        self._left = self._wary
        self.found += 1
        return one._replace(records=[letter])

    def _letter(
        self, event: Event, one: Batch, state: State, addresses: Mapping[str, str | None]
    ) -> DeadLetter | None:
        """Try an event; None where it can be applied."""
        for _ in range(TRIES):
            self._copy = self._copy or _copy_of(state)
            try:
                with applying():
                    _try(one, state, self._copy, addresses)
            except NotAppliedError as error:
                failed, self._copy = error, None
            else:
                return None
        log.error(
            "an event cannot be applied, it waits among the dead letters",
            entry=one.entry,
            nth=one.first,
            name=event.name,
            reason=str(failed),
            trace=failed.trace,
        )
        return DeadLetter(
            source=event.source,
            trust=event.trust,
            code=POISON,
            reason=str(failed),
            body=msgspec.json.encode(event),
            accepted_us=event.accepted_us,
        )


def _copy_of(state: State) -> State:
    """Copy a state, without anybody in it."""
    copy = State(state.partition)
    copy.now, copy.offset = state.now, state.offset
    copy.workspace, copy.files = state.workspace, state.files
    copy.learn(state.learned)
    copy.catalog = state.catalog
    copy.erasure_keys = state.erasure_keys
    copy.older = True  # so that the first copies of events are asked for
    return copy


def _try(one: Batch, state: State, copy: State, addresses: Mapping[str, str | None]) -> None:
    """Apply an event to a copy of whom it concerns, up to what leaves the engine."""
    slots = state.workspace.slots if state.workspace is not None else {}
    while wanted := core.needs(copy, [one]):
        copy.index.update((way, state.index.get(way)) for way in wanted.identifiers)
        for person in wanted.people:
            copy.admit(unpack(pack(state.people[person]), slots))
        copy.asked.update((key, state.first_copy(key)) for key in wanted.copies)
    work = core.step(copy, [one], addresses)
    activation.encode(work.activations)
    for person in work.dirty & copy.people.keys():
        pack(copy.people[person])
