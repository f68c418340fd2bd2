"""Announcements of messages, handed to the streams of this process: one subscription for all.

When it breaks, every stream ends. Browsers come back, and are told first what waits for them, so
nothing that was announced meanwhile is missed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from redis.exceptions import RedisError

from collector.onsite.message import Onsite, told
from collector.onsite.shelf import CHANNEL, Shelf, announced

HEARTBEAT_S = 15.0  # a proxy closes what says nothing for longer than it likes
RETRY_MS = 5_000  # after which a browser comes back
STREAMS = 2_000  # of one process
EACH = 4  # of one browser
BEHIND = 50  # messages that one stream may be behind
RECEIPTS = 100  # of one request that are looked at

_log = logging.getLogger(__name__)


class Stream:
    """What one open stream still has to be told; None ends it."""

    def __init__(self, browser: str) -> None:
        self.browser = browser
        self.queue: asyncio.Queue[Onsite | None] = asyncio.Queue()

    def tell(self, message: Onsite | None) -> None:
        """Tell it something; who does not listen is sent away."""
        if message is not None and self.queue.qsize() >= BEHIND:
            message = None
        self.queue.put_nowait(message)


class Hub:
    """The open streams of a process.

    Args:
        shelf: where messages wait; closed with the hub.
        streams: how many may be open.
        each: how many of them to one browser.
        heartbeat_s: seconds between two signs of life.
    """

    def __init__(
        self,
        shelf: Shelf,
        *,
        streams: int = STREAMS,
        each: int = EACH,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.shelf = shelf
        self._most, self._each, self._heartbeat_s = streams, each, heartbeat_s
        self._open: dict[str, set[Stream]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()
        self._closed = False

    @property
    def streams(self) -> int:
        """How many are open."""
        return sum(map(len, self._open.values()))

    def listen(self, browser: str, last: str) -> AsyncIterator[bytes] | None:
        """Return what to tell a browser, as server-sent events; None where there is no room for it.

        What waits comes first, then what is announced. It ends when the hub does, or has trouble:
        the browser comes back.

        Args:
            browser: its anonymous id.
            last: id of the message that it was told last; what came before it is not told again.
        """
        return self._told(browser, last) if self._room(browser) else None

    async def _told(self, browser: str, last: str) -> AsyncIterator[bytes]:
        if not self._room(browser):
            return  # others came in between
        stream = Stream(browser)
        self._open.setdefault(browser, set()).add(stream)
        known: set[str] = set()
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            if not await self.hears():
                return
            try:
                waiting = await self.shelf.waiting(browser)
            except (RedisError, OSError):
                return
            ids = [message.id for message in waiting]
            for message in waiting[ids.index(last) + 1 if last in ids else 0 :]:
                known.add(message.id)
                yield told(message)
            while True:
                try:
                    async with asyncio.timeout(self._heartbeat_s):
                        said = await stream.queue.get()
                except TimeoutError:
                    yield b":\n\n"
                    continue
                if said is None:
                    return
                if said.id not in known:  # it may be both there and announced
                    known.add(said.id)
                    yield told(said)
        finally:
            self._leave(stream)

    def _room(self, browser: str) -> bool:
        mine = len(self._open.get(browser, ()))
        return not self._closed and mine < self._each and self.streams < self._most

    def _leave(self, stream: Stream) -> None:
        mine = self._open.get(stream.browser, set())
        mine.discard(stream)
        if not mine:
            self._open.pop(stream.browser, None)

    async def hears(self) -> bool:
        """Wait until announcements are heard; False where that fails."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        subscribed = asyncio.create_task(self._subscribed.wait())
        try:
            await asyncio.wait({subscribed, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            subscribed.cancel()
        return self._subscribed.is_set()

    async def showed(self, receipts: Sequence[tuple[str, str]]) -> None:
        """Take away what browsers say they showed.

        Args:
            receipts: (browser, id of a message). The events that say so are in the log already, so
                a store that is away costs no event; such a message is streamed once more, and the
                browser knows that it has shown it.
        """
        try:
            for browser, message in receipts[:RECEIPTS]:
                await self.shelf.shown(browser, message)
        except (RedisError, OSError) as error:
            _log.warning("messages that were shown stay on the shelf: %s", type(error).__name__)

    async def waiting(self, browser: str) -> list[Onsite] | None:
        """Return what waits to be shown in a browser, None where nobody can say."""
        try:
            return await self.shelf.waiting(browser)
        except (RedisError, OSError) as error:
            _log.warning("what waits to be shown cannot be read: %s", type(error).__name__)
            return None

    def end(self) -> None:
        """End every stream, and open no other."""
        self._closed = True
        self._end_all()

    async def close(self) -> None:
        """End every stream, and close the connections."""
        self.end()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self.shelf.close()

    def _end_all(self) -> None:
        for mine in self._open.values():
            for stream in mine:
                stream.tell(None)

    async def _listen(self) -> None:
        """Hear announcements until that fails; whoever joins next tries again."""
        try:
            async with self.shelf.client.pubsub(ignore_subscribe_messages=True) as subscription:
                async with asyncio.timeout(self.shelf.timeout):
                    await subscription.subscribe(CHANNEL)
                self._subscribed.set()
                while True:
                    said = await subscription.get_message(timeout=1.0)
                    if said is not None:
                        self._dispatch(said["data"])
        except (RedisError, OSError) as error:
            _log.warning("on-site messages are not heard of: %s", type(error).__name__)
        finally:
            self._subscribed.clear()
            self._end_all()

    def _dispatch(self, data: bytes) -> None:
        browsers, message = announced(data)
        for browser in browsers:
            for stream in self._open.get(browser, ()):
                stream.tell(message)
