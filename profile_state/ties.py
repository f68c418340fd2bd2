"""Two statements of one instant and one message id, as from two sources: which one stands."""

from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def outranks(value: Any, other: Any) -> bool:
    """Say whether a value stands against another of the same place, whichever came first.

    >>> outranks("free", "pro"), outranks("pro", "free"), outranks({"a": 1, "b": 2}, {"b": 2, "a": 1})
    (True, False, False)
    """
    return _encode(value) > _encode(other)
