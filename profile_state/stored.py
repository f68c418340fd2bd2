"""A person as the ledger has them: one value, the whole person and the differences since.

A version byte stands first, then come the parts, each as its length (4 bytes, the highest first) and
MessagePack.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from events.record import Offset
from profile_state import difference
from profile_state.cells import Slot, plain, restored
from profile_state.difference import Difference
from profile_state.identity import Edge
from profile_state.leaf import Leaf
from profile_state.person import Person
from profile_state.reach import named

VERSION = 4  # of the value, its first byte; in the one before, a leaf had one address of a kind
_LENGTH = struct.Struct(">I")


class _Stored(msgspec.Struct, array_like=True):
    id: str
    ids: list[str]
    leaves: list[Leaf]
    edges: list[Edge]
    refused: list[Edge]
    offset: tuple[int, int]
    member: dict[str, int]
    recheck: dict[str, int]
    version: str
    named: list[str] = []
    shared: list[str] = []
    seen: int = 0


_encoder = msgspec.msgpack.Encoder(enc_hook=plain)
_decoder = msgspec.msgpack.Decoder(_Stored)
_differences = msgspec.msgpack.Decoder(Difference)


def pack(person: Person) -> bytes:
    """Encode a whole person."""
    stored = _Stored(
        person.id,
        sorted(person.ids),
        list(person.leaves.values()),
        person.edges,
        person.refused,
        person.offset,
        person.member,
        person.recheck,
        person.version,
        sorted(person.named),
        sorted(person.shared),
        person.seen,
    )
    return bytes((VERSION,)) + _part(stored)


def pack_difference(person: Person) -> bytes:
    """Encode what is different since the person was written; it stands behind what is stored."""
    return _part(difference.of(person))


def _part(said: _Stored | Difference) -> bytes:
    packed = _encoder.encode(said)
    return _LENGTH.pack(len(packed)) + packed


def unpack(value: bytes, slots: Mapping[str, Slot]) -> Person:
    """Decode a person.

    Raises:
        ValueError: the value was written by a version that this code does not know.
    """
    before = value[0] == VERSION - 1
    parts = _parts(value)
    whole = next(parts)
    stored = _of_before(whole) if before else _decoder.decode(whole)
    leaves = {leaf.key: leaf for leaf in stored.leaves}
    added = 0
    for part in parts:
        added += _LENGTH.size + len(part)
        different = _difference_of_before(part) if before else _differences.decode(part)
        stored.offset, stored.seen = different.offset, different.seen
        stored.member, stored.recheck = different.member, different.recheck
        for one in different.leaves:
            difference.apply(leaves[one.key], one, different.now)
    for leaf in stored.leaves:
        leaf.cells = {key: restored(key, cell) for key, cell in leaf.cells.items()}
    person = Person(stored.id, set(stored.ids), leaves)
    person.edges, person.refused = stored.edges, stored.refused
    person.named, person.shared = frozenset(stored.named), frozenset(stored.shared)
    person.offset, person.seen = Offset(*stored.offset), stored.seen
    person.member, person.recheck, person.version = stored.member, stored.recheck, stored.version
    person.packed, person.added = len(whole) + _LENGTH.size + 1, added
    person.whole = before  # a difference cannot stand behind what is older
    person.refresh(slots)
    return person


def _parts(value: bytes) -> Iterator[memoryview]:
    rest = memoryview(value)
    if value[0] not in (VERSION, VERSION - 1):
        raise ValueError(
            f"a stored person of version {VERSION} was expected, found {value[0]}: this ledger was "
            "written by another release; start the release that wrote it, or rebuild from the log"
        )
    at = 1
    while at < len(rest):
        start = at + _LENGTH.size
        at = start + _LENGTH.unpack_from(rest, at)[0]
        yield rest[start:at]


def _of_before(whole: memoryview) -> _Stored:
    """Decode a whole person of the version before."""
    said = msgspec.msgpack.decode(whole)
    for leaf in said[_Stored.__struct_fields__.index("leaves")]:
        _name_addresses(leaf[_ADDRESSES:])
    return msgspec.convert(said, _Stored)


def _difference_of_before(part: memoryview) -> Difference:
    """Decode a difference of the version before."""
    said = msgspec.msgpack.decode(part)
    for leaf in said[Difference.__struct_fields__.index("leaves")]:
        _name_addresses(leaf[_ADDRESSES_OF_DIFFERENCE:])
    return msgspec.convert(said, Difference)


_ADDRESSES = Leaf.__struct_fields__.index("addresses")
_ADDRESSES_OF_DIFFERENCE = difference.LeafDifference.__struct_fields__.index("addresses")


def _name_addresses(leaf: list[Any]) -> None:
    """Name the addresses, with which the rest of a leaf begins, by themselves; they were by kind."""
    if leaf:
        old = dict(leaf[0])
        leaf[0].clear()
        leaf[0].update({named(kind, a): (at, by, 0) for kind, (at, by, a) in old.items()})
