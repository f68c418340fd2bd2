"""How large an event may be; beyond it the event is refused with a reason, never cut."""

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one event.

    >>> Limits().event_bytes
    32768
    """

    event_bytes: int = 32 * 1024  # of its JSON as sent
    depth: int = 16  # of objects and arrays inside each other, `properties` being the first
    keys: int = 255  # in one object
    nodes: int = 2_000  # values of all kinds in the whole event
    key_bytes: int = 128
    string_bytes: int = 8 * 1024
    id_bytes: int = 255
