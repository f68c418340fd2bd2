"""Suggestions: the nearest known word to one that is not."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean '…'?` for the nearest known word, or nothing.

    >>> nearest("cuont", ["count", "sum"])
    " Did you mean 'count'?"
    """
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
