"""The learner: reads the log as the engine does, and fits models to what everybody did.

It is the same fold, of the same features, so a model learns from what it will be asked with; triggers
and segments are left out. Everybody is kept in memory, nothing is stored: whoever reads the same log
comes to the same versions. From time to time, by the log's clock, all people are looked at, and what
their histories say is a new version of each model. The engine follows it once it is in the log.

An edit of the models, or of what joins people, begins again with the first entry there is.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from math import isclose
from typing import Any, Protocol
from zlib import crc32

import msgspec
import structlog

from events.record import (
    OFFER_DRAWN,
    WORKER,
    Beside,
    Erase,
    Event,
    Join,
    Learned,
    Offset,
    Record,
    Related,
    Sweep,
)
from flows.poison import NotAppliedError, applying
from models.base import DAILY, DRAW, EVENT, MADE_FOR, QUALITY, Seen
from models.runtime.days import DAY
from models.runtime.draws import Draws
from models.runtime.examples import Examples
from profile_state.copies.base import place_of
from profile_state.fold import Folding
from profile_state.leaf import NEVER
from profile_state.person import Person
from triggers import core, generate
from triggers.core import Batch
from triggers.definitions import Workspace
from triggers.load import load
from triggers.state import MODEL, State

SOONEST, LATEST = 10_000, 86_400_000  # ms; between two looks at everybody
SHARE = 8  # of its own age, for which a log is not looked at again
COPIES = 1_000_000  # first copies that are remembered, those of the latest events
CLICKED = "_clicked"  # behind a channel's name: an event that tells of a click
RELATED = "related"  # in a version: which items go with which, as a number
NEAR = 1e-9  # of numbers in versions, below which a difference is none
AT = "at"  # in a version: when people were looked at, ms
log = structlog.get_logger()

_FOLDED = Event | Join | Erase | Sweep  # records that say something of people


def _nothing(_cells: dict[str, Any], _since: int, _found: Any) -> None:
    """Nothing of a learner's is written, so nobody asks what is different."""


def definitions(
    files: Mapping[str, str], addresses: Mapping[str, str | None]
) -> tuple[Workspace, bytes]:
    """Return what models look at, of a workspace in force, and nothing else.

    Returns:
        It, and all that it says in bytes, by which an edit is known that concerns it.
    """
    kept = {path: text for path, text in files.items() if not path.startswith("triggers/")}
    whole = load(kept, addresses, new=False)
    wanted = {key for seeing in whole.seen.values() for key in seeing.slots}
    slots = {key: slot for key, slot in whole.slots.items() if key in wanted}
    lean = msgspec.structs.replace(
        whole,
        segments=(),
        members={},
        ranked={},
        opening=frozenset(),
        slots=slots,
        fold={
            name: Folding(fold, _nothing) for name, fold in generate.folds(slots.values()).items()
        },
    )
    models = {m.key: (m.options, lean.seen[m.name].mark) for m in lean.models.values()}
    joining = (lean.limits, sorted(lean.merging), lean.forget_after, lean.timezone)
    return lean, msgspec.msgpack.encode((models, sorted(slots.items()), joining))


class _Learning(Protocol):
    """What came of decisions."""

    def over(self, now: int) -> Iterator[Any]:
        """Yield, and let go of, those whose time was up before an instant (ms)."""
        ...

    def learn(self, decision: Any, came: bool, /) -> None:
        """Learn what came of one."""
        ...

    def forget(self, whom: Collection[str]) -> None:
        """Let go of those of somebody."""
        ...


