"""Erasure: everything about a person goes, and what names them later is dropped.

What stays of an identifier is its tombstone: a keyed hash, which says neither who it was nor lets
anybody try out addresses without the key. It is a person without identifiers, stored as one, so
it has an offset up to which the log is applied, and counts what it drops.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from events.record import Erase, Event, Offset
from profile_state.identity import person_id
from profile_state.person import Person
from triggers import people
from triggers.state import State
from triggers.work import Withdrawal, Work

EVERY = "*"  # purpose or channel
_MARK = "e_"  # before the hash; identifiers have a type and a colon


def tombstone(identifier: str, key: bytes) -> str:
    """Name an identifier's tombstone.

    >>> tombstone("user_id:ana", b"k" * 16) != tombstone("user_id:ana", b"l" * 16)
    True
    """
    return _MARK + blake2b(identifier.encode(), digest_size=10, key=key).hexdigest()


def is_tombstone(name: str) -> bool:
    """Say whether a name is that of a tombstone."""
    return name.startswith(_MARK)


def tombstones(state: State, identifier: str) -> list[str]:
    """Return the names that an identifier's tombstone would have, one for each key ever used."""
    return [tombstone(identifier, key) for key in state.erasure_keys]


def standing(state: State, identifier: str) -> Person | None:
    """Return an identifier's tombstone; None where it was not erased."""
    if state.index.get(identifier) is not None:
        return None
    for name in tombstones(state, identifier):
        found = state.find(name)
        if found is not None:
            return found
    return None


def without_erased(work: Work, event: Event, offset: Offset) -> Event | None:
    """Drop what is about somebody erased, and the erased identifiers of what is about others.

    Returns:
        The event to apply; None for none.
    """
    tomb = standing(work.state, event.leaf)
    if tomb is not None:
        _drop(work, tomb, offset)
        return None
    kept = tuple(i for i in event.ids if standing(work.state, i) is None)
    return event if kept == event.ids else msgspec.structs.replace(event, ids=kept)


def names_erased(work: Work, identifiers: Iterable[str], offset: Offset) -> bool:
    """Say whether a statement of an operator names somebody erased; it is dropped then."""
    for identifier in identifiers:
        tomb = standing(work.state, identifier)
        if tomb is not None:
            _drop(work, tomb, offset)
            return True
    return False


def _drop(work: Work, tomb: Person, offset: Offset) -> None:
    if tomb.offset < offset:
        work.count(tomb.id, "erased")
        tomb.offset = offset
        work.dirty.add(tomb.id)


def erase(work: Work, said: Erase, offset: Offset) -> list[Person]:
    """Erase the person whom an identifier belongs to, with all their identifiers and former ids.

    Returns:
        Other people whom it changed, such as one who shared a device.
    """
    state = work.state
    if said.key not in state.erasure_keys:
        state.erasure_keys = (*state.erasure_keys, said.key)
    work.erasure_keys.append(said.key)
    if standing(state, said.identifier) is not None:
        return []  # applied already, or erased by an earlier record
    person = state.find(said.identifier)
    if person is not None and person.offset >= offset:
        return []
    identifiers = {said.identifier} if person is None else {said.identifier, *person.ids}
    tombs = [
        people.admit_tombstone(work, tombstone(identifier, said.key), offset)
        for identifier in sorted(identifiers)
    ]
    work.count(tombs[0].id, "erasures")
    if person is not None:
        work.count(tombs[0].id, "forgotten", sum(leaf.total for leaf in person.leaves.values()))
        # An activation names its person by an id that is or was this one's.
        work.withdrawals += [
            Withdrawal(name, EVERY, EVERY, state.now)
            for name in sorted({person.id, *map(person_id, person.leaves)})
        ]
    return people.forget(work, said.identifier, tombs, offset)
