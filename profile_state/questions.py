"""A question about somebody, as it goes to an engine through its ledger, and what comes back."""

from typing import Literal

import msgspec


class Question(msgspec.Struct, frozen=True, array_like=True):
    """Who is asked for."""

    place: str  # where the answer is waited for
    identifiers: list[str]  # of which one must be theirs
    entry: int  # of the log, -1 for any
    until: float  # seconds since 1970; nobody waits longer
    channel: str = ""  # of which they are asked what they allow on it; else all is asked for


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What the engine says."""

    state: Literal["found", "nobody", "several", "behind"]
    view: bytes = b""  # JSON of a `flows.profile_view.View`, or of what they allow on a channel
