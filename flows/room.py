"""Room in the log: an embedded log is a buffer in memory, and what is stored may leave it."""

from collections import deque

from events.record import START, Offset
from events.sources.base import Log

FULL = 0.4  # from this fullness on, entries are let go: of the default 1 GB less than 512 MB stay
LOOKS = 3  # an offset must have been stored for so many looks before its entries go


class Room:
    """Lets go of entries that the ledger holds, when the log gets full.

    A log with an archive lets go of nothing that is not there, see `events.archive.whole`.

    The ledger may lose its last second at a power cut, and its stored offset with it. So the
    entries of the last looks stay, from which that second is read again.

    Args:
        log: which log.
        partition: of it.
    """

    def __init__(self, log: Log, partition: int) -> None:
        self._log = log
        self._partition = partition
        self._stored: deque[Offset] = deque(maxlen=LOOKS)

    def look(self, stored: Offset) -> bool:
        """Look how full the log is; call it every few seconds.

        Args:
            stored: the ledger's offset now.

        Returns:
            Whether entries were let go.
        """
        oldest = self._stored[0] if len(self._stored) == LOOKS else START
        self._stored.append(stored)
        if oldest == START or self._log.fullness() < FULL:
            return False
        self._log.trim(self._partition, oldest.entry)
        return True
