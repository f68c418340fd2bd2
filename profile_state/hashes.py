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


def _sum(people: Iterable[Person], part: Callable[[Person], Any]) -> str:
    total = 0
    for person in people:
        total += int.from_bytes(blake2b(_encode(part(person)), digest_size=_BYTES).digest(), "big")
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
        )
        for _, leaf in sorted(person.leaves.items())
    ]
    return person.id, leaves, person.member, person.recheck, person.version
