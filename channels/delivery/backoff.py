"""How long to wait before a message is tried again."""

BASE = 2.0  # seconds
CEILING = 600.0  # seconds; eight attempts take some minutes, and a day a hundred more


def pause(attempt: int, after: float, draw: float) -> float:
    """Return the seconds to wait: exponential with full jitter, on top of what was asked for.

    Full jitter (any length up to the bound) spreads those who failed together.

    Args:
        attempt: how many calls failed before this one; the first failure has 0.
        after: seconds that the provider asked for.
        draw: a random number in [0, 1).

    >>> pause(0, after=5.0, draw=0.5), pause(3, after=0.0, draw=0.5), pause(99, after=0.0, draw=1.0)
    (6.0, 8.0, 600.0)
    """
    return after + draw * min(CEILING, BASE * 2.0 ** min(attempt, 32))
