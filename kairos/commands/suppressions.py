"""`kairos suppressions`: addresses where nothing is sent, whoever has them."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from events.rows import RowError
from kairos.given import content
from kairos.operators import suppressing
from kairos.operators.words import NotDoneError, carried_out, speaker
from kairos.profile.beside import Beside
from kairos.say import as_json, columns
from kairos.settings import SettingsError

SHOWN = 10  # lines that hold no address, named one by one
BEHIND = "it is in the log, but the engine has not come to it yet; see `kairos doctor`"


def add(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    reason: str = suppressing.LISTED,
    by: str | None = None,
    data: Path | None = None,
    json: bool = False,
) -> int:
    """Suppress the addresses of a list, such as another sender's bounces and complaints.

    Each line that holds an address counts; the others are named, and change nothing.

    Parameters
    ----------
    file
        An e-mail address or telephone number a line; or columns with names, one of which is email,
        address, recipient or phone, and one may be reason. - reads standard input.
    reason
        Why, where the list does not say.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def do(running: Beside) -> int:
        listed = _listed(file, reason)
        if not listed.wanted:
            raise SettingsError(f"{file}: at least one address was expected, found none")
        applied = suppressing.suppress(running, listed.wanted, speaker(by))
        if json:
            as_json({"suppressed": len(listed.wanted), "unread": listed.unread, "applied": applied})
        else:
            print(f"{len(listed.wanted):,} addresses are suppressed")
            if listed.unread:
                print(f"{len(listed.unread):,} lines hold no address: {_lines(listed.unread)}")
            if not applied:
                print(BEHIND)
        return 0 if applied and not listed.unread else 1

    return carried_out("suppressions add", data, do, json=json)


def lift(
    address: str, *, by: str | None = None, data: Path | None = None, json: bool = False
) -> int:
    """Say that an address is good again.

    Parameters
    ----------
    address
        An e-mail address or telephone number.
    by
        Who says so; else your login name.
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def do(running: Beside) -> int:
        known = suppressing.read_address(address)
        if known is None:
            raise NotDoneError(
                f"an e-mail address or a telephone number such as +491701234567 was expected, "
                f"found {address!r}"
            )
        applied = suppressing.lift(running, *known, speaker(by))
        if json:
            as_json({"lifted": known[1], "applied": applied})
        else:
            print(f"{known[1]} is good again" if applied else BEHIND)
        return 0 if applied else 1

    return carried_out("suppressions lift", data, do, json=json)


def list_(*, data: Path | None = None, json: bool = False) -> int:
    """List the addresses where nothing is sent, why, and whose they are.

    Parameters
    ----------
    data
        The data folder of a running `kairos up`; else the KAIROS_* variables, else kairos-data.
    json
        Print one JSON object.
    """

    def do(running: Beside) -> int:
        running.caught_up()
        found = sorted(suppressing.suppressed(running))
        if json:
            as_json({"addresses": [one._asdict() for one in found]})
        elif found:
            rows = [(one.address, one.reason, one.person) for one in found]
            print("\n".join(columns([("address", "reason", "person"), *rows])))
        else:
            print("no address is suppressed")
        return 0

    return carried_out("suppressions list", data, do, json=json)


COMMANDS = {"add": add, "lift": lift, "list": list_}


def _listed(file: Path, reason: str) -> suppressing.Listed:
    try:
        return suppressing.read_list(content(file).decode("utf-8-sig"), reason)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: UTF-8 was expected, found {error.reason}") from None
    except RowError as error:
        found = f"line {error.line}: this is no list: {error.reason}"
        raise SettingsError(f"{file}, {found}; nothing is suppressed") from None


def _lines(numbers: list[int]) -> str:
    more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more
