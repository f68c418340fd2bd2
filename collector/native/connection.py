"""One connection: its bytes become requests, within bounds; its answers are `answers.Answers`.

llhttp takes all it is given, so it is given little at a time, and nothing while too many requests
wait for answers or the client does not read them. What is refused ends the connection: nobody
knows where the next request would begin.
"""

import asyncio
import logging
from math import inf
from typing import Protocol, cast

import httptools

from collector.application import Application
from collector.body import Body, hopeless
from collector.bounds import Bounds
from collector.native import wire
from collector.native.answers import Answers
from collector.request import Request, Response

_log = logging.getLogger(__name__)
_FEED = 64 * 1024  # bytes at a time for llhttp; a batch of the usual size at once
_IDLE, _HEAD, _BODY, _ENDING = range(4)  # what is read: nothing yet, a head, a body, no more


class Host(Protocol):
    """What a connection has from its server."""

    app: Application
    bounds: Bounds
    trusted: frozenset[str]  # addresses of proxies, whose X-Forwarded-Proto counts
    now: float  # s, of the loop, as of the last look at deadlines
    date: bytes  # the field, whole

    def opened(self, connection: "Connection") -> bool:
        """Note a connection; False where there are too many."""
        ...

    def closed(self, connection: "Connection") -> None:
        """Forget it."""
        ...


