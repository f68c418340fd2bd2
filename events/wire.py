"""What SDKs send, typed just enough to read each field once; values stay as they came.

A duplicate key inside an object counts once: the last one wins, as in every JSON parser.
"""

from typing import Any

import msgspec

from events.rejected import RefusedError


class RawContext(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The parts of `context` that profiles use; the rest (ip, library, screen, …) is not read."""

    campaign: Any = None
    page: Any = None
    user_agent: Any = None
    locale: Any = None
    timezone: Any = None
    device: Any = None
    os: Any = None
    app: Any = None
    location: Any = None
    traits: Any = None
    gpc: Any = None
    identity_token: Any = msgspec.field(default=None, name="identity_token")


NO_CONTEXT = RawContext()

# PHP's SDKs write an empty object as `[]`.
_Object = dict[str, Any] | list[Any] | None
_Context = RawContext | list[Any] | None


class RawEvent(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One call of an SDK, before any rule has looked at it."""

    type: Any = None
    event: Any = None
    trigger: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    message_id: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    name: Any = None
    category: Any = None
    group_id: Any = None
    previous_id: Any = None
    properties: _Object = None
    traits: _Object = None
    scores: _Object = None
    context: _Context = None


class RawBatch(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Several calls in one request; events stay bytes until their own turn."""

    batch: list[msgspec.Raw]
    sent_at: Any = None
    context: _Context = None
    write_key: Any = None
    import_id: Any = None


def as_object(where: str, value: dict[str, Any] | list[Any] | None) -> dict[str, Any]:
    """Read null and an empty list as the empty object that was meant.

    Raises:
        RefusedError: for a list with something in it.

    >>> as_object("traits", []), as_object("traits", None), as_object("traits", {"a": 1})
    ({}, {}, {'a': 1})
    """
    if type(value) is dict:
        return value
    if value:
        raise RefusedError("invalid_event", f"{where}: an object was expected, found a list")
    return {}
