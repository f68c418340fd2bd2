"""Dead letters: read them, try them again, and settle them by records of the log.

A letter that is tried again gets the event that its body is now, in one entry of the log with
the word that the letter is done with. So a command that is killed leaves each letter either as
it was or replayed, and one that is run twice appends the same event, which counts once.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from events.arrival import Arrival
from events.parse import parse
from events.record import DeadLetter, Event, Offset, Record, Settled, event_key
from events.rejected import Rejected
from events.wire import NO_CONTEXT, RawContext
from flows.poison import POISON
from kairos.profile.beside import Beside
from triggers.core import OLDEST

CONFLICT = "conflicting_copy"
HOLDS_EVENT = (CONFLICT, POISON)  # codes of letters that hold an event, not a call
ENTRY_BYTES = 1 << 20  # of bodies that share an entry of the log
SHOWN_BYTES = 60  # of a body, in a table


class Letter(NamedTuple):
    """An event that could not be applied, and where it lies."""

    place: Offset
    said: DeadLetter

    @property
    def name(self) -> str:
        """What users call it.

        >>> Letter(Offset(7, 2), DeadLetter("web", 0, "c", "r", b"", 0)).name
        '7.2'
        """
        return f"{self.place.entry}.{self.place.nth}"

    @property
    def at(self) -> int:
        """When the collector took it, ms."""
        return self.said.accepted_us // 1000


class Choice(msgspec.Struct, frozen=True):
    """Which letters."""

    names: tuple[str, ...] = ()  # of places; none for all
    code: str | None = None
    since: int = 0  # ms

    def takes(self, letter: Letter) -> bool:
        """Say whether a letter is among them.

        >>> letter = Letter(Offset(7, 2), DeadLetter("web", 0, "too_deep", "r", b"", 0))
        >>> Choice(code="too_deep").takes(letter), Choice(names=("7.1",)).takes(letter)
        (True, False)
        """
        return (
            (not self.names or letter.name in self.names)
            and (self.code is None or letter.said.code == self.code)
            and letter.at >= self.since
        )


def letters(engine: Beside, choice: Choice) -> Iterator[Letter]:
    """Yield letters, oldest first."""
    for place, packed in engine.store.dead():
        letter = Letter(place, msgspec.msgpack.decode(packed, type=DeadLetter))
        if choice.takes(letter):
            yield letter


def again(letter: Letter, *, as_new: bool = False, replayed: bool = False) -> Event | Rejected:
    """Parse a letter's body once more, as the collector would have when it came.

    Args:
        letter: any.
        as_new: give a conflicting copy a message id of its own.
        replayed: the log takes its time from the events in it.

    >>> said = DeadLetter("web", 0, "unknown_type", "", b'{"userId":"u","event":"Seen"}', 0, "track")
    >>> again(Letter(Offset(7, 2), said)).leaf
    'user_id:u'
    """
    said = letter.said
    if said.code == CONFLICT:
        return _renamed(letter) if as_new else Rejected(CONFLICT, _CONFLICTS)
    if said.code == POISON:
        return _as_it_was(letter)
    context = msgspec.json.decode(said.context, type=RawContext)
    arrival = Arrival(
        source=said.source,
        trust=said.trust,
        accepted_us=said.accepted_us,
        kind=said.kind,
        sent_at=said.sent_at or None,
        context=NO_CONTEXT if context == NO_CONTEXT else context,
        import_id=said.import_id,
        replayed=replayed,
    )
    return parse(said.body, arrival)


_CONFLICTS = (
    "another event with its message id was applied, so it would conflict again; --as-new replays "
    "it under a message id of its own"
)


def event_of(letter: Letter) -> Event:
    """Return the event that a letter holds whose code is one of HOLDS_EVENT.

    Raises:
        ValueError: its body is none.
    """
    return msgspec.json.decode(letter.said.body, type=Event)


def _as_it_was(letter: Letter) -> Event | Rejected:
    try:
        return event_of(letter)
    except ValueError as error:
        return Rejected("invalid_event", f"the letter's body is no event: {error}")


def _renamed(letter: Letter) -> Event | Rejected:
    """Give a conflicting copy a message id that follows from its place: a second replay has it too."""
    event = _as_it_was(letter)
    if isinstance(event, Rejected):
        return event
    message_id = f"{event.message_id}~{letter.name}"
    key = event_key(event.source, event.leaf, message_id)
    return msgspec.structs.replace(event, message_id=message_id, key=key)


class Replayed(msgspec.Struct, frozen=True):
    """A letter that is an event now."""

    place: str
    name: str
    leaf: str
    message_id: str
    time: int  # ms
    entry: int | None  # of the log; None where nothing was appended


class Kept(msgspec.Struct, frozen=True):
    """A letter that stays."""

    place: str
    code: str
    reason: str


class Retried(msgspec.Struct):
    """What a replay came to."""

    replayed: list[Replayed] = []
    kept: list[Kept] = []
    missing: list[str] = []  # places at which there is no letter
    conflicts: list[str] = []  # places of letters that came of it, since a copy was applied before
    old: int = 0  # events that are so old that they change traits alone
    applied: bool = True  # the engine has come to them


def replay(
    found: Iterable[Letter],
    append: Callable[[list[Record]], int] | None,
    by: str,
    now: int,
    *,
    as_new: bool = False,
    replayed: bool = False,
) -> Retried:
    """Try letters again, and append the events that they are now.

    Args:
        found: the letters.
        append: appends one entry; None simulates.
        by: who says so.
        now: ms.
        as_new: see `again`.
        replayed: see `again`.
    """
    done, waiting, size = Retried(), list[tuple[Letter, Event]](), 0

    def flush() -> None:
        records: list[Record] = [event for _, event in waiting]
        records += [Settled(letter.place.entry, letter.place.nth, by) for letter, _ in waiting]
        entry = append(records) if append is not None and records else None
        done.replayed.extend(
            Replayed(letter.name, e.name, e.leaf, e.message_id, e.time, entry)
            for letter, e in waiting
        )
        waiting.clear()

    for letter in found:
        event = again(letter, as_new=as_new, replayed=replayed)
        if isinstance(event, Rejected):
            done.kept.append(Kept(letter.name, event.code, event.reason))
            continue
        if size + len(letter.said.body) > ENTRY_BYTES:
            flush()
            size = 0
        waiting.append((letter, event))
        size += len(letter.said.body)
        done.old += not event.import_id and event.time <= now - OLDEST
    flush()
    return done


def drop(found: Iterable[Letter], by: str, reason: str) -> list[Record]:
    """Return the records that give letters up."""
    return [Settled(x.place.entry, x.place.nth, f"{by}: {reason}") for x in found]
