"""Whether a provider is asked at all: after many failures it is left alone for a while.

The figures are those of RELIABILITY: half of at least 20 calls that fail within 30 s.
"""

from collections import deque
from math import inf

import msgspec


class Patience(msgspec.Struct, frozen=True):
    """When to leave a provider alone, and for how long."""

    window_s: float = 30.0  # that calls count
    least: int = 20  # calls in it, before they say anything
    share: float = 0.5  # of them that fail
    rest_s: float = 30.0


class Breaker:
    """Counts how calls end; instants are seconds of one clock that never goes back.

    Open, it lets nobody through for `rest_s`; then one at a time until one succeeds.

    >>> breaker = Breaker(Patience(least=2, rest_s=30.0))
    >>> [breaker.note(1.0, failed=True) for _ in range(2)], breaker.most(5.0)
    ([False, True], 0)
    >>> breaker.most(31.0), breaker.note(31.5, failed=False), breaker.most(31.5)
    (1, True, inf)
    """

    def __init__(self, limits: Patience) -> None:
        self._limits = limits
        self._calls: deque[tuple[float, bool]] = deque()  # when they ended, and whether in failure
        self._failures = 0  # of these
        self._rests_until = -inf
        self.open = False

    def most(self, now: float) -> float:
        """Return how many calls may be open now."""
        if not self.open:
            return inf
        return 0 if now < self._rests_until else 1

    def waits(self, now: float) -> float:
        """Return the seconds for which nobody is let through; 0 where somebody is."""
        return max(0.0, self._rests_until - now) if self.open else 0.0

    def note(self, now: float, *, failed: bool) -> bool:
        """Note how a call ended; returns whether the provider is judged differently now."""
        if self.open:
            if now < self._rests_until:
                return False  # a call of before
            if failed:
                self._rests_until = now + self._limits.rest_s
                return False
            self.open = False
            return True
        calls, limits = self._calls, self._limits
        calls.append((now, failed))
        self._failures += failed
        while calls[0][0] < now - limits.window_s:
            self._failures -= calls.popleft()[1]
        if not failed or len(calls) < limits.least or self._failures < limits.share * len(calls):
            return False
        self.open, self._rests_until = True, now + limits.rest_s
        calls.clear()
        self._failures = 0
        return True
