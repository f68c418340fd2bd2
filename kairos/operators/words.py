"""Say an operator's word: a record of the log, after which one waits for the engine."""

import getpass
import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from events.record import Join, Record, encode
from events.sources.base import LogUnavailableError
from kairos.profile.beside import Beside, beside
from kairos.profile.find import AmbiguousError
from kairos.say import failed
from kairos.settings import SettingsError
from kairos.where import engine
from profile_state.identity import Edge
from profile_state.stores.base import LedgerLostError

PATIENCE_S = 15.0  # until the engine has come to what was said


class NotDoneError(Exception):
    """What was asked for cannot be done; the message says why, and what to do instead."""


def carried_out(command: str, data: Path | None, do: Callable[[Beside], int], *, json: bool) -> int:
    """Do something beside a running engine, and return the exit code.

    Args:
        command: its words, for what is said where it fails.
        data: the data folder of `kairos up`, see `kairos.where`.
        do: what is to be done; returns an exit code.
        json: say it as one object.
    """
    try:
        with beside(engine(data)) as running:
            return do(running)
    except NotDoneError as error:
        failed(command, error, json=json)
        return 1
    except (AmbiguousError, SettingsError, LedgerLostError, LogUnavailableError) as error:
        return failed(command, error, json=json)


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
