"""The power cut: after everything was killed, each file goes back to its last completed fsync.

`rig.c`, preloaded into the processes of a stack, keeps the journals; its head says by which rules.
A disk may have taken more than it was made to: where a source of chance is given, the first few of
the writes since the last fsync survive, and the one after them in part.
"""

import atexit
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec

SOURCE = Path(__file__).with_name("rig.c")
_MADE, _CHANGED, _SYNCED = 1, 2, 3  # as in rig.c
_HEAD = Struct("=QQQQQ")
_MOST = 1 << 39  # bytes; beyond, it is no write but a file made shorter


class RigError(Exception):
    """The rig cannot work here; the message says what it needs."""


class Undone(msgspec.Struct):
    """What a power cut took back."""

    writes: int = 0
    files: int = 0  # that had not been fsynced since they were written
    names: int = 0  # made, moved or taken away, their folder not fsynced


class Rig:
    """Watches a data folder. Both folders must be on one file system, neither inside the other.

    Args:
        data: the folder whose files a power cut shall concern.
        journal: where the notes go; made if it is not there.
    """

    def __init__(self, data: Path, journal: Path) -> None:
        self._data, self._journal = data.resolve(), journal.resolve()
        self._journal.mkdir(parents=True, exist_ok=True)

    @property
    def env(self) -> Mapping[str, str]:
        """What the processes to watch need in their environment."""
        return {
            "LD_PRELOAD": str(compiled()),
            "TORTURE_DATA": str(self._data),
            "TORTURE_JOURNAL": str(self._journal),
        }

    def cut(self, below: Path | None = None, chance: random.Random | None = None) -> Undone:
        """Take back what no fsync has kept. Who writes there must have been killed before.

        Args:
            below: a folder, if the power is cut there alone.
            chance: how much the disk had taken of its own accord; None for nothing.
        """
        below = self._data if below is None else below.resolve()
        undone = Undone()
        for folder in sorted(p for p in (below, *below.rglob("*")) if p.is_dir()):
            self._names_back(folder, chance, undone)
        for path in sorted(p for p in below.rglob("*") if p.is_file()):
            if path.name.endswith("-shm"):
                path.unlink()  # a memory map: who opens the database makes it anew
            else:
                self._content_back(path, chance, undone)
        return undone

    def _names_back(self, folder: Path, chance: random.Random | None, undone: Undone) -> None:
        journal = self._of(folder, "d")
        lines = _names(journal.read_text()) if journal.exists() else []
        for words in reversed(lines[_survivors(lines, chance) :]):
            match words:
                case "moved", old, new, kept:
                    Path(new).rename(old)
                    if kept != "-":
                        os.link(self._journal / kept, new)
                case "gone", path, kept:
                    os.link(self._journal / kept, path)
                case "made", path if any(c.kind == _MADE for c in self._changes(Path(path))):
                    Path(path).unlink()
                case _:
                    continue  # made, and fsynced since
            undone.names += 1
        if lines:
            os.truncate(journal, 0)

    def _content_back(self, path: Path, chance: random.Random | None, undone: Undone) -> None:
        changes = self._changes(path)
        if not changes:
            return
        undone.files += 1
        survivors = _survivors(changes, chance)
        with path.open("r+b") as file:
            for change in reversed(changes[survivors:]):
                undone.writes += change.kind == _CHANGED
                # Of the first that is lost, a part may have been taken.
                part = chance.random() if chance and change is changes[survivors] else 0.0
                change.undo(file.fileno(), part)
        os.truncate(self._of(path, "f"), 0)

    def _changes(self, path: Path) -> list["_Change"]:
        """Return what was done to a file since its last fsync."""
        journal = self._of(path, "f")
        return _changes(journal.read_bytes()) if journal.exists() else []

    def _of(self, path: Path, kind: str) -> Path:
        found = path.stat()
        return self._journal / f"{kind}-{found.st_dev}-{found.st_ino}"


class _Change(NamedTuple):
    kind: int
    offset: int
    length: int
    size_before: int
    before: bytes  # what stood there

    def undo(self, handle: int, part: float) -> None:
        """Take it back, but for a part of it from its beginning."""
        taken = int(self.length * part) if self.length < _MOST else 0
        os.pwrite(handle, self.before[taken:], self.offset + taken)
        os.ftruncate(handle, max(self.size_before, self.offset + taken if taken else 0))


def _survivors(changes: list[_Change] | list[list[str]], chance: random.Random | None) -> int:
    return chance.randint(0, len(changes)) if chance is not None else 0


def _changes(journal: bytes) -> list[_Change]:
    """Read a file's journal: what came after the last fsync began."""
    placed = list(_placed(journal))
    synced = max((c.offset for _, c in placed if c.kind == _SYNCED), default=0)
    return [c for at, c in placed if at >= synced and c.kind != _SYNCED]


def _placed(journal: bytes) -> Iterator[tuple[int, _Change]]:
    at = 0
    while at + _HEAD.size <= len(journal):
        kind, offset, length, size, kept = _HEAD.unpack_from(journal, at)
        start = at + _HEAD.size
        yield at, _Change(kind, offset, length, size, journal[start : start + kept])
        at = start + kept


def _names(journal: str) -> list[list[str]]:
    r"""Read a folder's journal: what came after the last fsync began.

    >>> _names("gone\ta\tk-1\nsynced\t11\nmoved\tb\tc\t-\n")
    [['moved', 'b', 'c', '-']]
    """
    placed, at = [], 0
    for line in journal.splitlines(keepends=True):
        placed.append((at, line.rstrip("\n").split("\t")))
        at += len(line.encode())
    synced = max((int(words[1]) for _, words in placed if words[0] == "synced"), default=0)
    return [words for at, words in placed if at >= synced and words[0] != "synced"]


def missing() -> str:
    """Say what the rig lacks on this machine; "" where it can work."""
    if sys.platform != "linux":
        return "a power cut is simulated on Linux alone"
    if shutil.which("cc") is None:
        return "a power cut needs a C compiler, and there is no `cc`; install gcc and libc6-dev"
    return ""


@cache
def compiled() -> Path:
    """Compile the rig, once in a process, into a folder for temporary files.

    Raises:
        RigError: it cannot be compiled here.
    """
    if why := missing():
        raise RigError(why)
    folder = Path(tempfile.mkdtemp(prefix="kairos-rig-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "rig.so"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lpthread"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise RigError(f"{' '.join(command)} failed: {said.stderr.strip()}")
    return library
