"""Whoever reads a profile asks the engine first to write behind what it knows by then.

Readers push the entry that they want to see; a thread of the engine's process waits for that, so
an idle engine does nothing for it.
"""

import threading
from collections.abc import Callable

from profile_state.stores.base import LedgerLostError
from profile_state.stores.redis import RedisStore

WAIT_S = 1.0  # for one question, so that a stop is noticed
PAUSE_S = 0.5  # while the ledger is away


def listen(url: str, partition: int, hurry: Callable[[int], None], stop: threading.Event) -> None:
    """Pass on what readers ask for, until `stop` is set.

    Args:
        url: of the ledger.
        partition: of the engine.
        hurry: takes an entry's id; called from this thread.
        stop: set it to end.
    """
    store = RedisStore(url, partition)
    while not stop.is_set():
        try:
            entry = store.asked(WAIT_S)
        except LedgerLostError:
            stop.wait(PAUSE_S)  # the engine itself says so
            continue
        if entry is not None:
            hurry(entry)
    store.close()
