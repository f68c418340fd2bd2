"""`kairos doctor`: what is wrong with this installation, in words."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from kairos.doctor import engine, folder, installation
from kairos.doctor.base import Finding, warning
from kairos.embedded.running import find
from kairos.operators.words import carried_out
from kairos.profile.beside import Beside
from kairos.profile.everybody import InexactError, everybody_of
from kairos.say import as_json, failed
from kairos.settings import Settings, SettingsError
from kairos.where import DATA, by_variables

MARK = {"ok": "ok     ", "warning": "WARNING", "wrong": "WRONG  "}


def command(
    *,
    data: Path | None = None,
    workspace: Path | None = None,
    hashes: bool = False,
    json: bool = False,
) -> int:
    """Look at this machine, a data folder and a running engine, and say what is wrong.

    Each finding has what was looked at, what was found, and what to do. Exit code 1 says that
    something does not work; warnings alone are 0.

    Parameters
    ----------
    data
        The data folder of `kairos up`; else the KAIROS_* variables, else kairos-data.
    workspace
        A workspace folder to check as well.
    hashes
        Look for nothing; show the hash of all facts in the ledger and that of all decisions, by
        which two ledgers are compared. Exit code 1 says that they cannot be exact now.
    json
        Print one JSON object.
    """
    if hashes:
        return carried_out("doctor", data, lambda running: _hashes(running, json=json), json=json)
    try:
        found = list(_findings(data, workspace))
    except SettingsError as error:
        return failed("doctor", error, json=json)
    healthy = all(one.state != "wrong" for one in found)
    if json:
        as_json({"healthy": healthy, "findings": msgspec.to_builtins(found)})
    else:
        for one in found:
            print(f"{MARK[one.state]}  {one.what:<13} {one.found}")
            if one.do:
                print(f"{'':24}{one.do}")
    return 0 if healthy else 1


def _hashes(running: Beside, *, json: bool) -> int:
    try:
        found = everybody_of(running)
    except InexactError as error:
        failed("doctor", error, json=json)
        return 1
    said = msgspec.to_builtins(found)
    if json:
        as_json(said)
    else:
        print("\n".join(f"{name:<9}  {value}" for name, value in said.items()))
    return 0


def _findings(data: Path | None, workspace: Path | None) -> Iterator[Finding]:
    yield from installation.findings()
    if workspace is not None:
        yield folder.workspace(workspace)
    if data is None and by_variables():
        settings = Settings.from_env()
        yield from folder.findings(settings.deliveries, settings.collector.keys)
        yield from engine.findings(settings)
        return
    data = data or DATA
    yield from folder.findings(data, data / "keys.json")
    running = find(data)
    if running is None:
        yield warning("engine", f"none runs on {data}", f"`kairos up --data {data}` starts one")
    else:
        yield from engine.findings(running)
