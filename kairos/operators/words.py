"""Say an operator's word: a record of the log, after which one waits for the engine."""

import getpass
import os
import uuid
from collections.abc import Iterable

from events.record import Join, Record, encode
from kairos.profile.beside import Beside
from profile_state.identity import Edge

PATIENCE_S = 15.0  # until the engine has come to what was said


class NotDoneError(Exception):
    """What was asked for cannot be done; the message says why, and what to do instead."""


def speaker(by: str | None) -> str:
    """Name who speaks: as given, else by their login."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def statement(
    known: Iterable[Edge], one: str, other: str, now: int, *, cut: bool, by: str, reason: str
) -> Join:
    """Build a word on two identifiers.

    Of what operators said about a pair the latest holds. So it is said after every earlier word,
    also where the clock of this machine is behind that of the one on which it was said.
    """
    a, b = sorted((one, other))
    earlier = [e.time for e in known if (e.a, e.b) == (a, b)]
    time = max([now, *(t + 1 for t in earlier)])
    return Join(f"op-{uuid.uuid4().hex[:16]}", time, one, other, cut=cut, by=by, reason=reason)


def say(engine: Beside, records: list[Record]) -> tuple[int, bool]:
    """Append one entry, and wait until the ledger has what came of it.

    Returns:
        The entry's id, and whether the engine has come to it.

    Raises:
        LogUnavailableError: the log did not confirm; saying it again is safe.
    """
    entry = engine.log.append(0, encode(list(records)))
    return entry, engine.caught_up(entry, PATIENCE_S)
