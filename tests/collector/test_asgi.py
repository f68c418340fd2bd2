"""The door under a real uvicorn, on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from collector.application import Application
from collector.asgi import Collector
from collector.commit import GroupCommit
from collector.keys import KeyRing
from collector.request import Request, Streaming
from events.record import DeadLetter, Event
from tests.collector.doubles import BROWSER, DOOR, MemoryLog, event_of

AUTH = {"authorization": "Bearer WRITE_KEY", "origin": "https://shop.example"}


class Running:
    def __init__(self, app: Application, log: MemoryLog, server: uvicorn.Server, port: int) -> None:
        self.app, self.log, self.server, self.port = app, log, server, port
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=AUTH)

    async def track(self, **fields: Any) -> httpx.Response:
        return await self.client.post("/v1/track", json=event_of(**fields))

    async def raw(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """Send parts over one connection and return all that comes until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def running(log: MemoryLog, **settings: Any) -> AsyncIterator[Running]:
    app = Application(DOOR, log, **settings)
    config = uvicorn.Config(
        Collector(app), host="127.0.0.1", port=0, log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "uvicorn did not start"
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    one = Running(app, log, server, port)
    try:
        yield one
    finally:
        if log.gate:
            log.gate.set()
        await one.client.aclose()
        server.should_exit = True
        await serving


def told(story: Callable[[Running], Awaitable[None]], log: MemoryLog, **settings: Any) -> None:
    async def whole() -> None:
        async with running(log, **settings) as one:
            await story(one)

    asyncio.run(whole())


def test_a_200_means_it_is_in_the_log() -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        answer = await one.track(messageId="m1")
        assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1})
        assert [r.message_id for r in log.records if isinstance(r, Event)] == ["m1"]
        bad = await one.track(event=None)
        assert (bad.status_code, bad.json()["code"]) == (400, "missing_event_name")
        assert [type(r) for r in log.records] == [Event, DeadLetter]
        assert bad.headers["access-control-allow-origin"] == "https://shop.example"
        assert one.app.counters == {"status_200": 1, "status_400": 1, "accepted": 1, "rejected": 1}

    told(story, log)
    assert log.closed


def test_concurrent_requests_share_appends() -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        answers = await asyncio.gather(*(one.track(messageId=f"m{i}") for i in range(60)))
        assert {a.status_code for a in answers} == {200}
        assert {r.message_id for r in log.records if isinstance(r, Event)} == {
            f"m{i}" for i in range(60)
        }
        assert len(log.entries) < 60

    told(story, log)


def test_r12_a_log_that_is_away_is_503_with_retry_after_and_cors() -> None:
    log = MemoryLog()
    log.failing = {0}

    async def story(one: Running) -> None:
        answer = await one.track()
        assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
        assert 0 < int(answer.headers["retry-after"]) <= 300
        assert answer.headers["access-control-expose-headers"] == "Retry-After"
        assert (await one.track()).status_code == 200

    told(story, log)


def test_a_full_queue_is_503() -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()

    async def story(one: Running) -> None:
        first = asyncio.create_task(one.track())
        await asyncio.wait_for(log.appending.wait(), 5)
        answer = await one.track()
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert log.gate is not None
        log.gate.set()
        assert (await first).status_code == 200

    told(story, log, commit=GroupCommit(log, queue_bytes=60))


def test_a_bug_is_a_500_that_browsers_can_read() -> None:
    class Broken(MemoryLog):
        async def append(self, partition: int, payload: bytes) -> int:
            raise RuntimeError(f"{partition} {len(payload)}")

    async def story(one: Running) -> None:
        answer = await one.track()
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"

    told(story, Broken())


