"""How fast a replay posts: as fast as it can, at a rate, or as fast as it happened."""

import time
from collections.abc import Callable


class Pace:
    """Says how long to wait before an event.

    Args:
        rate: events a second.
        speed: how many times as fast as it happened. With neither, nothing waits.
        clock: seconds.

    >>> pace = Pace(rate=10, clock=lambda: 0.0)
    >>> [pace.wait(None) for _ in range(3)]
    [0.0, 0.1, 0.2]
    >>> pace = Pace(speed=60, clock=lambda: 0.0)
    >>> [pace.wait(instant) for instant in (0, 60_000, 30_000)]
    [0.0, 1.0, 0.5]
    """

    def __init__(
        self,
        *,
        rate: float | None = None,
        speed: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._speed, self._clock = rate, speed, clock
        self._nth = 0
        self._started: float | None = None
        self._first: int | None = None

    def wait(self, instant: int | None) -> float:
        """Return the seconds until the next event is due, at most 0 when it is late.

        Args:
            instant: ms; when the event happened.
        """
        now = self._clock()
        if self._started is None:
            self._started = now
        due = self._started
        if self._rate is not None:
            due += self._nth / self._rate
        if self._speed is not None and instant is not None:
            if self._first is None:
                self._first = instant
            due += (instant - self._first) / 1000 / self._speed
        self._nth += 1
        return due - now
