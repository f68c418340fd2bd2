"""Durations as people write them: `30s`, `30m`, `2h`, `7d`."""

import re

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
LONGEST = 36_500 * UNITS["d"]  # beyond it nobody means a time, and an instant fits no 64 bits
_FORM = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def duration(text: str) -> int:
    """Return a duration in ms.

    Raises:
        ValueError: `text` is no duration, or longer than a hundred years.

    >>> duration("30m"), duration("7d")
    (1800000, 604800000)
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a duration such as 30s, 30m, 2h or 7d was expected, found {text!r}")
    ms = float(found[1]) * UNITS[found[2]]
    if ms > LONGEST:
        raise ValueError(f"a duration of at most {in_words(LONGEST)} was expected, found {text!r}")
    return round(ms)


def in_words(ms: int) -> str:
    """Write a duration as a marketer would.

    >>> in_words(604_800_000), in_words(5_400_000)
    ('7d', '90m')
    """
    for unit in ("d", "h", "m", "s"):
        if ms % UNITS[unit] == 0:
            return f"{ms // UNITS[unit]}{unit}"
    return f"{ms}ms"
