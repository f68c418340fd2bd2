"""What copies of a call are known by."""

from hashlib import blake2b
from typing import Any

from events.rejected import RefusedError


def message_id(value: Any, source: str, said: bytes, longest: int) -> str:
    """Return the id as sent, else one that the same call always gets.

    Two equal calls without id and time are one call: nothing tells them from a retry.
    """
    if value is None or value == "":
        return "derived-" + blake2b(source.encode() + b"\n" + said, digest_size=16).hexdigest()
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        raise RefusedError("invalid_message_id", "messageId: text was expected")
    if len(value.encode()) > longest or not value.isprintable():
        raise RefusedError(
            "invalid_message_id",
            f"messageId: at most {longest} bytes without control characters",
        )
    return value
