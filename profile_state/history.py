"""What is known of the past: slots begin when a version first asks for them, or asks for more of them.

What lies before becomes known in one of two ways: time passes until the window holds nothing older; or
the past is read once more from archive and log, and put into records, a range of places at a time. For
that, what comes after the version is also folded into a cell of its own: the past and that together
are the whole, and nothing is in both.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from events.clock import AHEAD
from events.record import Offset
from profile_state.cells import Slot
from profile_state.identity import PLACES


class Had(msgspec.Struct, frozen=True, array_like=True):
    """How much a slot remembered before it was asked for more."""

    window: int | None  # ms, as in a slot
    keep: int
    fields: tuple[str, ...] | None

    def holds(self, slot: Slot) -> bool:
        """Say whether that is all that such a slot remembers.

        >>> Had(1000, 3, ()).holds(Slot("times a", "times", "a", (), "", None, 500, 3))
        True
        """
        in_time = self.window is None or (slot.window is not None and slot.window <= self.window)
        return in_time and self.as_much(slot)

    def at_most(self, slot: Slot) -> "Had":
        """Return what is left of it in such a slot.

        >>> Had(1000, 3, ("a", "b")).at_most(Slot("times a", "times", "a", ("b",), "", None, 500, 9))
        Had(window=500, keep=3, fields=('b',))
        """
        windows = [window for window in (self.window, slot.window) if window is not None]
        fields = self.fields if slot.fields is None else slot.fields
        if self.fields is not None and slot.fields is not None:
            fields = tuple(sorted(set(self.fields) & set(slot.fields)))
        return Had(min(windows, default=None), min(self.keep, slot.keep), fields)

    def as_much(self, slot: Slot) -> bool:
        """Say whether it had as many entries, and as much of each."""
        if slot.keep > self.keep:
            return False
        if self.fields is None or slot.fields is None:
            return self.fields is None
        return set(slot.fields) <= set(self.fields)


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Slots of which what happened before a version is not known, or not all of it."""

    at: Offset  # of the version's record
    time: int  # ms, the log's clock; what happened from here on is known
    slots: tuple[tuple[str, Had | None], ...]  # by key; None for what was not remembered at all
    next: int = 0  # place, see `profile_state.identity.place_of`; leaves below it are filled
    since: int = 0  # ms; how far back was read to fill them, 0 for to the beginning

    @property
    def filled(self) -> bool:
        """Whether the past that there is has been read for all leaves."""
        return self.next >= PLACES

    def apart(self, key: str) -> str:
        """Name the cell of a slot into which only what follows the version is folded.

        >>> Gap(Offset(7, 0), 5, ()).apart("times seen")
        'times seen ~7.0'
        """
        return f"{key} ~{self.at.entry}.{self.at.nth}"

    def whole_at(self, had: Had | None, slot: Slot, reach: int) -> int:
        """Return when what lies so far back (ms) is known, since nothing older is asked for, ms.

        Args:
            had: of this gap.
            slot: as it is asked for.
            reach: ms.
        """
        known = self.time + AHEAD  # an event may lie so far in the future when it is taken
        if had is not None and had.window is not None and had.as_much(slot):
            known = self.time - had.window
        return known + reach + 1

    def reached(self, since: int, slot: Slot) -> bool:
        """Say whether reading back to an instant (ms; 0 for the beginning) gives all of a slot."""
        return since == 0 or (slot.window is not None and since + AHEAD < self.time - slot.window)

    def gains(self, had: Had | None, since: int, slot: Slot) -> bool:
        """Say whether reading back to an instant (ms; 0 for the beginning) finds more than it had."""
        if had is None or self.reached(since, slot):
            return True
        return had.window is not None and since + AHEAD < self.time - had.window

    def is_whole(self, had: Had | None, slot: Slot, passed: int) -> bool:
        """Say whether all of a slot is known: it asks for no more than it had, or time (ms) passed."""
        if had is not None and had.holds(slot):
            return True
        return slot.window is not None and self.whole_at(had, slot, slot.window) <= passed

    def left(self, had: Had | None, was: Slot, now: int) -> Had | None:
        """Return how much of a slot is remembered when it is asked for more of once again.

        Args:
            had: of this gap.
            was: as it was asked for until then.
            now: ms, the log's clock.
        """
        if had is not None and not had.as_much(was):
            return had.at_most(was)
        window = now - self.whole_at(had, was, 0) + 1
        return Had(window, was.keep, was.fields).at_most(was) if window > 0 else None


