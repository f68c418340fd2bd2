"""`kairos erase ID`: everything about a person goes."""

from pathlib import Path

from events.sources.base import LogUnavailableError
from kairos.operators.erasing import erase
from kairos.operators.words import NotDoneError, speaker
from kairos.profile.beside import beside
from kairos.profile.find import AmbiguousError
from kairos.say import as_json, failed
from kairos.settings import SettingsError
from kairos.where import engine
from profile_state.stores.base import LedgerLostError


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
    try:
        with beside(engine(data)) as running:
            done = erase(running, id, speaker(by), reason, really=yes)
    except NotDoneError as error:
        failed("erase", error, json=json)
        return 1
    except (AmbiguousError, SettingsError, LedgerLostError, LogUnavailableError) as error:
        return failed("erase", error, json=json)
    if json:
        as_json({"erased": done.erased, "identifiers": done.identifiers, "events": done.events})
    else:
        verb = "erased" if done.erased else "would be erased" if not yes else "being erased"
        print(
            f"{verb}: {', '.join(done.identifiers)}; {done.events:,} events were counted for them"
        )
        if not yes:
            print("nothing is changed yet; say it again with --yes")
        elif not done.erased:
            print("it is in the log, but the engine has not come to it yet; see `kairos doctor`")
    return 0 if done.erased or not yes else 1
