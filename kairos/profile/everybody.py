"""Everybody at once: the two hashes of a ledger, by which two of them are compared.

A hash means something only as of one entry of the log. So it is given where nothing was written
while people were read: then the log has no entry beyond the stored offset before and after.
"""

import msgspec

from kairos.profile.beside import Beside
from profile_state.hashes import Sums
from profile_state.stored import unpack
from profile_state.stores.base import Mark, everybody
from triggers.warming import own_slots

PATIENCE_S = 15.0  # until the ledger has everything that the log has
AGAIN = "ask again when nothing comes in"


class InexactError(Exception):
    """The ledger could not be read as of one entry; the message says why."""


class Everybody(msgspec.Struct, frozen=True):
    """A partition's people in a few numbers."""

    partition: int
    entry: int  # of the log, up to which all this holds; -1 before the first
    people: int
    leaves: int
    facts: str
    decisions: str


def everybody_of(engine: Beside, patience_s: float = PATIENCE_S) -> Everybody:
    """Read everybody, and hash them.

    Args:
        engine: that has caught up, or does so in time.
        patience_s: how long it may take for that.

    Raises:
        InexactError: the engine is behind, or something came in meanwhile.
        LedgerLostError: the ledger does not answer.
        LogUnavailableError: the log does not answer.
    """
    if not engine.caught_up(patience_s=patience_s):
        stored, newest = engine.store.peek().offset.entry, engine.log.last(0)
        raise InexactError(
            f"the engine is behind: the ledger has the log up to entry {stored}, and the log goes "
            f"to entry {newest}; `kairos doctor` says how far that is"
        )
    mark = engine.store.peek()
    workspace = engine.workspace(mark)
    slots = own_slots(workspace) if workspace is not None else {}
    sums = Sums(slots, engine.time_of(mark.offset.entry))
    for value in everybody(engine.store):
        person = unpack(value, {})
        if person.offset > mark.offset:
            raise InexactError(
                f"{person.id} has what entry {person.offset.entry} of the log did, and the stored "
                f"offset is entry {mark.offset.entry}, record {mark.offset.nth}; {AGAIN}"
            )
        sums.add(person)
    _see_that_nothing_moved(engine, mark)
    return Everybody(0, mark.offset.entry, sums.people, sums.leaves, sums.facts, sums.decisions)


def _see_that_nothing_moved(engine: Beside, mark: Mark) -> None:
    """Look once more at the ledger's offset and at the log's end.

    The log's end is what decides: whom an entry removed was perhaps not met, and nobody who was
    need carry its offset.
    """
    entry, newest = mark.offset.entry, engine.log.last(0)
    if newest < entry:
        raise InexactError(
            f"the log ends with entry {newest}, and the ledger has it up to entry {entry}: "
            "is it the log of this ledger?"
        )
    stored = engine.store.peek().offset
    if stored != mark.offset:
        raise InexactError(
            f"the stored offset moved from entry {entry} to entry {stored.entry} while people "
            f"were read; {AGAIN}"
        )
    if newest > entry:
        raise InexactError(
            f"entry {newest} came into the log while people were read up to entry {entry}; {AGAIN}"
        )
