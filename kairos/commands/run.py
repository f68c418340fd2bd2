"""`kairos run PART`: one part, for supervisors and containers."""

import msgspec

from kairos.discovery import names_in, one_in
from kairos.say import as_json, failed
from kairos.settings import Settings, SettingsError
from triggers.problems import WorkspaceError
from triggers.words import nearest


def command(part: str, *, retain: str | None = None, json: bool = False) -> int:
    """Run one part until SIGTERM. Settings come from KAIROS_* variables; see docs/settings.md.

    What happens is said on standard error, one JSON object a line.

    Parameters
    ----------
    part
        collector, live, archive, learn or workers.
    retain
        Of archive alone: how long it keeps what happened, such as 30d; else KAIROS_RETAIN, else
        for good.
    json
        Print one JSON object at the end: the part, and the exit code or the error.
    """
    known = names_in("kairos.parts")
    if part not in known:
        reason = f"unknown part {part!r}.{nearest(part, known)} Known: {', '.join(known)}"
        return failed("run", reason, json=json)
    if retain is not None and part != "archive":
        return failed("run", f"--retain is for archive alone, found {part!r}", json=json)
    try:
        settings = Settings.from_env()
        settings = msgspec.structs.replace(settings, upkeep=settings.upkeep.retaining(retain))
        code: int = one_in("kairos.parts", part).main(settings)
    except (SettingsError, WorkspaceError) as error:
        return failed(f"run {part}", error, json=json)
    if json:
        as_json({"part": part, "exit_code": code})
    return code
