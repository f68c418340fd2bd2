"""Make a checkpoint of a ledger that is being written.

A snapshot is one instant of the ledger, as a crash of its server at that instant would leave it,
and the engine starts from such a thing each time it starts. First copies that left the ledger
before it are in the engine's files by then, so these are read after it.
"""

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from events.archive.folder import Archive
from kairos import __version__
from kairos.checkpoints.private import SNAPSHOT, private_server
from kairos.checkpoints.room import wanting
from kairos.embedded.servers import ServerError
from kairos.settings import Settings
from profile_state.checkpoints import contents
from profile_state.checkpoints.folder import Checkpoint, CheckpointDamagedError, Checkpoints
from profile_state.checkpoints.form import Head, in_bytes
from profile_state.checkpoints.snapshot import SnapshotError, receive
from profile_state.copies import beside
from profile_state.copies.disk import SUFFIX
from profile_state.stores.keys import Keys

LOCK = "making.lock"


class CheckpointError(Exception):
    """No checkpoint was made; the message says why, and what to do."""


class Made(NamedTuple):
    """A checkpoint that was just made, and read again."""

    checkpoint: Checkpoint
    head: Head
    size: int  # bytes of its own file
    snapshot: int  # bytes of the snapshot that it was made from


def make(settings: Settings, now: int, partition: int = 0) -> Made:
    """Make a checkpoint, verify it, and keep it and the one before it.

    Args:
        settings: of the installation; it has an archive.
        now: ms.
        partition: of the log.

    Raises:
        CheckpointError: none was made, and nothing of it stays.
    """
    if settings.archive is None:
        raise CheckpointError("there is no archive; name its folder in KAIROS_ARCHIVE")
    if settings.log.replayed:
        raise CheckpointError("a replay has none: what is cut short begins again")
    kept = Checkpoints(Archive(settings.archive, partition).folder)
    work = kept.folder / "making"
    try:
        with _alone(kept.folder):
            shutil.rmtree(work, ignore_errors=True)  # of one that was killed
            work.mkdir(mode=0o700)
            try:
                return _made(settings, kept, work, now, partition)
            finally:
                shutil.rmtree(work, ignore_errors=True)
                kept.sweep()
    except (SnapshotError, CheckpointDamagedError) as error:
        raise CheckpointError(str(error)) from error
    except redis.RedisError as error:
        raise CheckpointError(f"the ledger does not answer: {error}") from error
    except ServerError as error:
        raise CheckpointError(
            f"the snapshot of the ledger cannot be loaded: {error}. The server on this machine must "
            "be as new as that of the ledger; `kairos doctor` says which it is"
        ) from error
    except (OSError, sqlite3.Error) as error:
        raise CheckpointError(f"{kept.folder}: {error}; make the disk usable") from error


def _made(settings: Settings, kept: Checkpoints, work: Path, now: int, partition: int) -> Made:
    keys = Keys(partition)
    folder = settings.copies / f"p{partition}"
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}, the folder of the engine's first copies, is not there, and a checkpoint "
            "without it would let copies count again; name it in KAIROS_COPIES, and let whoever "
            "makes checkpoints reach it"
        )
    if missing := wanting(settings, work):
        raise CheckpointError(f"{missing}; make room, or set KAIROS_CHECKPOINT_S=0")
    files = {path.stem for path in folder.glob(f"*{SUFFIX}")}
    with (work / SNAPSHOT).open("wb") as file:
        size = receive(settings.ledger, file)
    with private_server(work, settings.ledger) as client:
        mark = contents.mark(client, keys)
        if mark is None:
            raise CheckpointError(
                "the ledger was not begun yet, or is just being restored; try again when the live "
                "flow is there, `kairos doctor` says so"
            )
        copies = _copies(kept, folder, files)
        head = Head(partition, contents.entry_of(mark), now, __version__, in_bytes(mark), copies)
        checkpoint = kept.write(head, contents.commands(client, keys))
    kept.verify(checkpoint)
    return Made(checkpoint, head, checkpoint.path.stat().st_size, size)


def _copies(kept: Checkpoints, folder: Path, before: set[str]) -> list[str]:
    """Keep the engine's files of first copies.

    Args:
        kept: where.
        folder: of the engine.
        before: the files that were there before the snapshot.
    """
    found, there = [], set()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            if rows := beside.count(path):
                found.append(kept.write_copies(path.stem, rows, beside.pages(path)))
            there.add(path.stem)
        except sqlite3.Error:
            if path.exists():
                raise
    # An engine that reads on from far back lets go of days fast, of which the entries between the
    # snapshot and now may have copies still.
    if lost := before - there:
        raise CheckpointError(
            f"the engine let go of first copies meanwhile ({', '.join(sorted(lost))}); try again "
            "when it has caught up, or right now where it was a day that has just ended"
        )
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only one who makes one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CheckpointError(
                f"another one is being made in {folder}; wait until it is there"
            ) from None
        yield
