"""The past of slots that were asked for late: what they would have remembered, had they been asked for before.

The log is read once more up to the version that asked. Only events of the slots' names are looked at,
and of these what counted then: first copies of what a human did, not too old when it came. All of it
need not fit into memory: where it does not, the range of places becomes narrower while it is read, and
the rest is read in another pass.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

from events.record import Event, Filled, Offset, Version
from profile_state.cells import plain
from profile_state.copies.base import KEPT_MS
from profile_state.history import Gap
from profile_state.identity import PLACES, person_id, place_of
from triggers import generate
from triggers.core import MACHINE, OLDEST, Batch
from triggers.definitions import Workspace
from triggers.load import forgetting

FEW = 200  # leaves in one record: about 10 ms of the engine's time
MOST = 1_000_000  # leaves and first copies in memory, of about 100 bytes each


class _Life:
    """A stretch in which a leaf was never away for so long that it may have been let go of."""

    __slots__ = ("cells", "first", "seen")

    def __init__(self, first: int) -> None:
        self.first = first  # ms, of events
        self.seen = 0  # ms, the log's clock
        self.cells: dict[str, Any] = {}


class _Part:
    """The leaves of one place."""

    __slots__ = ("before", "imported", "leaves", "recent")

    def __init__(self) -> None:
        self.leaves: dict[str, list[_Life]] = {}
        self.recent: set[bytes] = set()  # first copies since the last turn, and of the turn before
        self.before: set[bytes] = set()
        self.imported: set[bytes] = set()

    @property
    def held(self) -> int:
        return len(self.leaves) + len(self.recent) + len(self.before) + len(self.imported)

    def is_copy(self, event: Event) -> bool:
        """Say whether an event came before; of one that did not, remember it."""
        key = event.key
        if key in self.recent or key in self.before or key in self.imported:
            return True
        (self.imported if event.import_id else self.recent).add(key)
        return False


class Past:
    """One pass over a partition's log.

    Args:
        gap: whose slots it is about, from the place on up to which they are filled.
        workspace: in force.
        since: ms; when the oldest entry was taken that is read, 0 for the log's very first.
        dead: events that were not applied, but put aside.
        most: how much is held in memory, see `MOST`.
    """

    def __init__(
        self,
        gap: Gap,
        workspace: Workspace,
        since: int,
        dead: Collection[Offset] = (),
        most: int = MOST,
    ) -> None:
        self._gap, self._since, self._dead, self._most = gap, since, dead, most
        # The least of all versions so far: what was one stretch all the same is joined again.
        self._forget_after = workspace.forget_after
        self.first, self.last = gap.next, PLACES - 1
        self._parts: dict[int, _Part] = {}
        self._held = 0
        self._now = self._turned = 0  # ms, the log's clock
        slots = [workspace.slots[key] for key, had in gap.slots]
        self._folds: dict[str, Callable[[dict[str, Any], Event, int], None]] = generate.folds(
            slot
            for slot, (_, had) in zip(slots, gap.slots, strict=True)
            if gap.gains(had, since, slot)  # else more would be lost than found
        )

    def take(self, batch: Batch) -> bool:
        """Fold an entry in; False where the version was reached."""
        now = self._now = max(self._now, batch.time)
        if now - self._turned > KEPT_MS:
            self._turn(now)
        for nth, event in enumerate(batch.records, batch.first):
            offset = batch.entry, nth  # a plain pair: this is asked of every record there is
            if offset >= self._gap.at:
                return False
            if isinstance(event, Version):
                self._forget_after = min(self._forget_after, forgetting(event.files))
            elif (
                isinstance(event, Event) and event.name in self._folds and offset not in self._dead
            ):
                place = place_of(person_id(event.leaf))
                if self.first <= place <= self.last:
                    self._fold(event, place, now)
        if self._held > self._most:
            self._narrow()
        return True

    def _fold(self, event: Event, place: int, now: int) -> None:
        if not event.import_id and event.time <= now - OLDEST:
            return
        part = self._parts.get(place)
        if part is None:
            part = self._parts[place] = _Part()
        if part.is_copy(event):
            return
        self._held += 1
        if MACHINE in event.flags:
            return
        lives = part.leaves.setdefault(event.leaf, [])
        if not lives or now - lives[-1].seen > self._forget_after:
            lives.append(_Life(event.time))
        life = lives[-1]
        life.first, life.seen = min(life.first, event.time), now
        # What has left every window by the version's time is never asked for.
        self._folds[event.name](life.cells, event, self._gap.time)

    def _turn(self, now: int) -> None:
        """Let go of first copies of which another copy would be too old to count."""
        self._turned = now
        for part in self._parts.values():
            part.before, part.recent = part.recent, set()
        self._held = sum(part.held for part in self._parts.values())

    def _narrow(self) -> None:
        """Leave the upper half of the places to another pass."""
        places = sorted(self._parts)
        if len(places) < 2:
            return
        self.last = places[len(places) // 2 - 1]
        for place in places[len(places) // 2 :]:
            del self._parts[place]
        self._held = sum(part.held for part in self._parts.values())

    def records(self) -> Iterator[Filled]:
        """Yield what was found, a few leaves at a time, for the range of places of this pass."""
        first, leaves = self.first, {}
        for place in sorted(self._parts):
            for leaf, lives in sorted(self._parts[place].leaves.items()):
                leaves[leaf] = [
                    (life.first, msgspec.to_builtins(life.cells, enc_hook=plain))
                    for life in lives
                    if life.cells
                ]
            if len(leaves) >= FEW and place < self.last:
                yield self._record(first, place, leaves)
                first, leaves = place + 1, {}
        yield self._record(first, self.last, leaves)

    def _record(self, first: int, last: int, leaves: dict[str, Any]) -> Filled:
        at = self._gap.at
        found = {leaf: lives for leaf, lives in leaves.items() if lives}
        return Filled(at.entry, at.nth, first, last, self._since, found)