def test_chunked_bodies_keep_alive_and_pipelining() -> None:
    log = MemoryLog()
    body = json.dumps({"batch": [event_of()], "writeKey": "WRITE_KEY"}).encode()
    chunked = (
        b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%b\r\n"
        b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
    )
    keep, close = (
        chunked % (extra, body[:5], len(body) - 5, body[5:])
        for extra in (b"", b"Connection: close\r\n")
    )

    async def story(one: Running) -> None:
        for parts in ((keep, close), (keep + close,)):
            answer = await one.raw(*parts)
            assert answer.count(b"HTTP/1.1 200 ") == 2
            assert answer.count(b'{"success":true,"accepted":1}') == 2

    told(story, log)
    assert len(log.records) == 4


def test_a_body_that_does_not_come_is_408_and_the_connection_closes() -> None:
    head = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"

    async def story(one: Running) -> None:
        answer = await asyncio.wait_for(one.raw(head, b"{", b'"', pause=0.02), 5)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer

    told(story, MemoryLog(), body_seconds=0.2)


def test_a_body_that_is_too_large_is_413_and_the_client_sees_it() -> None:
    declared = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    chunk = b"%x\r\n" % 1_000_000 + b"x" * 1_000_000 + b"\r\n"
    streamed = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    streamed += b"Connection: close\r\n\r\n" + chunk * 5 + b"0\r\n\r\n"

    async def story(one: Running) -> None:
        for request in (declared, streamed):
            answer = await asyncio.wait_for(one.raw(request), 5)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b'"code":"request_too_large"' in answer

    told(story, MemoryLog())


def test_a_client_that_leaves_is_nobodys_error() -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await one.track()).status_code == 200
        assert len(log.records) == 1

    told(story, log)


def test_draining_finishes_what_is_in_flight_and_takes_no_more() -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()

    async def story(one: Running) -> None:
        first = asyncio.create_task(one.track())
        await asyncio.wait_for(log.appending.wait(), 5)
        one.app.drain()
        refused = await one.track()
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert (await one.client.get("/readyz")).status_code == 503
        one.server.should_exit = True
        await asyncio.sleep(0.05)
        assert log.gate is not None
        log.gate.set()
        assert (await first).status_code == 200

    told(story, log)
    assert log.closed
    assert len(log.records) == 1


def test_a_streaming_answer_is_sent_as_it_comes_and_closed_when_the_client_leaves() -> None:
    more, closed = asyncio.Event(), asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await more.wait()
            yield b"two"
        finally:
            closed.set()

    def streams(request: Request) -> Streaming | None:
        return Streaming(200, parts()) if request.path == "/stream" else None

    async def story(one: Running) -> None:
        async with one.client.stream("GET", "/stream") as answer:
            coming = answer.aiter_bytes()
            assert await anext(coming) == b"one"
            more.set()
            assert [part async for part in coming] == [b"two"]
        await asyncio.wait_for(closed.wait(), 5)
        more.clear()
        closed.clear()
        async with one.client.stream("GET", "/stream") as answer:
            assert await anext(answer.aiter_bytes()) == b"one"
        await asyncio.wait_for(closed.wait(), 5)
        assert (await one.track()).status_code == 200

    told(story, MemoryLog(), streams=streams)


def test_keys_can_change_while_it_runs() -> None:
    async def story(one: Running) -> None:
        one.app.use(KeyRing())
        assert (await one.track()).status_code == 401
        one.app.use(DOOR.keys)
        answer = await one.client.post(
            "/v1/t", json=event_of(), headers={"authorization": f"Bearer {BROWSER}"}
        )
        assert answer.status_code == 200

    told(story, MemoryLog())


def test_who_has_the_script_already_is_told_no_length() -> None:
    """The length of a 304 would be that of the script, and caches believe it."""

    async def story(one: Running) -> None:
        tag = (await one.client.get("/kairos.js")).headers["etag"]
        again = await one.client.get("/kairos.js", headers={"if-none-match": tag})
        assert again.status_code == 304
        assert "content-length" not in again.headers
        assert (await one.client.get("/healthz")).status_code == 200, "on the same connection"

    told(story, MemoryLog())
