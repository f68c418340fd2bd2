"""The door as an ASGI application: reads a body, waits for the log, answers. No framework.

The server (uvicorn) parses HTTP, keeps connections alive and stops accepting on SIGTERM.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from collector.answers import Accepted, Answer, Fetch, Pause
from collector.commit import GroupCommit, OverloadedError
from collector.cors import with_cors
from collector.door import Door
from collector.fetching import Fetcher
from collector.handle import handle
from collector.keys import KeyRing
from collector.request import Request, Response
from collector.respond import failure
from events.sources.base import Appender, LogUnavailableError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_log = logging.getLogger(__name__)

# Some of the body was not read, so the connection cannot carry another request.
_CLOSE = (b"connection", b"close")
# A body up to so many times too large is still read, and forgotten: closing a connection with
# bytes unread resets it, and the client may never see why.
_READ_ON = 4


class Collector:
    """An ASGI application.

    `counters` holds what happened since the start: `accepted` and `rejected` events, and
    requests by status (`status_200`, …).

    Example (`log` being any Appender):

        uvicorn.run(Collector(Door(KeyRing.load(path)), log), access_log=False)
    """

    def __init__(
        self,
        door: Door,
        appender: Appender,
        *,
        commit: GroupCommit | None = None,
        fetcher: Fetcher | None = None,
        body_seconds: float = 15.0,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Open the door.

        Args:
            door: keys and limits.
            appender: the log; closed with the application.
            commit: a group commit over `appender` with limits of its own.
            fetcher: of what the door itself asks for.
            body_seconds: how long a body may take to arrive.
            now_us: the clock, us since 1970.
        """
        self.door = door
        self.counters: Counter[str] = Counter()
        self._appender = appender
        self._commit = commit or GroupCommit(appender)
        self._fetcher = fetcher or Fetcher()
        self._body_seconds = body_seconds
        self._now_us = now_us

    def use(self, keys: KeyRing) -> None:
        """Let another set of keys in from the next request on."""
        self.door = msgspec.structs.replace(self.door, keys=keys)

    def room(self, there_is: bool) -> None:
        """Take in events, or answer 503 until there is room for them again."""
        self.door = msgspec.structs.replace(self.door, room=there_is)

    def drain(self) -> None:
        """Answer 503 from now on; what is in flight is finished."""
        self.door = msgspec.structs.replace(self.door, ready=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.drain()
                await self._commit.drained()
                await self._appender.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"],
            dict(scope["headers"]),
            scheme=scope.get("scheme", "http"),
        )
        body = await self._body(request, receive)
        if body is None:
            return  # the client left; there is nobody to answer
        if isinstance(body, Response):
            response = with_cors(request, body)
        else:
            response = await self._answer(msgspec.structs.replace(request, body=body))
        self.counters[f"status_{response.status}"] += 1
        length = (b"content-length", str(len(response.body)).encode())
        head = [*response.headers, length]
        await send({"type": "http.response.start", "status": response.status, "headers": head})
        await send({"type": "http.response.body", "body": response.body})

    async def _body(self, request: Request, receive: Receive) -> bytes | Response | None:
        """Return the whole body, the refusal of it, or None when the client left."""
        most = self.door.caps.body_bytes
        much = f"the body has more than {most} bytes"
        declared = request.header(b"content-length")
        if declared.isdigit() and int(declared) > _READ_ON * most:
            return _refused(413, "request_too_large", much)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    size += len(part)
                    if size > _READ_ON * most:
                        return _refused(413, "request_too_large", much)
                    if size <= most:
                        parts.append(part)
                    else:
                        parts.clear()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            slow = f"the body did not arrive within {self._body_seconds:g} s"
            return _refused(408, "request_timeout", slow)
        if size > most:
            return failure(413, "request_too_large", much)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _answer(self, request: Request) -> Response:
        try:
            done = await self._carried_out(handle(request, self.door, self._now_us()))
            if isinstance(done, Response):
                return done
            await self._keep(done)
        except LogUnavailableError:
            lost = "the log did not confirm these events; send them again"
            return with_cors(request, failure(503, "log_unavailable", lost))
        except OverloadedError:
            busy = "too many events are waiting for the log; send these again"
            return with_cors(request, failure(503, "overloaded", busy))
        except Exception:  # noqa: BLE001 - a bug must not look like a network error to browsers
            _log.exception("a bug in the collector; nothing of this request was confirmed")
            bug = "the collector failed; send these events again"
            return with_cors(request, failure(500, "internal_error", bug))
        self._count(done)
        return done.response

    async def _carried_out(self, answer: Answer) -> Response | Accepted:
        """Do what an answer takes."""
        while True:
            match answer:
                case Pause(seconds=seconds, then=then):
                    await asyncio.sleep(seconds)
                    answer = then(self._now_us())
                case Fetch(url=url, then=then_with):
                    found = await self._fetcher.get(url)
                    answer = then_with(found, self._now_us())
                case _:
                    return answer

    async def _keep(self, done: Accepted) -> None:
        kept = False
        try:
            await self._commit.commit(done.records, done.size)
            kept = True
        finally:
            done.settle(kept)

    def _count(self, done: Accepted) -> None:
        self.counters["accepted"] += len(done.records) - done.rejected
        self.counters["rejected"] += done.rejected


def _refused(status: int, code: str, message: str) -> Response:
    answer = failure(status, code, message)
    return msgspec.structs.replace(answer, headers=(*answer.headers, _CLOSE))
