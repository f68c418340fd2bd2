"""The door as an ASGI application: reads a body, sends the answer. No framework.

The server (uvicorn) parses HTTP, keeps connections alive and stops accepting on SIGTERM.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from collector.application import Application
from collector.body import Body, hopeless
from collector.request import Headers, Request, Response, Streaming

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Collector:
    """An ASGI application, which carries a collector's.

    Example (`door` and `log` as `Application` takes them):

        uvicorn.run(Collector(Application(door, log)), access_log=False)
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self._streaming: set[asyncio.Task[None]] = set()

    def end_streams(self) -> None:
        """End the answers that would go on for ever; a server that stops would wait for them."""
        for task in self._streaming:
            task.cancel()

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
                await self.app.close()
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
            await _send(body, send)
            return
        answer = await self.app.answer(msgspec.structs.replace(request, body=body))
        if isinstance(answer, Response):
            await _send(answer, send)
        else:
            await self._stream(answer, receive, send)

    async def _body(self, request: Request, receive: Receive) -> bytes | Response | None:
        """Return the whole body, the refusal of it, or None when the client left."""
        most = self.app.door.caps.body_bytes
        if hopeless(request.header(b"content-length"), most):
            return self.app.too_large(request, unread=True)
        body = Body(most)
        try:
            async with asyncio.timeout(self.app.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    if not body.add(message.get("body", b"")):
                        return self.app.too_large(request, unread=True)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            return self.app.too_slow(request)
        whole = body.whole()
        return self.app.too_large(request, unread=False) if whole is None else whole

    async def _stream(self, answer: Streaming, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(_send_parts(answer, send))
        leaving = asyncio.create_task(_left(receive))
        self._streaming.add(sending)
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streaming.discard(sending)
            leaving.cancel()
            sending.cancel()
            done = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(answer.parts, AsyncGenerator):
                await answer.parts.aclose()
        if isinstance(done[0], Exception):
            raise done[0]


async def _send(answer: Response, send: Send) -> None:
    headers = answer.headers
    if answer.status not in (204, 304):  # which have none, or that of what they spare
        headers = (*headers, (b"content-length", str(len(answer.body)).encode()))
    await _send_head(answer.status, headers, send)
    await send({"type": "http.response.body", "body": answer.body})


async def _send_head(status: int, headers: Headers, send: Send) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def _send_parts(answer: Streaming, send: Send) -> None:
    await _send_head(answer.status, answer.headers, send)
    last: Message = {"type": "http.response.body"}
    try:
        async for part in answer.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)  # one that has always something to say lets others have a turn
    except asyncio.CancelledError:
        await send(last)  # the server stops: to the client it ends like any other
        raise
    await send(last)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
