"""Who may stay in memory: people, as long as there is room; the others are in the ledger.

A clock's hand goes around the places into which people fall by their ids. Whoever was not touched
while it went around once leaves, if the ledger has them as they are; the next record that names
them loads them again. The offset that every person carries says both, so a touch costs nothing.
"""

from events.record import START
from flows.bounds import Bounds
from profile_state.identity import PLACES
from profile_state.write_behind import WriteBehind
from triggers.state import State

UNMEASURED = 500  # bytes of a packed person, until some were looked at
GROWTH = 7.5  # bytes of memory for one of a packed person; measured, see docs/why.md


class Residents:
    """Keeps the people of a state within a bound.

    Args:
        state: of a partition.
        behind: its write-behind.
        bounds: `people` and `stride` of these.
    """

    def __init__(self, state: State, behind: WriteBehind, bounds: Bounds) -> None:
        self._state = state
        self._behind = behind
        self._bounds = bounds
        self._hand = 0
        self._turned = self._turning = START  # what was applied when the last turn began, and this
        self._survey = 0  # the place that is measured next
        self._packed = self._people = 0.0  # bytes and people in the places measured
        self.released = 0  # people, since the start

    @property
    def bytes(self) -> int:
        """About how much memory people take."""
        return int(len(self._state.people) * self._each)

    @property
    def _each(self) -> float:
        """About how many bytes of memory one of them takes."""
        return GROWTH * (self._packed / self._people if self._packed else UNMEASURED)

    def step(self) -> None:
        """Measure a little, and let go of people while there are too many."""
        self._state.stored(self._behind.stored)
        self._measure()
        people, room = self._state.people, self._bounds.people / self._each
        if len(people) <= room:
            return
        for place in filter(
            None, self._state.places[self._hand : self._hand + self._bounds.stride]
        ):
            if len(people) <= room:
                break
            self._release(place)
        self._hand += self._bounds.stride
        if self._hand >= PLACES:
            self._hand = 0
            self._turned, self._turning = self._turning, self._state.offset

    def _measure(self) -> None:
        """Take one place into the mean, and let what was measured before weigh less each turn."""
        people = self._state.people
        for one in self._state.places[self._survey]:
            person = people[one]
            if person.packed:  # else they were not written yet, and say nothing
                copies = 1 if len(person.leaves) == 1 else 2  # the view has the cells once more
                self._packed += copies * (person.packed + person.added)
                self._people += 1
        self._survey = (self._survey + 1) % PLACES
        if self._survey == 0:
            self._packed, self._people = self._packed / 2, self._people / 2

    def _release(self, place: set[str]) -> None:
        people = self._state.people
        untouched = min(self._turned, self._behind.stored)
        gone = [p for one in place if (p := people[one]).offset <= untouched]
        for person in gone:
            self._state.release(person)
        self.released += len(gone)
