"""`kairos validate FOLDER`: is this workspace right?"""

import sys
from pathlib import Path

import orjson

from channels.base import addresses as known_addresses
from flows.workspace_folder import read_catalog, read_folder
from triggers.load import load
from triggers.problems import WorkspaceError
from triggers.signs import is_ours


def command(folder: Path, *, json: bool = False) -> int:
    """Check a workspace and say what is wrong: file, line, column, and what to do.

    Parameters
    ----------
    folder
        The workspace: a folder with a workspace.yaml.
    json
        Print one JSON object instead of lines.
    """
    addresses = known_addresses()
    try:
        workspace = load(read_folder(folder), addresses)
        items = 0 if workspace.catalog is None else len(read_catalog(folder, workspace.catalog))
    except WorkspaceError as error:
        if json:
            print(
                orjson.dumps({"valid": False, "problems": error.problems}, default=_plain).decode()
            )
        else:
            print(error, file=sys.stderr)
            print(f"{len(error.problems)} problem(s)", file=sys.stderr)
        return 1
    segments = [s.name for s in workspace.segments if not is_ours(s.name)]
    found = {
        "valid": True,
        "workspace": workspace.name,
        "hash": workspace.hash,
        "triggers": [t.name for t in workspace.triggers],
        "segments": segments,
        "remembered": sorted(workspace.slots),
        "items": items,
    }
    if json:
        print(orjson.dumps(found).decode())
    else:
        print(
            f"{workspace.name} is valid: {len(workspace.triggers)} triggers, "
            f"{len(segments)} segments, {len(workspace.slots)} things to remember per person"
        )
    return 0


def _plain(problem: object) -> dict[str, object]:
    return {name: getattr(problem, name) for name in ("file", "line", "column", "message")}