class Learner:
    """Learns from one partition.

    Args:
        files: of the workspace in force.
        addresses: channel -> kind of address, see `triggers.load.load`.
        newest: ms; when the newest entry was taken that the log has now, 0 for an empty log.
        dead: events that the engine could not apply, and put aside.
        partition: of the log.
    """

    def __init__(
        self,
        files: Mapping[str, str],
        addresses: Mapping[str, str | None],
        newest: int = 0,
        dead: Collection[Offset] = (),
        partition: int = 0,
    ) -> None:
        self.workspace, self.meaning = definitions(files, addresses)
        self.position = -1  # id of the last entry taken
        self.said: dict[str, Mapping[str, float]] = {}  # the versions that the log has, by model
        self.owed: dict[str, Mapping[str, float]] = {}  # newer ones that it has not
        self._related: dict[str, Related] = {}  # what goes with each item, as the log has it
        self._owed_related: dict[str, Related] = {}  # what goes with others, as it has not
        self._addresses = addresses
        self._newest, self._dead = newest, frozenset(dead)
        self.state = State(partition)
        self.state.workspace = self.workspace
        self._begun = 0  # ms; when the log's first event was taken
        self._next = self._turn = NEVER  # ms; when everybody is looked at next, and the day turns
        self._examples: dict[str, Examples] = {}
        self.draws: dict[str, Draws] = {}
        for name, model in self.workspace.models.items():
            if model.label is not None and model.module.AT == DRAW:
                mark, click = self.workspace.seen[name].mark, model.module.click(model.options)
                self.draws[name] = Draws(model.label[1], click, mark)
            elif model.label is not None:
                self._examples[name] = Examples(model.label[1])
        self._learning: dict[str, _Learning] = {**self._examples, **self.draws}

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.state.people)

    def take(self, batch: Batch) -> None:
        """Read an entry."""
        self.passed(batch.time)
        records = list(self._concerning(batch))
        if records:
            if not self._begun:
                self._begun, self._next = batch.time, batch.time + SOONEST
                self._turn = (batch.time // DAY + 1) * DAY
            for first, part in _parts(records):
                self._apply(batch._replace(records=part, first=first))
            self._decisions(batch.entry, records)
        self.position = batch.entry

    def passed(self, now: int) -> None:
        """Do what it is time for, before anything that came at or after an instant (ms)."""
        while (instant := min(self._next, self._turn)) <= now:
            self._settle(instant)
            self.state.now = instant
            if instant == self._turn:
                self._turn += DAY
                self._draw(instant)
            else:
                self._next += min(max((instant - self._begun) // SHARE, SOONEST), LATEST)
                # Of looks that follow one another at once, the last one stands.
                last = self._next > max(now, self._newest)
                self._fit_to_examples(last=last)
                if last:
                    self.look()
        self._settle(now)

    def _settle(self, now: int) -> None:
        """Learn what came of examples whose time was up before an instant (ms)."""
        for name, examples in self._learning.items():
            label = self.workspace.seen[name].label
            assert label is not None, "it is a model of examples"
            for decision in examples.over(now):
                person = self.state.find(decision.whom)
                if person is not None and person.leaves:
                    # A window that ends one ms later does not hold the decision's own event.
                    examples.learn(decision, label(person, decision.due + 1))

    def _draw(self, now: int) -> None:
        """Take people by chance as examples, as they are when a day turns."""
        for name, examples in self._examples.items():
            if self.workspace.models[name].module.AT == DAILY:
                for person in self.state.people.values():
                    draw = crc32(f"{person.id} {now}".encode()) / 2**32
                    if person.leaves and examples.sampled.takes(draw, now):
                        self._decide(name, person, next(iter(person.leaves)))

    def _decisions(self, entry: int, records: Sequence[Record]) -> None:
        """Take events by chance as examples: of what a human did just now, for the first time."""
        now, known = self.state.now, self.state.first_seen
        models = self.workspace.models
        names = [name for name in self._examples if models[name].module.AT == EVENT]
        for nth, event in enumerate(records if names or self.draws else ()):
            if not isinstance(event, Event) or event.import_id or core.MACHINE in event.flags:
                continue
            first = known.get(event.key)
            if first is None or place_of(first) != (entry, nth):
                continue
            if self.draws:
                self._heard(event)
            draw = int.from_bytes(event.key[:4]) / 2**32
            for name in names:
                person = self.state.find(event.leaf)
                if person is not None and self._examples[name].sampled.takes(draw, now):
                    self._decide(name, person, event.leaf)

    def _heard(self, event: Event) -> None:
        """Take note of offers that were drawn, and of clicks in messages that speak of them."""
        message = event.properties.get("message")
        if not isinstance(message, str):
            return
        person = self.state.find(event.leaf)
        if person is None or not person.leaves:
            return
        for draws in self.draws.values():
            if event.source == WORKER and event.name == OFFER_DRAWN:
                try:
                    draws.sent(event.properties, message, event.leaf, self.state.now)
                except ValueError as error:
                    log.error("this is no draw", message=message, reason=str(error))
            elif event.name.endswith(CLICKED) and event.name[: -len(CLICKED)] in self._addresses:
                waiting = draws.of(message)
                if waiting is not None and self.state.find(waiting.whom) is person:
                    waiting.clicked = True

    def _decide(self, model: str, person: Person, leaf: str) -> None:
        now = self.state.now
        _, features = self.workspace.seen[model].look(person, now)
        if features[0] is not None:
            self._examples[model].decided(now, leaf, features)

    def _concerning(self, batch: Batch) -> Iterator[Record]:
        for nth, record in enumerate(batch.records):
            if (batch.entry, nth) in self._dead:
                continue
            if isinstance(record, _FOLDED):
                yield record
            elif isinstance(record, Related):
                self._related[record.item] = record
                if self._owed_related.get(record.item) == record:
                    del self._owed_related[record.item]
            elif isinstance(record, Learned) and record.what.startswith(MODEL):
                model = record.what.removeprefix(MODEL)
                self.said[model] = said = record.values
                owed = self.owed.get(model, {})
                if owed.get(AT, 0) <= said.get(AT, 0) or _alike(owed, said):
                    self.owed.pop(model, None)

    def _apply(self, batch: Batch) -> None:
        state, stretch = self.state, [batch]
        if isinstance(batch.records[0], Erase):
            self._forget(batch.records[0])
        while wanted := core.needs(state, stretch):
            state.index.update(dict.fromkeys(wanted.identifiers))
            state.absent += wanted.identifiers
            state.loaded |= wanted.sweeps
        try:
            with applying():
                core.step(state, stretch, self._addresses)
        except NotAppliedError as error:
            # The engine makes a dead letter of it. A learner begins anew without it one day; until
            # then the rest of the entry is missing.
            log.error("left out", entry=batch.entry, reason=str(error), trace=error.trace)
        state.stored(state.offset)  # what left memory is nowhere else
        while len(state.first_seen) > COPIES:
            del state.first_seen[next(iter(state.first_seen))]

    def _forget(self, erase: Erase) -> None:
        """Let go of the examples that somebody was."""
        person = self.state.find(erase.identifier)
        leaves = set() if person is None else set(person.leaves)
        for examples in self._learning.values():
            examples.forget(leaves | {erase.identifier})

    def look(self) -> None:
        """Fit what is fitted to everybody, as they are now."""
        now = self.state.now
        for name, model in self.workspace.models.items():
            if model.label is None:
                see = cache(partial(self.seen, name))
                version = model.module.fit(see, now, model.options)
                if version is not None and hasattr(model.module, "related"):
                    related = self._relate(model.module.related(see, now, model.options))
                    version = {**version, RELATED: related}
                self._owe(name, version)

    def _fit_to_examples(self, *, last: bool) -> None:
        for name, examples in self._examples.items():
            self._owe(name, examples.fit())
        for name, draws in self.draws.items():
            self._owe(name, draws.fit(), draws.quality if last else None)

    def _owe(
        self,
        model: str,
        version: Mapping[str, float] | None,
        quality: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """Owe the log a version, where it is another one."""
        key, mark = self.workspace.models[model].key, self.workspace.seen[model].mark
        content = {} if version is None else {**version, MADE_FOR: mark}
        if content and not _alike(content, self.said.get(key, {})):
            good = {} if quality is None else quality()
            self.owed[key] = {**content, **good, AT: float(self.state.now)}
        else:
            self.owed.pop(key, None)

    def _relate(self, related: Mapping[str, Beside]) -> float:
        """Owe the log what goes with items, where it is something else than it has.

        Returns:
            A number that says what it is: who follows a score by it is swept as that changes.
        """
        found = {item: Related.of(item, related[item]) for item in sorted(related)}
        gone = [item for item, known in self._related.items() if known.others and item not in found]
        owed = (*found.values(), *(Related.of(item, ()) for item in gone))
        self._owed_related = {one.item: one for one in owed if one != self._related.get(one.item)}
        checksum = 0
        for one in found.values():
            checksum = crc32(one.item.encode() + one.packed, checksum)
        return float(checksum)

    def seen(self, model: str, now: int) -> list[Seen | None]:
        """Return everybody as a model sees them at an instant (ms); None of whom it knows nothing."""
        look = self.workspace.seen[model].look
        found = (look(one, now) for one in self.state.people.values() if one.leaves)
        return [None if features[0] is None else Seen(day, features) for day, features in found]

    def news(self) -> list[Learned | Related]:
        """Return what the log is owed, a version behind the items that it speaks of."""
        related = list(self._owed_related.values())
        versions = [Learned(MODEL + name, dict(values)) for name, values in self.owed.items()]
        return [*related, *versions]

    def told(self) -> None:
        """Take note that the log has it."""
        self._related |= self._owed_related
        self.said |= self.owed
        self.owed, self._owed_related = {}, {}


def _parts(records: list[Record]) -> Iterator[tuple[int, list[Record]]]:
    """Cut records before each erasure: whom it concerns follows from all before it."""
    first = 0
    for nth, record in enumerate(records):
        if isinstance(record, Erase) and nth > first:
            yield first, records[first:nth]
            first = nth
    yield first, records[first:]


def _alike(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Say whether two versions are the same but for what another processor computes differently."""
    one, other = _content(one), _content(other)
    return one.keys() == other.keys() and all(
        isclose(value, other[name], rel_tol=NEAR, abs_tol=NEAR) for name, value in one.items()
    )


def _content(version: Mapping[str, float]) -> Mapping[str, float]:
    """Return what scores are computed from: for how good that is nobody is asked anew."""
    return {n: v for n, v in version.items() if n != AT and not n.startswith(QUALITY)}
