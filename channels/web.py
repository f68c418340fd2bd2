"""The on-site channel: a message waits in the ledger's Valkey until a browser has shown it.

It is delivered when it waits there; that it was shown is a receipt, `web_opened`.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from redis.exceptions import RedisError

from channels.base import Channel, Delivered, Later, Message, Outcome, Refused
from channels.delivery.options import read
from collector.onsite.message import BROWSER, Onsite
from collector.onsite.shelf import Shelf, connected

ADDRESS = "anonymous_id"
KEYED = True

PAUSE = 1.0  # seconds to wait where the store is away; the worker's back-off comes on top


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `connect` takes."""

    url: str  # of the Valkey where the collectors look
    timeout: float = 5.0  # seconds
    now: Any = time.time  # seconds since 1970


def connect(options: Mapping[str, Any]) -> Channel:
    """Return the channel.

    Raises:
        ValueError: when an option is missing or wrong.
    """
    chosen = read("web", options, Options)
    try:
        shelf = connected(chosen.url, chosen.timeout)
    except ValueError as error:
        raise ValueError(f"channel web: url: {error}") from error
    return Web(shelf, chosen.now)


class Web:
    """Puts messages where the streams of the collectors find them."""

    def __init__(self, shelf: Shelf, now: Callable[[], float]) -> None:
        self._shelf = shelf
        self._now = now

    def __repr__(self) -> str:
        return "Web()"

    async def deliver(self, message: Message) -> Outcome:
        """Have it wait; a message that waits already, or was shown, is there once."""
        to = (message.to or "").split(" ")
        if not all(map(BROWSER.fullmatch, to)):
            return Refused(reason="no anonymous ids of 16 to 255 printable characters")
        if not (message.id.isascii() and message.id.isprintable()):
            return Refused(reason="id cannot be one of an event stream")
        heading = " ".join(message.subject.split())  # on one line, as everywhere
        said = Onsite(message.id, message.template, heading, message.text, message.html)
        try:
            await self._shelf.put(said, to, int(self._now() * 1000), message.until)
        except (RedisError, OSError) as error:
            return Later(after=PAUSE, reason=type(error).__name__, whose="provider")
        return Delivered()

    async def close(self) -> None:
        """Close the connections."""
        await self._shelf.close()
