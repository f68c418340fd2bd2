"""What a ledger is. Every implementation passes tests/contracts/test_store.py.

Writes are sent in order and acknowledged later; `settled` says how many were. A writer that
another one has replaced changes nothing, whatever it sends.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from events.record import Build, Offset, Paused
from profile_state.copies.base import Seen
from profile_state.history import WHOLE, History
from profile_state.identity import PLACES

READ = 64  # people in one read of everybody: a few ms of the server's time, were all of them large


class FencedError(Exception):
    """Another writer owns the partition now; this one must stop."""


class LedgerLostError(Exception):
    """The connection broke, or the ledger refused a write.

    Memory must be dropped and the log read on from the stored offset, as after a crash.
    """


class Outputs(msgspec.Struct):
    """What a step sends out, before any state that contains its cause."""

    activations: bytes | None = None  # one entry of the activation stream
    withdrawals: list[tuple[str, str, str, int]] = []  # person id, purpose, channel, ms
    dead: list[tuple[Offset, bytes]] = []
    letters_done: list[Offset] = []  # dead letters that somebody settled
    seen: Sequence[tuple[Offset, bytes, bytes, int, str]] = ()  # first copies, as in Seen
    moved: int = 0  # rows of the oldest first copies that are kept elsewhere now
    erasure_keys: list[bytes] = []  # of tombstones
    workspaces: list[tuple[str, bytes]] = []  # hash, packed files
    seen_items: list[tuple[str, str, str, int]] = []  # how, item, leaf, ms: who has seen what
    unseen_items: list[tuple[str, str, str]] = []  # the same, of whom nothing may be left
    failures: bytes | None = None  # of triggers, packed, in place of those that were sent before


class Chunk(msgspec.Struct):
    """People written in one call, with all that one record touched together."""

    people: list[tuple[str, bytes]] = []  # id, and the packed person
    added: list[tuple[str, bytes]] = []  # id, and what stands behind what is there
    dues: list[tuple[str, int]] = []  # id, due ms (NEVER: not due); the others stay as they are
    removed: list[str] = []  # person ids that are no more
    index: list[tuple[str, str]] = []  # identifier or former id -> person id
    forgotten: list[str] = []  # identifiers and former ids that lead to nobody any more
    counts: dict[str, int] = {}  # increments of what is counted across people
    items: list[tuple[str, bytes]] = []  # of the catalogue

    @property
    def persons(self) -> int:
        """How many people it is about."""
        return len(self.people) + len(self.added) + len(self.removed)


class Mark(msgspec.Struct):
    """Everything up to `offset` is written."""

    offset: Offset
    files: dict[str, str]  # the workspace in force there
    sweep: tuple[int, int] | None = None  # places that still follow the workspace before it
    build: Build | None = None  # which decided last
    now: int = 0  # ms; the log's clock there, 0 in marks of before it was kept
    in_use: tuple[tuple[str, str], ...] = ()  # see `triggers.state.State.in_use`
    learned: dict[str, dict[str, float]] = {}  # see `triggers.state.State.learned`
    paused: tuple[Paused, ...] = ()  # see `triggers.state.State.paused`
    history: History = WHOLE  # see `triggers.state.State.history`
    begun: bool = True  # see `triggers.state.State.begun`; of older releases it is not known


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far an engine has read."""

    entry: int
    records: int  # since it began
    said: int  # how often it has said so


class Recovered(NamedTuple):
    """What a new owner starts from."""

    mark: Mark
    seen: list[Seen]  # oldest first; may reach beyond the mark
    erasure_keys: list[bytes]  # the same
    items: dict[str, bytes]  # of the catalogue
    failures: bytes  # the same; empty before the first


class Loaded(NamedTuple):
    """Answers of a load."""

    leads: dict[str, str | None]  # identifier -> person, None for nobody
    people: dict[str, bytes]  # id -> packed person


class Store(Protocol):
    """One partition's ledger, as its engine uses it."""

    def own(self) -> Recovered:
        """Become the partition's only writer, and read what to start from.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def load(self, identifiers: Iterable[str], people: Iterable[str]) -> Loaded:
        """Read people, in one batch.

        Raises:
            FencedError: another writer owns the partition, so they do not fit to what is in memory.
            LedgerLostError: the ledger does not answer.
        """
        ...

    def within(self, first: int, last: int) -> list[str]:
        """Return the ids of the people in a range of places, both ends included.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def due(self, first: int, last: int) -> list[tuple[int, str]]:
        """Return (due, person) of those due from `first` to before `last` (ms), in order.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def oldest_copies(self, after: int, rows: int) -> list[list[Seen]]:
        """Return rows of first copies, the oldest first, each as one entry of the log wrote it.

        Args:
            after: how many of the oldest rows to pass over.
            rows: how many to return at most.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def who_saw(self, how: str, item: str, since: int) -> list[str]:
        """Return the leaves that have seen an item, in the order of their names.

        Args:
            how: by which event and property, as `Outputs.seen_items` says it.
            item: its id.
            since: ms; who saw it last before then is left out.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def dead(self) -> Iterator[tuple[Offset, bytes]]:
        """Yield the dead letters, packed, oldest first.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def counts(self) -> dict[str, int]:
        """Return what is counted across people.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def people(self) -> int:
        """Return how many people there are.

        Raises:
            LedgerLostError: the ledger does not answer.
        """
        ...

    def put(self, outputs: Outputs) -> None:
        """Send outputs; what is sent after them is applied after them."""
        ...

    def write(self, chunk: Chunk) -> None:
        """Send a chunk, applied whole or not at all."""
        ...

    def mark(self, mark: Mark) -> None:
        """Send the mark."""
        ...

    def vouch(self) -> None:
        """Send word that the ledger holds every withdrawal that it ever held.

        Of an engine that has read the log to where it ended when it became the owner. The word
        holds until the ledger loses something: a restart, or everything.
        """
        ...

    @property
    def sent(self) -> int:
        """How many calls were sent since `own`."""
        ...

    def settled(self, wait_s: float = 0) -> int:
        """Return how many calls are acknowledged, after waiting up to `wait_s` for all of them.

        Raises:
            FencedError: another writer owns the partition.
            LedgerLostError: the connection broke, or a call failed.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


def everybody(store: Store, most: int = READ) -> Iterator[bytes]:
    """Yield everybody, packed, of whom few are in memory at a time.

    Who is written meanwhile is met before or after it, and who is removed perhaps not at all; the
    caller must know whether anybody was.

    Args:
        store: owned, or only looked at.
        most: people in one read.

    Raises:
        LedgerLostError: the ledger does not answer.
    """
    width = max(1, PLACES * most // max(1, store.people()))
    for first in range(0, PLACES, width):
        ids = store.within(first, first + width - 1)
        for nth in range(0, len(ids), most):
            yield from store.load((), ids[nth : nth + most]).people.values()
