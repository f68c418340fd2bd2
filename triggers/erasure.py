"""Erasure: everything about a person goes, and what names them later is dropped.

What stays of an identifier is its tombstone: a keyed hash, which says neither who it was nor lets
anybody try out addresses without the key. It is a person without identifiers, stored as one, so
it has an offset up to which the log is applied, and counts what it drops.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from events.record import Erase, Event, Offset
from profile_state.identity import ANONYMOUS, kind_of, person_id
from profile_state.person import Person
from triggers import people
from triggers.definitions import Workspace
from triggers.state import State
from triggers.work import Withdrawal, Work

CONTACTS = ("email", "phone")  # traits that name a person, in the normal form of identifiers
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


def without_erased(work: Work, event: Event, offset: Offset) -> tuple[Event | None, list[Person]]:
    """Drop what is about somebody erased, and what names them in an event about others.

    An event that is dropped may be the first to say that an anonymous id is theirs, as a login
    does that was under way: it goes along, as it would have, had the login come first.

    Returns:
        The event to apply, None for none; and others whom it changed.
    """
    state = work.state
    tomb = standing(state, event.leaf)
    if tomb is not None:
        changed = _take_along(work, event, tomb, offset) if tomb.offset < offset else []
        _drop(work, tomb, offset, "erased")
        return None, changed
    erased = {i for i in named(event) if standing(state, i) is not None}
    if erased:
        event = msgspec.structs.replace(
            event,
            ids=tuple(i for i in event.ids if i not in erased),
            traits=_without(erased, event.traits),
            addresses=_without(erased, event.addresses),
        )
    return event, []


def _take_along(work: Work, event: Event, tomb: Person, offset: Offset) -> list[Person]:
    state, changed = work.state, {}
    for other in event.ids:
        person = state.find(other)
        if (
            person is not None
            and person.offset < offset
            and all(kind_of(i) == ANONYMOUS for i in person.ids)
        ):
            for one in _take_out(work, other, _key_of(state, event.leaf), offset):
                changed[one.id] = one
            work.together.append({tomb.id, person.id})
    return [one for name, one in changed.items() if state.people.get(name) is one]


def named(event: Event) -> tuple[str, ...]:
    """Return every identifier that an event names: those that join, traits and addresses.

    >>> from tests.shop import an_event
    >>> said = an_event("x", user="u", traits={"email": "u@x.io"}, time=1, message_id="m")
    >>> named(said)
    ('user_id:u', 'email:u@x.io')
    """
    if not event.traits and not event.addresses:  # as in most
        return event.ids
    told = [*event.addresses.items(), *((kind, event.traits.get(kind)) for kind in CONTACTS)]
    return (*event.ids, *(f"{kind}:{value}" for kind, value in told if isinstance(value, str)))


def _without(erased: set[str], told: dict[str, Any]) -> dict[str, Any]:
    return {kind: value for kind, value in told.items() if f"{kind}:{value}" not in erased}


def _key_of(state: State, identifier: str) -> bytes:
    """Return the key under which an identifier has its tombstone."""
    return next(k for k in state.erasure_keys if state.find(tombstone(identifier, k)) is not None)


def names_erased(work: Work, identifiers: Iterable[str], offset: Offset) -> bool:
    """Say whether a statement of an operator names somebody erased; it is dropped then."""
    for identifier in identifiers:
        tomb = standing(work.state, identifier)
        if tomb is not None:
            _drop(work, tomb, offset, "words_dropped")
            return True
    return False


def _drop(work: Work, tomb: Person, offset: Offset, what: str) -> None:
    if tomb.offset < offset:
        work.count(tomb.id, what)
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
    changed = _take_out(work, said.identifier, said.key, offset)
    work.count(tombstone(said.identifier, said.key), "erasures")
    return changed


def _take_out(work: Work, identifier: str, key: bytes, offset: Offset) -> list[Person]:
    """Leave tombstones of whoever an identifier belongs to; returns others whom it changed."""
    state = work.state
    person = state.find(identifier)
    identifiers = {identifier} if person is None else {identifier, *person.ids}
    tombs = [
        people.admit_tombstone(work, tombstone(one, key), offset) for one in sorted(identifiers)
    ]
    if person is not None:
        work.count(tombs[0].id, "forgotten", sum(leaf.total for leaf in person.leaves.values()))
        if state.workspace is not None:
            work.unseen_items += _seen_by(person, state.workspace)
        work.withdrawals += [
            Withdrawal(person_id(leaf), EVERY, EVERY, state.now) for leaf in person.leaves
        ]
    return people.forget(work, identifier, tombs, offset)


def _seen_by(person: Person, workspace: Workspace) -> list[tuple[str, str, str]]:
    """Return what is kept of which items somebody has seen, so that nothing of it stays."""
    ways = {(how, cell) for ways in workspace.seeing.values() for how, _, cell in ways}
    return [
        (how, item, leaf.key)
        for leaf in person.leaves.values()
        for how, cell in sorted(ways)
        for item in leaf.cells.get(cell) or ()
    ]
