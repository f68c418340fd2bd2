"""`kairos up`: the embedded stack."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from channels.base import addresses as known_addresses
from collector.keys import first_keys
from flows.workspace_folder import read_folder
from kairos.embedded.servers import ServerError
from kairos.embedded.stack import Stack, StackError, until_signal
from kairos.example import example
from kairos.say import as_json, failed
from kairos.settings import Settings, SettingsError
from triggers.load import load
from triggers.problems import WorkspaceError

KEYS = "keys.json"  # made by the first start


def command(
    *,
    data: Path = Path("kairos-data"),
    workspace: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    retain: str | None = None,
    json: bool = False,
) -> int:
    """Run the whole engine on this machine: collector, live flow, archive, worker, two Valkeys.

    Parameters
    ----------
    data
        The folder that keeps everything; a second start goes on where the first one ended.
    workspace
        The workspace folder: workspace.yaml, segments/, triggers/, templates/; else the example.
    host
        The collector's address.
    port
        The collector's port; 0 takes any that is free.
    retain
        How long the archive keeps what happened, such as 30d; else KAIROS_RETAIN, else for good.
    json
        Print JSON: a line with the first write keys where they are made, one when it serves.
    """
    workspace = workspace or example()
    try:
        problems = _problems(workspace, data)
        ours = Settings.from_env()
        channels = ours.channels
        stack = Stack(
            data,
            workspace,
            host=host,
            port=port,
            channels=channels,
            door=ours.collector,
            disk_free_mb=ours.disk_free_mb,
            upkeep=ours.upkeep.retaining(retain),
            public_url=ours.public_url,
        )
        # Below the stack's lock, and said before anything can fail: they are shown once.
        created = datetime.now(UTC).isoformat(timespec="seconds")
        keys = first_keys(data / KEYS, created)
        missing = sorted({"email", "webhook"} - channels.keys())
        if json and keys:
            as_json({"keys": keys})
        for kind, text in keys.items() if not json else ():
            print(f"{kind} write key (shown once): {text}", flush=True)
        for channel in missing if not json else ():
            print(f"{channel:<11} not configured: its messages go to the log; see docs/settings.md")
        with stack:
            until_signal(
                stack.watch, ready=lambda: _said(stack, data, missing, problems, json=json)
            )
    except (StackError, ServerError, SettingsError, WorkspaceError) as error:
        return failed("up", error, json=json)
    return 0


def _problems(workspace: Path, data: Path) -> list[str]:
    """Say what is wrong with a workspace; where one was in force before, that stays so.

    Raises:
        WorkspaceError: something is, and this would be the first start.
    """
    try:
        load(read_folder(workspace), known_addresses())
    except WorkspaceError as error:
        if not (data / KEYS).exists():
            raise
        return [*map(str, error.problems), "the last good version stays live"]
    return []


def _said(stack: Stack, data: Path, missing: list[str], problems: list[str], *, json: bool) -> None:
    for problem in problems:
        print(f"kairos up: {problem}", file=sys.stderr, flush=True)
    if json:
        said = {"url": stack.url, "data": str(data), "not_configured": missing}
        as_json({**said, "problems": problems})
    else:
        print(
            f"collector   {stack.url}/v1/batch\ndata        {data}\nstop with Ctrl-C",
            flush=True,
        )
