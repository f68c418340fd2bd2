"""Beside a running engine: its log, and its ledger, read without becoming its writer.

The engine writes behind by a second or two. So a reader first asks it not to wait, and then waits
until the ledger has everything that the log had when it was asked.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from channels.base import addresses as known_addresses
from events.naming import candidates
from events.record import Join
from events.sources.base import Log
from flows.loading import bring_in
from flows.open import open_whole
from kairos.profile.find import the_one
from kairos.settings import Settings
from profile_state.person import Person
from profile_state.stored import unpack
from profile_state.stores.base import LedgerLostError, Mark
from profile_state.stores.redis import RedisStore
from triggers import failing
from triggers.core import Batch
from triggers.definitions import Workspace
from triggers.load import load
from triggers.state import State

PATIENCE_S = 3.0  # until what there is gets shown, with a word about what is missing
LOOK_S = 0.005  # between looks at how far the ledger is
TRIES = 5  # to read people while the engine writes them


class Beside:
    """What a command reads of a running engine. Open it with `beside`."""

    def __init__(self, log: Log, store: RedisStore, *, replayed: bool = False) -> None:
        self.log = log
        self.store = store
        self.replayed = replayed  # the log takes its time from the events in it
        self.addresses = known_addresses()

    def caught_up(self, entry: int | None = None, patience_s: float = PATIENCE_S) -> bool:
        """Wait until the ledger has an entry, by default the newest; False where it takes too long."""
        entry = self.log.last(0) if entry is None else entry
        if self.store.peek().offset.entry >= entry:
            return True
        self.store.ask(entry)
        until = time.monotonic() + patience_s
        while self.store.peek().offset.entry < entry:
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_S)
        return True

    def workspace(self, mark: Mark) -> Workspace | None:
        """Return the workspace in force there."""
        if not mark.files:
            return None
        paused = failing.versions(mark.paused)
        return load(mark.files, self.addresses, paused, mark.history, new=False)

    def time_of(self, entry: int) -> int:
        """Return the time (ms) of an entry, or of the last one before it; 0 where there is none."""
        found = self.log.back(0, entry + 1, 1)
        return found[0].time if found else 0

    def now(self) -> int:
        """Return the time (ms) that the log would give to an entry now."""
        newest = self.time_of(self.log.last(0))
        return newest if self.replayed else max(newest, time.time_ns() // 1_000_000)

    def person(self, asked: str) -> Person | None:
        """Find a person by an identifier, with or without its type, or by an id of theirs.

        Raises:
            AmbiguousError: the id means several people.
            LedgerLostError: the ledger does not answer.
        """
        # The index knows a person's former ids; the present one is where they are.
        lead = the_one(self.store.load(candidates(asked), ()).leads) or asked
        value = self.store.load((), [lead]).people.get(lead)
        if value is None:
            return None
        workspace = self.workspace(self.store.peek())
        return unpack(value, workspace.slots if workspace is not None else {})

    def around(self, identifiers: Iterable[str]) -> State:
        """Read these identifiers' people, and everybody whom an edge of theirs names.

        Returns:
            A state of its own, as the engine has it: what becomes of it concerns nobody else.

        Raises:
            LedgerLostError: the ledger does not answer, or its people keep changing.
        """
        wrong = ""
        for _ in range(TRIES):
            mark = self.store.peek()
            state = State(0)
            state.offset = mark.offset
            state.workspace, state.files = self.workspace(mark), mark.files
            state.learn(mark.learned)
            try:
                bring_in(state, self.store, [_asking_for(identifiers)])
                tied = {i for p in state.people.values() for e in p.refused for i in (e.a, e.b)}
                bring_in(state, self.store, [_asking_for(tied)])
            except LookupError as error:  # read between two writes of the engine
                wrong = str(error)
                time.sleep(0.05)
            else:
                return state
        raise LedgerLostError(f"the people cannot be read, tried {TRIES} times: {wrong}")


def _asking_for(identifiers: Iterable[str]) -> Batch:
    """Return what needs these identifiers' people; it is never applied."""
    return Batch(0, 0, [Join("", 0, i, i, cut=False, by="", reason="") for i in identifiers])


@contextmanager
def beside(settings: Settings) -> Iterator[Beside]:
    """Open the log and the ledger of an engine."""
    log = open_whole(settings)
    store = RedisStore(settings.ledger)
    try:
        yield Beside(log, store, replayed=settings.log.replayed)
    finally:
        store.close()
        log.close()
