"""How far ahead a model looks."""

from kairos.durations import duration, in_words
from models.runtime.days import DAY

LEAST = 60_000  # ms
HELD_OUT, LONGEST = (
    3,
    30,
)  # one part of the time there is, and days at most, to see how good a fit is


def ahead(text: str) -> int:
    """Return `within` in ms.

    Raises:
        ValueError: it is no duration, or less than a minute.

    >>> ahead("7d")
    604800000
    """
    found = duration(text)
    if found < LEAST:
        raise ValueError(f"within: at least {in_words(LEAST)} was expected, found {text!r}")
    return found


def held_out(first: int, now: int) -> int:
    """Return the instant (ms) from which on time is held out, of a history that began at another.

    >>> held_out(0, 9 * DAY) == 6 * DAY, held_out(0, 900 * DAY) == 870 * DAY
    (True, True)
    """
    return now - int(min(LONGEST * DAY, (now - first) / HELD_OUT))
