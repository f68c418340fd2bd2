"""What is remembered of an event's first copy."""

from typing import NamedTuple

from events.record import Offset

DAY_MS = 86_400_000
KEPT_MS = (
    31 * DAY_MS
)  # by the log's clock; older events count no more, and one may be a little early

Row = tuple[bytes, bytes, int, int]  # of a file: key, digest, and the offset's entry and nth

_NTH_BITS, _DIGEST_BITS = 24, 64


class Seen(NamedTuple):
    """The first copy of an event."""

    offset: Offset
    key: bytes  # 16 bytes, see `events.record.Event`
    digest: bytes  # 8 bytes
    time: int = 0  # ms; when the log took it
    import_id: str = ""  # what came with an import is remembered as long as the import


def packed(offset: Offset, digest: bytes) -> int:
    """Put an offset and a digest into one integer: millions of them are held.

    >>> place_of(packed(Offset(7, 3), b"d" * 8)), digest_of(packed(Offset(7, 3), b"d" * 8))
    (Offset(entry=7, nth=3), b'dddddddd')
    """
    place = offset[0] << _NTH_BITS | offset[1]
    return place << _DIGEST_BITS | int.from_bytes(digest, "big")


def place_of(first: int) -> Offset:
    """Return the offset of a first copy."""
    place = first >> _DIGEST_BITS
    return Offset(place >> _NTH_BITS, place & (1 << _NTH_BITS) - 1)


def digest_of(first: int) -> bytes:
    """Return the digest of a first copy."""
    return (first & (1 << _DIGEST_BITS) - 1).to_bytes(8, "big")
