"""How far ahead a model looks."""

from kairos.durations import duration, in_words

LEAST = 60_000  # ms


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