class History(NamedTuple):
    """What is known of the past."""

    gaps: tuple[Gap, ...] = ()
    passed: int = 0  # ms, the log's clock, when it was looked last which windows have passed

    @property
    def apart(self) -> dict[str, str]:
        """Return the slots that are folded apart as well, with the names of those cells."""
        return {key: gap.apart(key) for gap in self.gaps if not gap.filled for key, _ in gap.slots}

    @property
    def settled(self) -> "History":
        """Return it without how far the past is read: until all of it is, that changes nothing."""
        gaps = tuple(
            msgspec.structs.replace(gap, next=PLACES if gap.filled else 0) for gap in self.gaps
        )
        return History(gaps, self.passed) if gaps else WHOLE

    def find(self, at: Offset) -> Gap | None:
        """Return the gap that a version's record made, None once it is filled."""
        return next((gap for gap in self.gaps if gap.at == at and not gap.filled), None)

    def asked(
        self, before: Mapping[str, Slot], now: Mapping[str, Slot], at: Offset, time: int
    ) -> "History":
        """Return what is known when a version comes into force.

        Args:
            before: the slots until then.
            now: those from then on.
            at: of the version's record.
            time: ms, the log's clock there.
        """
        known = {key: (gap, had) for gap in self.gaps for key, had in gap.slots}
        fresh: list[tuple[str, Had | None]] = []
        for key, slot in sorted(now.items()):
            was = before.get(key)
            if was is None:
                fresh.append((key, None))
            elif not (had := Had(was.window, was.keep, was.fields)).holds(slot):
                gap, before_it = known.get(key, (None, None))
                fresh.append((key, had if gap is None else gap.left(before_it, was, time)))
        gaps = [left for gap in self.gaps for left in _without(gap, dict(fresh).keys())]
        return History((*gaps, *([Gap(at, time, tuple(fresh))] if fresh else ())), time)

    def of(self, slots: Mapping[str, Slot]) -> "History":
        """Return it for the slots in force: of others nothing is missing, nor of what is whole."""
        gaps = []
        for gap in self.gaps:
            known = {
                key
                for key, had in gap.slots
                if key not in slots or gap.is_whole(had, slots[key], self.passed)
            }
            gaps += _without(gap, known)
        return History(tuple(gaps), self.passed)

    def filled(self, gap: Gap, slots: Mapping[str, Slot], last: int, since: int) -> "History":
        """Return what is known after the leaves up to a place were filled.

        Of what goes back for ever there will never be more than was read. What has a window that
        reaches further back than that waits until it has passed.

        Args:
            gap: one of these.
            slots: in force.
            last: place.
            since: ms; how far back was read, 0 for to the beginning.
        """
        now = msgspec.structs.replace(gap, next=last + 1, since=max(gap.since, since))
        rest = [now]
        if now.filled:
            short = [
                (key, had)
                for key, had in gap.slots
                if slots[key].window is not None and not gap.reached(now.since, slots[key])
            ]
            begun = tuple(
                (key, None) for key, had in short if gap.gains(had, now.since, slots[key])
            )
            wider = tuple(pair for pair in short if pair[0] not in dict(begun))
            rest = [msgspec.structs.replace(now, time=now.since, slots=begun)] if begun else []
            rest += [msgspec.structs.replace(now, slots=wider)] if wider else []
        return History(
            tuple(new for old in self.gaps for new in (rest if old is gap else (old,))), self.passed
        )


WHOLE = History()


def _without(gap: Gap, keys: Collection[str]) -> list[Gap]:
    left = tuple(pair for pair in gap.slots if pair[0] not in keys)
    return [msgspec.structs.replace(gap, slots=left)] if left else []
