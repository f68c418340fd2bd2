"""`kairos erase ID`: everything about a person goes."""

from collections.abc import Iterator
from pathlib import Path

from kairos.operators.erasing import Erased, erase
from kairos.operators.words import carried_out, speaker
from kairos.profile.beside import Beside
from kairos.say import as_json


def command(
    id: str,  # noqa: A002 - the word on the command line
    *,
    yes: bool = False,
    reason: str = "",
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Erase a person: identifiers, facts, timers, former ids. It cannot be taken back.

    What is on its way to them is not sent any more, and events that name them later are dropped
    and counted. A keyed hash of each identifier stays, for that.

    Parameters
    ----------
    id
        A user id, anonymous id, e-mail address or phone number, with its type where it could be
        several, such as user_id:u-1; or a person's own id (p_...). One that nobody has needs its
        type, and is erased ahead.
    yes
        Do it; without, it is only said who would be erased.
    reason
        Why; it stays in the log.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def do(running: Beside) -> int:
        done = erase(running, id, speaker(by), reason, really=yes)
        if json:
            as_json(done._asdict())
        else:
            print("\n".join(_lines(done, really=yes)))
        return 0 if done.erased or not yes else 1

    return carried_out("erase", data, do, json=json)


def _lines(done: Erased, *, really: bool) -> Iterator[str]:
    verb = "erased" if done.erased else "being erased" if really else "would be erased"
    yield f"{verb}: {', '.join(done.identifiers)}; {done.events:,} events were counted for them"
    if not really:
        yield "nothing is changed yet; say it again with --yes"
    elif not done.erased:
        yield "it is in the log, but the engine has not come to it yet; see `kairos doctor`"
