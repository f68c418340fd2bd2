"""`kairos run PART`: one part, for supervisors and containers."""

import sys

from kairos.discovery import found_in, names_in
from kairos.settings import Settings, SettingsError
from triggers.problems import WorkspaceError
from triggers.words import nearest


def command(part: str) -> int:
    """Run one part until SIGTERM. Settings come from KAIROS_* variables; see docs/settings.md.

    Parameters
    ----------
    part
        collector, live or workers.
    """
    known = names_in("kairos.parts")
    if part not in known:
        print(
            f"kairos run: unknown part {part!r}.{nearest(part, known)} Known: {', '.join(known)}",
            file=sys.stderr,
        )
        return 2
    try:
        code: int = found_in("kairos.parts")[part].main(Settings.from_env())
    except (SettingsError, WorkspaceError) as error:
        print(f"kairos run {part}: {error}", file=sys.stderr)
        return 2
    return code
