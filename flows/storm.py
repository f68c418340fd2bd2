"""A storm of timers: more people are due than one tick may fire. How far it is, and how fast it goes."""

from collections.abc import Sequence

import structlog

from triggers.state import Due

log = structlog.get_logger()


class Storm:
    """Follows the ticks; it lasts from the first one that is full until nobody waits.

    >>> storm = Storm(fired=2)
    >>> storm.tick([(1_000, "p_a"), (1_000, "p_b")], now=1_500)
    >>> storm.tick([(1_000, "p_c")], now=2_500)
    >>> storm.late_ms, storm.per_s
    (1500, 2.0)
    """

    def __init__(self, fired: int) -> None:
        self._fired = fired  # people whom one tick fires at most
        self._since: int | None = None  # ms; None: there is none
        self._now = 0
        self.people = 0  # whom the ticks before the last one were for: these are done
        self._asked = 0  # whom the last one is for
        self.late_ms = 0  # how long the first of those has waited who are asked now

    @property
    def per_s(self) -> float:
        """How many people a second are fired; 0 where nobody waits."""
        if self._since is None:
            return 0.0
        return round(self.people * 1000 / max(1, self._now - self._since), 1)

    def tick(self, due: Sequence[Due], now: int) -> None:
        """Take note of a tick, or that there is none to append.

        Args:
            due: whom it is for, the first ones first.
            now: ms.
        """
        self._now = now
        self.people += self._asked
        self._asked = len(due)
        self.late_ms = max(0, now - due[0][0]) if due else 0
        if self._since is None and len(due) == self._fired:
            self._since, self.people = now, 0
        elif self._since is not None and not due:
            seconds = (now - self._since) / 1000
            log.info("a storm of timers is over", people=self.people, seconds=seconds)
            self._since = None
