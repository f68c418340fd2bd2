"""Two hashes that say whether two readings of what happened came to the same.

*Facts*, what people did and said: the same for any order, duplication and batching of the records.
*Decisions*, what followed from it: a function of a partition's log in its order.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from profile_state.cells import Slot, current, plain
from profile_state.leaf import Leaf
from profile_state.person import Person

_BYTES = 16
_encode = msgspec.msgpack.Encoder(order="deterministic", enc_hook=plain).encode


def facts(people: Iterable[Person], slots: Mapping[str, Slot], now: int) -> str:
    """Hash leaves, edges, traits, consents, counters and windows, in any order of people.

    Args:
        people: of a partition.
        slots: of the workspace in force; what former definitions remembered is left out.
        now: ms, the log's clock; what has left every window by then is left out.

    >>> ana = Person("p_1", {"user_id:ana"}, {"user_id:ana": Leaf("user_id:ana", 1, 1)})
    >>> bob = Person("p_2", {"user_id:bob"}, {"user_id:bob": Leaf("user_id:bob", 1, 1)})
    >>> facts([ana, bob], {}, 5) == facts([bob, ana], {}, 5) != facts([ana], {}, 5)
    True
    """
    return _sum(people, lambda person: _facts(person, slots, now))


def decisions(people: Iterable[Person]) -> str:
    """Hash memberships, runs with their timers, entries and sent messages, in any order of people."""
    return _sum(people, _decisions)


class Sums:
    """Both hashes of people who come one by one, in any order, and how many they are.

    Args:
        slots: as for `facts`.
        now: the same.

    >>> ana = Person("p_1", {"user_id:ana"}, {"user_id:ana": Leaf("user_id:ana", 1, 1)})
    >>> sums = Sums({}, 5)
    >>> sums.add(ana)
    >>> (sums.facts, sums.decisions) == (facts([ana], {}, 5), decisions([ana]))
    True
    """

    def __init__(self, slots: Mapping[str, Slot], now: int) -> None:
        self.people = 0  # neither tombstones nor identifiers without an event of their own
        self.leaves = 0
        self._slots = slots
        self._now = now
        self._facts = self._decisions = 0

    def add(self, person: Person) -> None:
        """Add a person."""
        self.people += bool(person.leaves)
        self.leaves += len(person.leaves)
        self._facts += _number(_facts(person, self._slots, self._now))
        self._decisions += _number(_decisions(person))

    @property
    def facts(self) -> str:
        """The facts of all so far."""
        return _text(self._facts)

    @property
    def decisions(self) -> str:
        """The decisions of all so far."""
        return _text(self._decisions)


def _sum(people: Iterable[Person], part: Callable[[Person], Any]) -> str:
    return _text(sum(_number(part(person)) for person in people))


def _number(part: Any) -> int:
    return int.from_bytes(blake2b(_encode(part), digest_size=_BYTES).digest(), "big")


def _text(total: int) -> str:
    return f"{total % (1 << 8 * _BYTES):0{2 * _BYTES}x}"


def _facts(person: Person, slots: Mapping[str, Slot], now: int) -> Any:
    leaves = [_leaf_facts(leaf, slots, now) for _, leaf in sorted(person.leaves.items())]
    return person.id, sorted(person.ids), leaves, person.edges, person.refused


def _leaf_facts(leaf: Leaf, slots: Mapping[str, Slot], now: int) -> Any:
    cells = {
        key: current(slots[key], cell, now) for key, cell in leaf.cells.items() if key in slots
    }
    return (
        leaf.key,
        leaf.first,
        leaf.last,
        leaf.total,
        leaf.traits,
        leaf.addresses,
        leaf.suppressions,
        leaf.consents,
        {key: cell for key, cell in cells.items() if cell is not None},
    )


def _decisions(person: Person) -> Any:
    leaves = [
        (
            leaf.key,
            sorted(leaf.runs, key=lambda run: (run.trigger, run.key, run.entry)),
            leaf.entries,
            leaf.completed,
            leaf.sent,
            leaf.arms,
            leaf.trials,
            leaf.receipts,
        )
        for _, leaf in sorted(person.leaves.items())
    ]
    return person.id, leaves, person.member, person.recheck, person.version
