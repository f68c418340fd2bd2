"""How much one engine holds in memory, and how much it does at once."""

from typing import NamedTuple

MB = 1024 * 1024


class Bounds(NamedTuple):
    """The bounds of an engine."""

    people: int = 2048 * MB  # bytes of memory for people
    copies: int = 512 * MB  # bytes of memory for first copies of events
    fired: int = 1_000  # people whom one tick fires; a storm is several ticks of about 50 ms
    swept: int = 100  # people, about, whom one sweep brings up to date in a few ms
    stride: int = 8  # of 4,096 places, past which people leave memory; at a million people 2 ms


DEFAULT = Bounds()
