"""What a call says: not when it was sent, by which library, or from where.

A retry says the same; another message under the same id does not.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from events.values import SAFE_INTEGER

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_digest = blake2b(digest_size=8).copy  # takes two thirds of what a new one does


def content(
    kind: str,
    name: str,
    ids: tuple[str, ...],
    timestamp: Any,
    original: Any,
    properties: dict[str, Any],
    traits: dict[str, Any],
) -> bytes:
    """Return the bytes that two calls share if and only if they say the same.

    Args:
        kind: of the call.
        name: of the event.
        ids: whom it ties together.
        timestamp: as sent.
        original: `originalTimestamp`, as sent.
        properties: under their slugs; their order does not count.
        traits: likewise.

    >>> one = content("track", "seen", ("user_id:u",), None, None, {"a": 1, "b": 2}, {})
    >>> one == content("track", "seen", ("user_id:u",), None, None, {"b": 2, "a": 1}, {})
    True
    """
    if type(timestamp) is not str:
        timestamp = scalar(timestamp)
    if original is not None:
        original = scalar(original)
    return _encode((kind, name, ids, timestamp, original, properties, traits))


def digest(said: bytes) -> bytes:
    """Shorten what `content` returned to 8 bytes."""
    hashed = _digest()
    hashed.update(said)
    return hashed.digest()


def scalar(value: Any) -> Any:
    """Return a time as sent, None for what was never one.

    >>> scalar("2026-11-25"), scalar(5), scalar([5]), scalar(2**60)
    ('2026-11-25', 5, None, None)
    """
    kind = type(value)
    if kind is str or kind is float or (kind is int and -SAFE_INTEGER <= value <= SAFE_INTEGER):
        return value
    return None
