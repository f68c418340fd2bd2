"""What definitions ask to be remembered: what asks for the same shares a slot, and each one's needs are noted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from profile_state.cells import Slot, share


class Need(NamedTuple):
    """What one definition asks of a slot."""

    slot: Slot  # as it alone would need it
    reach: int | None  # ms; how far back it looks, None for ever
    before: (
        bool  # it looks at what came before it was asked for; otherwise at what follows an entry
    )


class Asks(NamedTuple):
    """What one definition looks at."""

    needs: tuple[Need, ...]
    segments: frozenset[str]


class Slots:
    """The slots of a workspace, by key.

    >>> slots, seen = Slots(), Slot("times seen", "times", "seen", (), "", None, 1000, 3)
    >>> with slots.noted() as needs:
    ...     slots.ask(seen, reach=1000)
    'times seen'
    >>> needs[0].reach, slots.by_key == {"times seen": seen}
    (1000, True)
    """

    def __init__(self) -> None:
        self.by_key: dict[str, Slot] = {}
        self._needs: list[Need] = []

    def ask(self, slot: Slot, *, reach: int | None, before: bool = True) -> str:
        """Ask for a slot and return its key.

        Args:
            slot: which may become wider, as others need it so.
            reach: see `Need`.
            before: the same.
        """
        self._needs.append(Need(slot, reach, before))
        return share(self.by_key, slot)

    @contextmanager
    def noted(self) -> Iterator[list[Need]]:
        """Note what is asked for meanwhile."""
        outside, self._needs = self._needs, []
        try:
            yield self._needs
        finally:
            self._needs = outside
