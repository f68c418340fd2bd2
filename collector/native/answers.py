"""The answers of one connection: sent in the order of their requests, as fast as the client reads."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial

from collector.native import wire
from collector.request import Answer, Response, Streaming

_log = logging.getLogger(__name__)
_CLOSING = (b"connection", b"close")


class Exchange:
    """A request whose answer is not sent yet; called with the answer."""

    __slots__ = ("_answers", "answer", "chunked", "head_only", "last")

    def __init__(self, answers: "Answers", head_only: bool, *, chunked: bool, last: bool) -> None:
        self._answers = answers
        self.answer: Answer | None = None
        self.head_only = head_only
        self.chunked = chunked  # whether the client knows chunks; it has HTTP/1.1
        self.last = last  # the connection ends with it

    def __call__(self, answer: Answer) -> None:
        """Answer it, once."""
        self.answer = answer
        self._answers.flush()


class Answers:
    """What a connection owes its client.

    Args:
        transport: where answers go.
        date: gives the field `date`, whole.
        sent: called after answers went out, with whether the connection ends with them.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        date: Callable[[], bytes],
        sent: Callable[[bool], None],
    ) -> None:
        self._transport = transport
        self._date = date
        self._sent = sent
        self._owed: deque[Exchange] = deque()
        self._stream: asyncio.Task[None] | None = None
        self._stream_ends = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._over = False  # nothing more is sent
        self.draining = False  # the answer that leaves nothing owed is the last

    def __len__(self) -> int:
        return len(self._owed) + (self._stream is not None)

    @property
    def paused(self) -> bool:
        """Whether the client reads too slowly."""
        return not self._writable.is_set()

    @property
    def streaming(self) -> bool:
        """Whether an answer is being sent that ends when it likes."""
        return self._stream is not None

    def expect(self, head_only: bool, *, chunked: bool, last: bool) -> Exchange:
        """Note a request, and return what to call with its answer."""
        exchange = Exchange(self, head_only, chunked=chunked, last=last)
        self._owed.append(exchange)
        return exchange

    def flush(self) -> None:
        """Send what can be sent."""
        if self._over or self._stream is not None or self._transport.is_closing():
            return
        owed, ready, close = self._owed, [], False
        while owed and (answer := owed[0].answer) is not None and not close:
            exchange = owed.popleft()
            close = exchange.last or (self.draining and not owed)
            if isinstance(answer, Streaming):
                ready.append(self._begin(exchange, answer, close=close))
                break
            told = _CLOSING in answer.headers
            ready.append(_written(answer, exchange, self._date(), close=close and not told))
            close = close or told
        if ready:
            self._transport.write(ready[0] if len(ready) == 1 else b"".join(ready))
            if self._stream is None:
                self._went_out(over=close)

    def pause(self) -> None:
        """Wait: the client does not read what it has."""
        self._writable.clear()

    def resume(self) -> None:
        """Go on."""
        self._writable.set()

    def end_stream(self) -> None:
        """End an answer that would go on for ever; to the client it ends like any other."""
        if self._stream is not None and not self._stream_ends:
            self._stream_ends = True  # a second cancel could interrupt its cleaning up
            self._stream.cancel()

    def lost(self) -> None:
        """Forget all: the client is gone."""
        self._over = True
        self.end_stream()
        self._forget()

    def _went_out(self, *, over: bool) -> None:
        self._over = over
        if over:
            self._forget()
        self._sent(over)

    def _begin(self, exchange: Exchange, answer: Streaming, *, close: bool) -> bytes:
        close = close or not exchange.chunked
        self._stream_ends = False
        self._stream = asyncio.get_running_loop().create_task(self._send_parts(exchange, answer))
        self._stream.add_done_callback(partial(self._stream_ended, exchange, close))
        chunked = exchange.chunked
        return wire.begun(answer.status, answer.headers, self._date(), chunked=chunked, close=close)

    async def _send_parts(self, exchange: Exchange, answer: Streaming) -> None:
        shaped = wire.chunk if exchange.chunked else bytes
        try:
            if exchange.head_only:
                return
            async for part in answer.parts:
                if part:
                    self._transport.write(shaped(part))
                await self._writable.wait()
                await asyncio.sleep(
                    0
                )  # one that has always something to say lets others have a turn
        finally:
            await _closed(answer)

    def _stream_ended(self, exchange: Exchange, close: bool, task: asyncio.Task[None]) -> None:
        self._stream = None
        failed = None if task.cancelled() else task.exception()
        if failed is not None:  # a bug: the client must see that something is missing
            _log.error("a streaming answer failed", exc_info=failed)
            self._transport.abort()
        elif not self._over and not self._transport.is_closing():
            if exchange.chunked and not exchange.head_only:
                self._transport.write(wire.LAST_CHUNK)
            self._went_out(over=close or (self.draining and not self._owed))
            self.flush()

    def _forget(self) -> None:
        for exchange in self._owed:
            if isinstance(exchange.answer, Streaming):
                closing = asyncio.get_running_loop().create_task(_closed(exchange.answer))
                _closings.add(closing)  # or nobody would hold it
                closing.add_done_callback(_closings.discard)
        self._owed.clear()


_closings: set[asyncio.Task[None]] = set()


def _written(answer: Response, exchange: Exchange, date: bytes, *, close: bool) -> bytes:
    return wire.whole(answer, date, head_only=exchange.head_only, close=close)


async def _closed(answer: Streaming) -> None:
    if isinstance(answer.parts, AsyncGenerator):
        await answer.parts.aclose()
