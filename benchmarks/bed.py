"""What the benchmarks share: how a run fails, and the workspace as a folder."""

from pathlib import Path

from benchmarks import marketing


class BenchError(Exception):
    """A run is worth nothing; the message says why."""


def write_workspace(folder: Path) -> Path:
    """Write the load's workspace into a new folder, and return that."""
    for path, text in marketing.files().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder
