"""uvicorn's connection with what it lacks: a bound and a deadline for heads, one for readers.

Without them a client that sends a head for ever, or reads nothing, is kept for ever.
"""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collector.bounds import Bounds
from collector.cors import with_cors
from collector.native import wire
from collector.request import Request
from collector.respond import failure


class _TooLongError(Exception):
    """Ends the parsing of a head; uvicorn then asks for `send_400_response`."""


class Bounded(HttpToolsProtocol):
    """A connection of uvicorn's, for `uvicorn.Config(app, http=Bounded)`."""

    bounds = Bounds()
    _waiting = True  # for a head to end, or for the first to begin
    _heads = 0
    _size = 0  # bytes of the head so far
    _since = 0.0  # s, of the loop
    _timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._since = self.loop.time()
        self._timer = self.loop.call_later(self.bounds.head_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget."""
        for timer in (self._timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        waiting, heads = self._waiting and self._heads, self._heads
        super().data_received(data)
        if waiting and self._waiting and heads == self._heads:
            self._size += len(data)  # the parser keeps an unfinished field to itself
            if self._size > self.bounds.head_bytes:
                self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._waiting, self._size, self._since = True, 0, self.loop.time()
        self._heads += 1

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field, also one behind a body."""
        super().on_header(name, value)
        self._grow(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """End a head."""
        self._waiting = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn says always the same
        """Refuse what is no HTTP in the shape of all errors."""
        self._refuse(431 if self._size > self.bounds.head_bytes else 400)

    def pause_writing(self) -> None:
        """Wait for a client that reads slowly, but not for ever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.bounds.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self.bounds.head_bytes:
            raise _TooLongError

    def _look(self) -> None:
        """Close where a head is late; one timer a connection, since one a request costs more."""
        late = self._since + self.bounds.head_seconds - self.loop.time() if self._waiting else 1e9
        if late > 0:
            again = min(late, self.bounds.head_seconds)
            self._timer = self.loop.call_later(again, self._look)
        elif self._heads:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        match status:
            case 400:
                answer = failure(400, "bad_request", "this is not HTTP/1.1")
            case 408:
                seconds = f"{self.bounds.head_seconds:g} s"
                late = f"the header did not arrive within {seconds}"
                answer = failure(408, "request_timeout", late)
            case _:
                most = f"the header has more than {self.bounds.head_bytes} bytes"
                answer = failure(431, "header_too_large", most)
        answer = with_cors(Request("", ""), answer)
        self.transport.write(wire.whole(answer, b"", head_only=False, close=True))
        self.transport.close()
