"""`kairos up`: the embedded stack."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from collector.keys import KeyRing, Kind, create
from flows.workspace_folder import read_folder
from kairos.discovery import found_in
from kairos.embedded.servers import ServerError
from kairos.embedded.stack import Stack, StackError, until_signal
from kairos.settings import Settings, SettingsError
from triggers.load import load
from triggers.problems import WorkspaceError


def command(
    *,
    data: Path = Path("kairos-data"),
    workspace: Path = Path("examples/shop"),
    host: str = "127.0.0.1",
    port: int = 8765,
) -> int:
    """Run the whole engine on this machine: collector, live flow, worker and two Valkeys.

    Parameters
    ----------
    data
        The folder that keeps everything; a second start goes on where the first one ended.
    workspace
        The workspace folder: workspace.yaml, segments/, triggers/, templates/.
    host
        The collector's address.
    port
        The collector's port; 0 takes any that is free.
    """
    addresses = {name: channel.ADDRESS for name, channel in found_in("channels").items()}
    try:
        load(read_folder(workspace), addresses)
        made = make_keys(data)
        channels = Settings.from_env().channels
        with Stack(data, workspace, host=host, port=port, channels=channels) as stack:
            for kind, text in made.items():
                print(f"{kind} write key (shown once): {text}")
            print(
                f"collector   {stack.url}/v1/batch\ndata        {data}\nstop with Ctrl-C",
                flush=True,
            )
            until_signal(stack.watch)
    except (StackError, ServerError, SettingsError, WorkspaceError) as error:
        print(f"kairos up: {error}", file=sys.stderr)
        return 2
    return 0


def make_keys(data: Path) -> dict[str, str]:
    """Make the first write keys of a data folder; empty where it has some."""
    path = data / "keys.json"
    if path.exists():
        return {}
    data.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    ring = KeyRing()
    made: dict[str, str] = {}
    kinds: tuple[tuple[Kind, str], ...] = (("browser", "web"), ("server", "server"))
    for kind, source in kinds:
        text, key = create(kind, source, now)
        ring = ring.having(key)
        made[kind] = text
    ring.save(path)
    return made
