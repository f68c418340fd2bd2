"""Moves the oldest first copies from memory and ledger to the disk, a few at a time."""

from profile_state.copies.disk import CopiesBusyError, Disk
from profile_state.stores.base import Outputs, Store

ROWS = 4  # of the ledger in one step: about a millisecond
SYNC = 50_000
BYTES_EACH = 160  # of memory: key, packed place and digest, their place in the table; measured


class Mover:
    """Keeps the copies in memory within their room.

    Args:
        store: the ledger, which holds what memory holds.
        disk: where the oldest go.
        room: bytes of memory.
        sync: copies between two syncs of the disk; until then they stay in the ledger too.
    """

    def __init__(self, store: Store, disk: Disk, room: int, *, sync: int = SYNC) -> None:
        self._store = store
        self._disk = disk
        self._sync = sync
        self._most = room // BYTES_EACH
        self._moved = 0  # rows that are on disk, and in the ledger still
        self._copies = 0  # in these

    def restart(self) -> None:
        """Begin anew with a ledger that was just taken over."""
        self._moved = self._copies = 0

    def step(self, first_seen: dict[bytes, int], now: int) -> bool:
        """Move some, if there are too many.

        Args:
            first_seen: what memory holds; what was moved is taken off.
            now: ms, the log's clock; days on disk that matter no more are let go.

        Returns:
            Whether any were moved.

        Raises:
            LedgerLostError: the ledger does not answer.
            CopiesUnusableError: the disk is full or broken.
        """
        if len(first_seen) <= self._most:
            return False
        rows = self._store.oldest_copies(self._moved, ROWS)
        copies = [copy for row in rows for copy in row]
        try:
            self._disk.add(copies)
        except CopiesBusyError:
            return False  # an engine that was replaced is stopped in the middle of it: not now
        for copy in copies:
            first_seen.pop(copy.key, None)
        self._moved += len(rows)
        self._copies += len(copies)
        if self._copies >= self._sync and self._disk.sync():
            self._disk.expire(now)
            self._store.put(Outputs(moved=self._moved))
            self.restart()
        return bool(rows)
