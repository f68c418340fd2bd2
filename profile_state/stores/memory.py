"""A ledger in memory: for tests, simulations, and reading a log without keeping anything."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

from events.record import START, Offset
from profile_state.copies.base import Seen
from profile_state.identity import place_of
from profile_state.leaf import NEVER
from profile_state.stores.base import (
    Chunk,
    FencedError,
    Loaded,
    Mark,
    Outputs,
    Recovered,
)


class Shelf:
    """What outlives a writer: one partition's people, and what was put out."""

    def __init__(self) -> None:
        self.epoch = 0
        self.people: dict[str, bytes] = {}
        self.index: dict[str, str] = {}
        self.dues: dict[str, int] = {}
        self.counts: Counter[str] = Counter()
        self.seen: list[list[Seen]] = []  # a row for each entry of the log
        self.activations: list[bytes] = []
        self.withdrawals: dict[tuple[str, str, str], int] = {}
        self.erasure_keys: set[bytes] = set()
        self.dead: dict[tuple[int, int], bytes] = {}
        self.workspaces: dict[str, bytes] = {}
        self.items: dict[str, bytes] = {}
        self.seen_items: dict[tuple[str, str], dict[str, int]] = {}
        self.failures = b""
        self.mark = Mark(START, {})
        self.vouched = False


class MemoryStore:
    """A writer over a shelf.

    >>> shelf = Shelf()
    >>> old, new = MemoryStore(shelf), MemoryStore(shelf)
    >>> _ = old.own(), new.own()
    >>> old.write(Chunk(index=[("user_id:u1", "p_1")]))
    >>> old.settled()
    Traceback (most recent call last):
    profile_state.stores.base.FencedError: epoch 1 was replaced by 2
    >>> shelf.index
    {}
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._epoch = 0
        self._sent = 0

    def own(self) -> Recovered:
        """Become the only writer."""
        self.shelf.epoch += 1
        self._epoch = self.shelf.epoch
        self._sent = 0
        return Recovered(
            self.shelf.mark,
            [c for row in self.shelf.seen for c in row],
            sorted(self.shelf.erasure_keys),
            dict(self.shelf.items),
            self.shelf.failures,
        )

    def load(self, identifiers: Iterable[str], people: Iterable[str]) -> Loaded:
        """Read people."""
        self._check()
        shelf = self.shelf
        found = {p: shelf.people[p] for p in people if p in shelf.people}
        return Loaded({i: shelf.index.get(i) for i in identifiers}, found)

    def within(self, first: int, last: int) -> list[str]:
        """Look at everybody."""
        return [person for person in self.shelf.people if first <= place_of(person) <= last]

    def due(self, first: int, last: int) -> list[tuple[int, str]]:
        """Look at everybody who is due."""
        return sorted((due, p) for p, due in self.shelf.dues.items() if first <= due < last)

    def oldest_copies(self, after: int, rows: int) -> list[list[Seen]]:
        """Return rows of first copies."""
        return self.shelf.seen[after : after + rows]

    def who_saw(self, how: str, item: str, since: int) -> list[str]:
        """Look at who has seen an item."""
        seen = self.shelf.seen_items.get((how, item), {})
        return sorted(leaf for leaf, at in seen.items() if at >= since)

    def peek(self) -> Mark:
        """Look at the mark."""
        return self.shelf.mark

    def letters(self) -> list[Offset]:
        """Look where the dead letters are."""
        return sorted(Offset(*place) for place in self.shelf.dead)

    def dead(self) -> Iterator[tuple[Offset, bytes]]:
        """Yield the dead letters."""
        yield from sorted((Offset(*place), body) for place, body in self.shelf.dead.items())

    def counts(self) -> dict[str, int]:
        """Look at what is counted."""
        return dict(self.shelf.counts)

    def people(self) -> int:
        """Count everybody."""
        return len(self.shelf.people)

    def _owns(self) -> bool:
        self._sent += 1
        return self._epoch == self.shelf.epoch

    def put(self, outputs: Outputs) -> None:
        """Take outputs."""
        if not self._owns():
            return
        shelf = self.shelf
        for who, purpose, channel, time in outputs.withdrawals:
            key = who, purpose, channel
            shelf.withdrawals[key] = max(time, shelf.withdrawals.get(key, time))
        if outputs.activations is not None:
            shelf.activations.append(outputs.activations)
        shelf.dead.update(outputs.dead)
        for offset in outputs.letters_done:
            shelf.dead.pop(offset, None)
        copies = [Seen(*copy) for copy in outputs.seen]
        shelf.seen += [list(row) for _, row in groupby(copies, lambda copy: copy.offset.entry)]
        del shelf.seen[: outputs.moved]
        shelf.erasure_keys.update(outputs.erasure_keys)
        shelf.workspaces.update(outputs.workspaces)
        for how, item, leaf, at in outputs.seen_items:
            seen = shelf.seen_items.setdefault((how, item), {})
            seen[leaf] = max(at, seen.get(leaf, at))
        for how, item, leaf in outputs.unseen_items:
            shelf.seen_items.get((how, item), {}).pop(leaf, None)
        if outputs.failures is not None:
            shelf.failures = outputs.failures

    def write(self, chunk: Chunk) -> None:
        """Take a chunk."""
        if not self._owns():
            return
        shelf = self.shelf
        for person in chunk.removed:
            shelf.people.pop(person, None)
            shelf.dues.pop(person, None)
        shelf.people.update(chunk.people)
        for person, value in chunk.added:
            shelf.people[person] += value
        for person, due in chunk.dues:
            if due < NEVER:
                shelf.dues[person] = due
            else:
                shelf.dues.pop(person, None)
        shelf.index.update(chunk.index)
        for way in chunk.forgotten:
            shelf.index.pop(way, None)
        shelf.counts.update(chunk.counts)
        shelf.items.update(chunk.items)

    def mark(self, mark: Mark) -> None:
        """Take the mark."""
        if self._owns():
            self.shelf.mark = mark

    def vouch(self) -> None:
        """Take the word that nothing is missing."""
        if self._owns():
            self.shelf.vouched = True

    @property
    def sent(self) -> int:
        """How many calls were sent."""
        return self._sent

    def settled(self, wait_s: float = 0) -> int:  # noqa: ARG002 - memory never lets one wait
        """Return how many calls were applied: all."""
        self._check()
        return self._sent

    def _check(self) -> None:
        if self._epoch != self.shelf.epoch:
            raise FencedError(f"epoch {self._epoch} was replaced by {self.shelf.epoch}")

    def close(self) -> None:
        """Nothing to give back."""
