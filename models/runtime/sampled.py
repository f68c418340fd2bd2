"""Which decisions are examples: all of them, or a share where there are more than can wait."""

from models.runtime.days import DAY

PENDING = 100_000  # that wait for what comes of them, about


class Sampled:
    """Takes decisions by chance.

    Args:
        within: ms; for how long it is waited what comes of one.
    """

    def __init__(self, within: int) -> None:
        self._room = PENDING * DAY / within  # a day
        self._day, self._seen, self._taken, self._share = -1, 0, 0, 1.0

    def takes(self, draw: float, now: int) -> bool:
        """Say whether a decision is one: of a share of all, as there were the day before.

        Where there are far more, as on the first day, it is those that come first.

        Args:
            draw: from 0 to 1, which says nothing of the person.
            now: ms.
        """
        if now // DAY != self._day:
            self._share = min(1.0, self._room / self._seen) if self._seen else 1.0
            self._day, self._seen, self._taken = now // DAY, 0, 0
        self._seen += 1
        if draw >= self._share or self._taken >= 2 * self._room:
            return False
        self._taken += 1
        return True
