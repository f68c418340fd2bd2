"""The checkpoints of one partition: a folder, in which each is named by the entry of its mark.

Files of first copies are named by what they hold and how much, and are shared: those of past days
change no more, so a new checkpoint writes only what is new.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from events.archive import placed
from events.archive.segment import DamagedError
from profile_state.checkpoints import form
from profile_state.checkpoints.form import Head, Written
from profile_state.copies.base import Row
from profile_state.stores.keys import Command

KEPT = 2  # the newest, and one should that be damaged
SUFFIX = ".checkpoint"
COPIES = ".copies"


class Checkpoint(NamedTuple):
    """A checkpoint's file."""

    entry: int  # of the log, up to which everything is in it
    path: Path


class CheckpointDamagedError(Exception):
    """A checkpoint cannot be used; the message names the file and what is wrong with it."""


class Checkpoints:
    """The checkpoints of a partition.

    Args:
        folder: of the archive's partition, in which they have one of their own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkpoints"

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.folder)!r})"

    def all(self) -> list[Checkpoint]:
        """List them, newest first."""
        found = (Checkpoint(int(path.stem), path) for path in self.folder.glob(f"*{SUFFIX}"))
        return sorted(found, reverse=True)

    @property
    def newest(self) -> Checkpoint | None:
        """The newest one, None where there is none."""
        return next(iter(self.all()), None)

    def write(self, head: Head, commands: Iterable[Command]) -> Checkpoint:
        """Keep a checkpoint; it is on disk when this returns.

        Raises:
            OSError: it is not, as on a full disk; nothing of it stays.
        """
        path = self.folder / f"{head.entry:020}{SUFFIX}"
        with placed.placed(path) as file:
            form.write(file, head, commands)
        return Checkpoint(head.entry, path)

    def write_copies(self, name: str, rows: int, pages: Iterable[list[Row]]) -> str:
        """Keep first copies, where they are not kept already and sound; returns the file's name.

        Args:
            name: of the engine's file, without its suffix.
            rows: how many it has; more may come while it is read.
            pages: its rows; not read where it is kept already.

        Raises:
            OSError: it is not on disk.
        """
        path = self._copies(name, rows)
        if not _sound(path):
            with placed.placed(self.folder / f"{name}{COPIES}") as file:
                rows = form.write_copies(file, pages)
            path = (self.folder / f"{name}{COPIES}").rename(self._copies(name, rows))
            placed.sync(self.folder)
        return path.name

    def _copies(self, name: str, rows: int) -> Path:
        return self.folder / f"{name}.{rows}{COPIES}"

    def head(self, checkpoint: Checkpoint) -> Head:
        """Read what a checkpoint says of itself.

        Raises:
            CheckpointDamagedError: it cannot be read.
        """
        try:
            return form.head_of(checkpoint.path)
        except (DamagedError, OSError) as error:
            raise _damaged(checkpoint.path, error) from error

    def commands(self, checkpoint: Checkpoint) -> Iterator[Written]:
        """Read a checkpoint's commands, all but the one that writes its mark.

        Raises:
            CheckpointDamagedError: they cannot be read.
        """
        try:
            yield from form.commands_of(checkpoint.path)
        except (DamagedError, OSError) as error:
            raise _damaged(checkpoint.path, error) from error

    def copies(self, checkpoint: Checkpoint) -> Iterator[tuple[str, list[Row]]]:
        """Read a checkpoint's first copies, each page with the name of the engine's file.

        Raises:
            CheckpointDamagedError: they cannot be read.
        """
        for name in self.head(checkpoint).copies:
            path = self.folder / name
            try:
                for page in form.copies_of(path):
                    yield name.partition(".")[0], page
            except (DamagedError, OSError) as error:
                raise _damaged(path, error) from error

    def verify(self, checkpoint: Checkpoint) -> Head:
        """Read all of a checkpoint.

        Raises:
            CheckpointDamagedError: a byte of it is not as it was written, or a file is missing.
        """
        head = self.head(checkpoint)
        for _ in self.commands(checkpoint):
            pass
        for _ in self.copies(checkpoint):
            pass
        return head

    def problem(self, checkpoint: Checkpoint) -> str:
        """Read all of a checkpoint, and say what is wrong with it; nothing where it is good."""
        try:
            self.verify(checkpoint)
        except CheckpointDamagedError as error:
            return str(error)
        return ""

    def sweep(self) -> None:
        """Keep the newest good ones, and what belongs to them; for the one who writes."""
        placed.sweep(self.folder)
        good = 0
        for one in self.all():
            if good == KEPT:
                one.path.unlink()
            elif not self.problem(one):
                good += 1
        try:
            needed = {name for one in self.all() for name in self.head(one).copies}
        except CheckpointDamagedError:
            return  # nobody knows what it needs; it goes when others have come
        for path in self.folder.glob(f"*{COPIES}"):
            if path.name not in needed:
                path.unlink()


def _sound(path: Path) -> bool:
    try:
        for _ in form.copies_of(path):
            pass
    except (DamagedError, OSError):
        return False
    return True


def _damaged(path: Path, error: Exception) -> CheckpointDamagedError:
    return CheckpointDamagedError(
        f"{path} cannot be used: {error}; restore it from a backup, or delete it and make another "
        "with `kairos archive checkpoint`"
    )
