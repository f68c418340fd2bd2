"""How fast a provider is given messages: a rate of ours, and what it asks for itself."""

from math import inf


class Pace:
    """A token bucket of one second; instants are seconds of one clock that never goes back.

    Args:
        per_s: messages a second; inf for as fast as it goes.

    >>> pace = Pace(2.0)
    >>> pace.allows(10.0), pace.allows(10.0)
    (2, 2)
    >>> pace.take(2, 10.0)
    >>> pace.allows(10.0), pace.waits(10.0), pace.allows(10.5)
    (0, 0.5, 1)
    >>> pace.hold(60.0)
    >>> pace.allows(11.0), pace.waits(11.0)
    (0, 49.0)
    """

    def __init__(self, per_s: float = inf) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s)
        self._left, self._at = self._most, -inf
        self._held_until = -inf

    def allows(self, now: float) -> float:
        """Return how many may leave now."""
        if now < self._held_until:
            return 0
        left = self._filled(now)
        return left if left == inf else int(left)

    def take(self, count: int, now: float) -> None:
        """Note that so many leave."""
        self._left, self._at = self._filled(now) - count, now

    def hold(self, until: float) -> None:
        """Let nothing leave before an instant, as the provider asked."""
        self._held_until = max(self._held_until, until)

    def waits(self, now: float) -> float:
        """Return the seconds until one may leave; 0 where one may now."""
        missing = max(0.0, 1.0 - self._filled(now)) / self._per_s
        return max(missing, self._held_until - now, 0.0)

    def _filled(self, now: float) -> float:
        return min(self._most, self._left + (now - self._at) * self._per_s)
