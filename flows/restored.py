"""A ledger that is empty is filled from the last checkpoint, before the engine begins."""

import structlog

from events.sources.base import Log
from profile_state.checkpoints.folder import Checkpoint, CheckpointDamagedError, Checkpoints
from profile_state.checkpoints.restore import abandon, restore
from profile_state.copies.disk import Disk
from profile_state.stores.redis import RedisStore

log = structlog.get_logger()


def restored(source: Log, store: RedisStore, disk: Disk, kept: Checkpoints) -> Checkpoint | None:
    """Restore a ledger that was not begun, or was left in the middle of being restored.

    Args:
        source: archive and log as one, from which the engine then reads on.
        store: the partition's ledger.
        disk: its first copies that memory has no room for.
        kept: the checkpoints.

    Returns:
        From which one; None where the ledger needs none, or there is none. The engine then
        reads from the first entry on, and says so if that has been let go of.

    Raises:
        CopiesUnusableError: the disk is full or broken.
        FencedError: another engine took the partition over.
        LedgerLostError: the ledger does not answer.
    """
    if store.begun():
        return None
    newest = source.last(store.keys.partition)
    for one in kept.all():
        if one.entry > newest:
            log.error(
                "a checkpoint is of another log: it goes beyond the end of this one",
                checkpoint=str(one.path),
                entry=one.entry,
                end=newest,
            )
            continue
        try:
            head = kept.verify(one)
            log.info(
                "the ledger is empty, restoring it",
                checkpoint=str(one.path),
                entry=one.entry,
                made_ms=head.made_ms,
            )
            count = restore(store, disk, kept, one)
        except CheckpointDamagedError as error:
            log.error("a checkpoint is damaged, trying the one before it", reason=str(error))
            continue
        log.info("restored, reading on from there", entry=one.entry, commands=count)
        return one
    if store.half_restored():
        log.error("no checkpoint can be used any more, beginning with the first entry of the log")
        abandon(store)
    return None
