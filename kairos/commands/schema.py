"""`kairos schema`: JSON Schema for editors, of each kind of file in a workspace."""

import sys
from pathlib import Path
from typing import Literal

import orjson

from triggers.json_schema import KINDS, schema

FOLDER = "schema"  # of a workspace; YAML files name it in their first line


def command(
    what: Literal["trigger", "segment", "workspace"] | None = None, *, folder: Path | None = None
) -> int:
    """Print the JSON Schema of a kind of file, or write all of them into a workspace.

    Parameters
    ----------
    what
        The kind of file whose schema is printed.
    folder
        A workspace: all schemas are written into its folder `schema`. A trigger whose first line is
        `# yaml-language-server: $schema=../schema/trigger.json` is completed and checked while you
        write, in every editor that knows that line.
    """
    if (what is None) == (folder is None):
        print("name a kind of file, or a --folder", file=sys.stderr)
        return 2
    if what is not None:
        print(_text(what), end="")
        return 0
    assert folder is not None
    if not (folder / "workspace.yaml").is_file():
        print(f"{folder} is no workspace: it has no workspace.yaml", file=sys.stderr)
        return 2
    (folder / FOLDER).mkdir(exist_ok=True)
    for kind in KINDS:
        (folder / FOLDER / f"{kind}.json").write_text(_text(kind), encoding="utf-8")
        print(folder / FOLDER / f"{kind}.json")
    return 0


def _text(kind: str) -> str:
    return orjson.dumps(schema(kind), option=orjson.OPT_INDENT_2).decode() + "\n"
