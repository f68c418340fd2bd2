"""Fill an empty ledger from a checkpoint.

What is being restored is named in the ledger before anything else changes, and that name goes in
the same call that writes the mark. So a ledger that was left in the middle of it is recognised,
emptied, and filled anew. Everything passes where an engine's writes pass: a second engine that
takes the partition over meanwhile ends this one's restoring.
"""

import time

from profile_state.checkpoints.folder import Checkpoint, Checkpoints
from profile_state.checkpoints.form import pieces
from profile_state.copies.disk import CopiesBusyError, Disk
from profile_state.stores.base import LedgerLostError
from profile_state.stores.redis import RedisStore

CALL = 128 * 1024  # bytes in one call: a millisecond or two of the server's time
AHEAD = 32  # calls that are not answered yet
PATIENCE_S = 60.0  # without an answer
BUSY_S = 30.0  # for another process that holds a file of first copies, as one that is just ending
KEYS = 500  # that go in one call


def restore(store: RedisStore, disk: Disk, kept: Checkpoints, checkpoint: Checkpoint) -> int:
    """Take the ledger over, empty it, and fill it from a checkpoint that was verified.

    Args:
        store: of the partition.
        disk: its first copies that memory has no room for; what it has already stays.
        kept: where the checkpoint is.
        checkpoint: which one.

    Returns:
        How many commands it took.

    Raises:
        CheckpointDamagedError: it is damaged after all.
        CopiesUnusableError: the disk is full or broken.
        FencedError: another engine took the partition over.
        LedgerLostError: the ledger is away; restore again.
    """
    head = kept.head(checkpoint)
    store.own()
    store.send([["SET", store.keys.restoring, checkpoint.path.name], ["DEL", store.keys.vouched]])
    _empty(store)
    _copies(disk, kept, checkpoint)
    count = 0
    for call in pieces(kept.commands(checkpoint), CALL):
        count += len(call)
        store.send([[*command] for command in call])
        _answered(store, AHEAD)
    store.send([[*head.mark], ["DEL", store.keys.restoring]])
    _answered(store, 0)
    return count


def abandon(store: RedisStore) -> None:
    """Empty a ledger that was left in the middle of being restored, for it to begin anew.

    Raises:
        FencedError: another engine took the partition over.
        LedgerLostError: the ledger is away.
    """
    store.own()
    _empty(store)
    store.send([["DEL", store.keys.restoring]])
    _answered(store, 0)


def _empty(store: RedisStore) -> None:
    there = list(store.there())
    for start in range(0, len(there), KEYS):
        store.send([["UNLINK", *there[start : start + KEYS]]])
        _answered(store, AHEAD)
    _answered(store, 0)


def _copies(disk: Disk, kept: Checkpoints, checkpoint: Checkpoint) -> None:
    """Bring back first copies, onto the disk itself: no longer are they anywhere else."""
    until = time.monotonic() + BUSY_S
    pages, page = kept.copies(checkpoint), None
    while True:
        try:
            page = page or next(pages, None)
            if page is None:
                if disk.sync():
                    return
                raise CopiesBusyError("a file cannot be synced")  # noqa: TRY301 - the same pause
            disk.refill(*page)
            page = None
        except CopiesBusyError as error:
            if time.monotonic() > until:
                raise LedgerLostError(f"first copies cannot be restored: {error}") from error
            time.sleep(0.05)


def _answered(store: RedisStore, ahead: int) -> None:
    """Wait until no more calls than these are not answered.

    Raises:
        FencedError: another engine took the partition over.
        LedgerLostError: no answer comes.
    """
    until = time.monotonic() + PATIENCE_S
    settled = store.settled()
    while store.sent - settled > ahead:
        now = store.settled(1.0)
        if now == settled and time.monotonic() > until:
            raise LedgerLostError(f"the ledger has not answered for {PATIENCE_S:.0f} s")
        if now > settled:
            until = time.monotonic() + PATIENCE_S
        settled = now
