"""A workspace folder on disk: the files that a version record carries."""

from pathlib import Path
from typing import Any

from events import catalog
from events.catalog import CatalogError
from triggers.problems import Problem, WorkspaceError

SUFFIXES = (".yaml", ".yml", ".liquid")


def read_catalog(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Read the catalogue that a workspace names: the fields of each item by its id.

    It is no part of the version: items have records of their own.

    Raises:
        WorkspaceError: there is no such file, or it cannot be read.
    """
    try:
        return catalog.read_file((folder / name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, CatalogError) as error:
        raise WorkspaceError(
            [Problem(name, 1, 1, f"the catalogue cannot be read: {error}")]
        ) from None


def read_folder(folder: Path) -> dict[str, str]:
    """Read a workspace's files: path below the folder -> text.

    Raises:
        WorkspaceError: there is no such workspace, or a file is not UTF-8.
    """
    if not (folder / "workspace.yaml").is_file():
        raise WorkspaceError(
            [
                Problem(
                    str(folder),
                    1,
                    1,
                    "no workspace here: a workspace is a folder with a workspace.yaml",
                )
            ]
        )
    files: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in SUFFIXES:
            name = path.relative_to(folder).as_posix()
            try:
                files[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise WorkspaceError([Problem(name, 1, 1, f"not UTF-8: {error.reason}")]) from None
    return files
