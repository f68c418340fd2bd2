"""What one step produces: outputs for the world, changes for the ledger, reasons for people."""

from typing import NamedTuple

import msgspec

from events.record import DeadLetter, Event, Offset
from triggers.activation import Activation
from triggers.state import State


class Withdrawal(NamedTuple):
    """A consent taken back, an address lost, an erasure: workers check it right before each send."""

    who: str  # the person id of a leaf: the set that workers ask names nobody
    purpose: str  # "*" for every purpose, `SUPPRESSED` for an address
    channel: str  # "*" for every channel; or that address, hidden
    time: int  # ms, the log's clock


class Explanation(NamedTuple):
    """Why something did or did not happen."""

    person: str
    trigger: str
    outcome: str  # sent, held, refused, ignored, failed
    reason: str = ""
    detail: str = ""


class Work(msgspec.Struct):
    """The work of one step. Whatever is written of a person carries the offset that it follows."""

    state: State
    activations: list[Activation] = []
    withdrawals: list[Withdrawal] = []
    dead: list[tuple[Offset, DeadLetter]] = []
    letters_done: list[Offset] = []  # dead letters that somebody settled
    seen: list[tuple[Offset, bytes, bytes, int, str]] = []  # first copies, as in `copies.base.Seen`
    erasure_keys: list[bytes] = []  # of erasures: known before their tombstones are
    workspaces: list[tuple[str, dict[str, str]]] = []  # (hash, files) that came into force
    items: list[str] = []  # of the catalogue, to write
    seen_items: list[tuple[str, str, str, int]] = []  # as in `Outputs`
    unseen_items: list[tuple[str, str, str]] = []  # the same
    failed: bool = False  # whether `State.failures` is another
    emitted: list[Event] = []  # what steps put into the log
    bounded: list[tuple[str, ...]] = []  # chains of triggers that were ended for their length
    explanations: list[Explanation] = []
    dirty: set[str] = msgspec.field(default_factory=set)  # people to write
    index: dict[str, str] = {}  # identifiers and former ids that point elsewhere now
    together: list[set[str]] = []  # people whom one record touched together
    applied: dict[str, int] = {}  # events, by person: of all that is counted the most by far
    counts: dict[str, dict[str, int]] = {}  # by the person who caused them

    def count(self, person: str, what: str, by: int = 1) -> None:
        """Count something that is counted across people, with the person who caused it."""
        counter = self.counts.get(person)
        if counter is None:
            self.counts[person] = {what: by}
        else:
            counter[what] = counter.get(what, 0) + by

    def explain(
        self, person: str, trigger: str, outcome: str, reason: str = "", detail: str = ""
    ) -> None:
        """Record why, and count it."""
        self.explanations.append(Explanation(person, trigger, outcome, reason, detail))
        self.count(person, f"{outcome}:{trigger}:{reason}" if reason else f"{outcome}:{trigger}")