class Connection(asyncio.Protocol):
    """Serves a client until one of the two has enough."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._app = host.app
        self._bounds = host.bounds
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._answers: Answers
        self._state = _IDLE
        self._deadline = host.now + host.bounds.head_seconds
        self._write_deadline = inf
        self._rest = b""  # received, and not given to llhttp yet
        self._reading = True
        self._feeding = False
        self._eof = False  # the client sends no more
        self._unread = False  # it may still be sending when the last answer leaves
        self._turns = 0  # heads and bodies that began
        self._raw = 0  # bytes given to llhttp since the last one began, the part it began in apart
        self._head_size = 0
        self._url = b""
        self._method, self._path, self._query = "", "", b""
        self._headers: dict[bytes, bytes] = {}
        self._modern = True  # HTTP/1.1
        self._body = Body(0)
        self._continue = False  # the client waits for a word before it sends its body

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._answers = Answers(self._transport, lambda: self._host.date, self._sent)
        if not self._host.opened(self):
            self._refuse(503, "too_many_connections", "too many connections; send again later")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's contract
        """Forget."""
        self._state = _ENDING
        self._answers.lost()
        self._host.closed(self)

    def data_received(self, data: bytes) -> None:
        """Take what came; behind the last request it is read so that the client sees the answer."""
        if self._state != _ENDING:
            self._rest = self._rest + data if self._rest else data
            self._feed()

    def eof_received(self) -> bool:
        """Keep our half open, by True, for as long as answers are owed."""
        self._eof = True
        if self._answers.streaming:
            return False  # what it waits for never ends by itself
        return len(self._answers) > 0

    def pause_writing(self) -> None:
        """Wait for a client that reads slowly, but not for ever."""
        self._answers.pause()
        self._write_deadline = self._host.now + self._bounds.write_seconds

    def resume_writing(self) -> None:
        """Go on."""
        self._write_deadline = inf
        self._answers.resume()
        self._feed()

    # Called by the server.

    def drain(self) -> None:
        """Finish what is in flight, and end."""
        self._answers.draining = True
        self._answers.end_stream()
        if self._state == _IDLE and not len(self._answers):
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def look(self, now: float) -> None:
        """End what takes too long."""
        if now >= self._write_deadline:
            self._transport.abort()
        elif now < self._deadline or not self._reading:
            return  # a client that we do not listen to is not late
        elif self._state == _BODY:
            self._answer_last(self._app.too_slow(self._request(b"")))
        elif self._state == _HEAD:
            seconds = f"{self._bounds.head_seconds:g} s"
            self._refuse(408, "request_timeout", f"the header did not arrive within {seconds}")
        else:
            self._transport.close()

    # Called by llhttp.

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._state != _IDLE:
            return
        self._begin(_HEAD, self._bounds.head_seconds)
        self._head_size = 0
        self._url = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url
        self._grow_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; those behind a body say nothing that matters here."""
        if self._state == _HEAD:
            self._headers[name.lower()] = value
            self._grow_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Prepare for the body."""
        if self._state != _HEAD:
            return
        self._path, self._query = wire.target(self._url)
        self._begin(_BODY, self._app.body_seconds)
        parser, headers = self._parser, self._headers
        self._method = parser.get_method().decode()
        self._modern = parser.get_http_version() == "1.1"
        most = self._app.door.caps.body_bytes
        self._body = Body(most)
        declared = headers.get(b"content-length", b"")
        if hopeless(declared, most):
            self._answer_last(self._app.too_large(self._request(b""), unread=True))
        elif parser.should_upgrade() and (declared or b"transfer-encoding" in headers):
            self._refuse(400, "bad_request", "a request for another protocol cannot have a body")
        elif headers.get(b"expect", b"").lower() == b"100-continue":
            self._continue = self._modern
            self._encourage()

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        self._continue = False
        if self._state == _BODY and not self._body.add(part):
            self._answer_last(self._app.too_large(self._request(b""), unread=True))

    def on_message_complete(self) -> None:
        """Ask for the answer."""
        if self._state != _BODY:
            return  # it was refused
        parser = self._parser
        last = not (self._modern and parser.should_keep_alive()) or parser.should_upgrade()
        self._state = _ENDING if last else _IDLE
        self._deadline = inf
        self._continue = False
        body = self._body.whole()
        request = self._request(body or b"")
        exchange = self._answers.expect(self._method == "HEAD", chunked=self._modern, last=last)
        if body is None:
            exchange(self._app.too_large(request, unread=False))
        else:
            self._app.answering(request, exchange)

    # From bytes to requests.

    def _feed(self) -> None:
        """Give llhttp what came, as long as there is no reason to wait."""
        if self._feeding or self._transport.is_closing():
            return
        self._feeding = True
        while self._rest and self._state != _ENDING and not self._must_wait():
            part, self._rest = self._rest[:_FEED], self._rest[_FEED:]
            self._parse(part)
        self._feeding = False
        if self._state == _ENDING:
            self._rest = b""
        self._read(self._state == _ENDING or not self._must_wait())

    def _parse(self, part: bytes) -> None:
        turns = self._turns
        try:
            self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            return  # it was answered, as the last one, as if nothing but HTTP had been asked for
        except httptools.HttpParserError as error:
            self._broken(error)
            return
        if self._turns != turns:
            return
        # What llhttp keeps to itself: a field without end, chunks with more around than in them.
        self._raw += len(part)
        if self._state == _HEAD:
            self._grow_head(0)
        elif self._state == _BODY and hopeless(b"%d" % self._raw, self._app.door.caps.body_bytes):
            self._answer_last(self._app.too_large(self._request(b""), unread=True))

    def _broken(self, error: httptools.HttpParserError) -> None:
        if self._state == _ENDING:
            return  # what follows the last request is nobody's
        cause = error.__context__
        if cause is None or isinstance(cause, httptools.HttpParserError):
            self._refuse(400, "bad_request", f"this is not HTTP/1.1: {cause or error}")
        else:
            _log.error("a bug in the collector; this request was not taken", exc_info=cause)
            self._refuse(500, "internal_error", "the collector failed; send these events again")

    def _begin(self, state: int, seconds: float) -> None:
        self._state = state
        self._deadline = self._host.now + seconds
        self._turns += 1
        self._raw = 0

    def _grow_head(self, size: int) -> None:
        self._head_size += size
        if max(self._head_size, self._raw) > self._bounds.head_bytes and self._state == _HEAD:
            most = self._bounds.head_bytes
            self._refuse(431, "header_too_large", f"the header has more than {most} bytes")

    def _request(self, body: bytes) -> Request:
        headers, scheme = self._headers, "http"
        if b"x-forwarded-proto" in headers and self._through_proxy():
            scheme = "https" if headers[b"x-forwarded-proto"] == b"https" else "http"
        return Request(self._method, self._path, self._query, headers, body, scheme)

    def _through_proxy(self) -> bool:
        peer = self._transport.get_extra_info("peername")
        return "*" in self._host.trusted or (bool(peer) and peer[0] in self._host.trusted)

    # Reading and answering.

    def _must_wait(self) -> bool:
        return len(self._answers) >= self._bounds.pipelined or self._answers.paused

    def _read(self, on: bool) -> None:
        if on == self._reading or self._transport.is_closing():
            return
        self._reading = on
        if on:
            self._transport.resume_reading()
            if self._state in (_HEAD, _BODY):  # it could not go on while we did not listen
                head = self._state == _HEAD
                seconds = self._bounds.head_seconds if head else self._app.body_seconds
                self._deadline = self._host.now + seconds
        else:
            self._transport.pause_reading()

    def _encourage(self) -> None:
        if self._continue and not len(self._answers):
            self._continue = False
            self._transport.write(wire.CONTINUE)

    def _refuse(self, status: int, code: str, message: str) -> None:
        request = Request("", "", headers=self._headers)
        self._answer_last(self._app.refused(request, status, code, message, close=True))

    def _answer_last(self, answer: Response) -> None:
        """Answer the request that is being read, and take no other."""
        head_only = self._state == _BODY and self._method == "HEAD"
        self._state, self._deadline, self._unread = _ENDING, inf, True
        self._answers.expect(head_only, chunked=True, last=True)(answer)

    def _sent(self, over: bool) -> None:
        if over:
            self._end()
        elif not len(self._answers):
            if self._eof:
                self._transport.close()
            elif self._state == _IDLE:
                self._deadline = self._host.now + self._bounds.idle_seconds
            self._encourage()
        self._feed()

    def _end(self) -> None:
        self._state = _ENDING
        if self._eof or not (self._unread or self._rest) or self._transport.is_closing():
            self._transport.close()
            return
        # Closing with bytes unread resets the connection, and the client may not see the answer.
        self._deadline = self._host.now + self._bounds.linger_seconds
        self._read(True)
        self._transport.write_eof()
