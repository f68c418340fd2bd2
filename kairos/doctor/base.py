"""What a check finds."""

from typing import Literal

import msgspec

State = Literal["ok", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    `ok` needs nothing; a `warning` works and will hurt; what is `wrong` does not work.
    """

    what: str
    state: State
    found: str
    do: str = ""  # what to do about it


def ok(what: str, found: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(what, "ok", found)


def warning(what: str, found: str, do: str) -> Finding:
    """Say that something works and will hurt."""
    return Finding(what, "warning", found, do)


def wrong(what: str, found: str, do: str) -> Finding:
    """Say that something does not work."""
    return Finding(what, "wrong", found, do)
