"""Which engine a command looks at: that of a data folder, or that of the KAIROS_* variables."""

import os
from pathlib import Path

from kairos.embedded.running import find
from kairos.settings import Settings, SettingsError

DATA = Path("kairos-data")  # where `kairos up` keeps everything unless it is told otherwise


def by_variables() -> bool:
    """Say whether the KAIROS_* variables name an engine."""
    return any(name.startswith("KAIROS_LEDGER_URL") for name in os.environ)


def engine(data: Path | None) -> Settings:
    """Return the settings of a running engine.

    Args:
        data: the data folder of `kairos up`; None takes the variables where they name a ledger,
            else the default folder.

    Raises:
        SettingsError: none runs there.
    """
    if data is None and by_variables():
        return Settings.from_env()
    folder = data or DATA
    running = find(folder)
    if running is None:
        raise SettingsError(
            f"no engine runs on {folder}; start it with `kairos up --data {folder}`, name another "
            "folder with --data, or name its log and ledger in KAIROS_LOG_URL and KAIROS_LEDGER_URL"
        )
    return running
