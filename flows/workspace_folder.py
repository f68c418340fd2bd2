"""A workspace folder on disk: the files that a version record carries."""

from pathlib import Path

from triggers.problems import Problem, WorkspaceError

SUFFIXES = (".yaml", ".yml", ".liquid")


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
