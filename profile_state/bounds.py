"""What one person may have is bounded: where there is more, the oldest goes."""

from collections.abc import Callable
from typing import Any, TypeVar

Kept = TypeVar("Kept")


def let_go(known: dict[str, Kept], most: int, age: Callable[[Kept], Any]) -> list[Kept]:
    """Keep the `most` youngest, in whatever order they came: what goes is older than all that stay.

    Args:
        known: changed in place.
        most: how many stay.
        age: of what is known under a name; the smallest goes first.

    Returns:
        What went.

    >>> known = {"a": 3, "b": 1, "c": 2}
    >>> let_go(known, 2, lambda at: at)
    [1]
    >>> known
    {'a': 3, 'c': 2}
    """
    if len(known) <= most:
        return []
    oldest_first = sorted(known, key=lambda name: (age(known[name]), name))
    return [known.pop(name) for name in oldest_first[: len(known) - most]]
