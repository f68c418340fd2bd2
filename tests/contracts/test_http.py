"""What every door promises over HTTP, on a real socket: uvicorn's and our own."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from collector.bounds import Bounds
from collector.commit import GroupCommit
from collector.keys import KeyRing
from events.record import DeadLetter, Event
from tests.collector.doubles import BROWSER, DOOR, MemoryLog, event_of
from tests.contracts.doors import DOORS, Running, answers, posting, told

SHORT = Bounds(head_seconds=0.2, idle_seconds=0.2, write_seconds=0.3, linger_seconds=0.2)
OK = b'{"success":true,"accepted":1}'
LISTEN = f"/v1/stream?writeKey=BROWSER_KEY&anonymousId={'a' * 16}"
LISTENING = f"GET {LISTEN} HTTP/1.1\r\n\r\n".encode()


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def batch(**fields: Any) -> bytes:
    return json.dumps({"batch": [event_of(**fields)], "writeKey": "WRITE_KEY"}).encode()


def ids(log: MemoryLog) -> list[str]:
    return [record.message_id for record in log.records if isinstance(record, Event)]


def test_a_200_means_it_is_in_the_log(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        answer = await one.track(messageId="m1")
        assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1})
        assert ids(log) == ["m1"]
        assert answer.headers["date"].endswith(" GMT")
        bad = await one.track(event=None)
        assert (bad.status_code, bad.json()["code"]) == (400, "missing_event_name")
        assert [type(r) for r in log.records] == [Event, DeadLetter]
        assert bad.headers["access-control-allow-origin"] == "https://shop.example"
        assert one.app.counters == {"status_200": 1, "status_400": 1, "accepted": 1, "rejected": 1}

    told(name, story, log)
    assert log.closed


def test_no_answer_leaves_before_the_log_has_it(name: str) -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()

    async def story(one: Running) -> None:
        asked = asyncio.create_task(one.track())
        await asyncio.wait_for(log.appending.wait(), 5)
        await asyncio.sleep(0.05)
        assert not asked.done()
        assert log.gate is not None
        log.gate.set()
        assert (await asked).status_code == 200

    told(name, story, log)


def test_concurrent_requests_share_appends(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        found = await asyncio.gather(*(one.track(messageId=f"m{i}") for i in range(60)))
        assert {a.status_code for a in found} == {200}
        assert set(ids(log)) == {f"m{i}" for i in range(60)}
        assert len(log.entries) < 60

    told(name, story, log)


def test_r12_a_log_that_is_away_is_503_with_retry_after_and_cors(name: str) -> None:
    log = MemoryLog()
    log.failing = {0}

    async def story(one: Running) -> None:
        answer = await one.track()
        assert (answer.status_code, answer.json()["code"]) == (503, "log_unavailable")
        assert 0 < int(answer.headers["retry-after"]) <= 300
        assert answer.headers["access-control-expose-headers"] == "Retry-After"
        assert (await one.track()).status_code == 200

    told(name, story, log)


def test_a_full_queue_is_503(name: str) -> None:
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

    told(name, story, log, commit=GroupCommit(log, queue_bytes=60))


def test_a_bug_is_a_500_that_browsers_can_read(name: str) -> None:
    class Broken(MemoryLog):
        async def append(self, partition: int, payload: bytes) -> int:
            raise RuntimeError(f"{partition} {len(payload)}")

    def buggy(browser: str, _last: str) -> None:
        raise RuntimeError(browser)

    async def story(one: Running) -> None:
        for answer in (await one.track(), await one.client.get(LISTEN)):
            assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert (await one.client.get("/readyz")).status_code == 200

    told(name, story, Broken(), onsite=Onsite(buggy))


def test_keys_can_change_while_it_runs(name: str) -> None:
    async def story(one: Running) -> None:
        one.app.use(KeyRing())
        assert (await one.track()).status_code == 401
        one.app.use(DOOR.keys)
        answer = await one.client.post(
            "/v1/t", json=event_of(), headers={"authorization": f"Bearer {BROWSER}"}
        )
        assert answer.status_code == 200

    told(name, story)


def test_the_scheme_is_that_of_a_proxy_on_this_machine(name: str) -> None:
    async def story(one: Running) -> None:
        asked = "/v1/projects/WRITE_KEY/settings"
        said = {"x-forwarded-proto": "https"}
        for headers, scheme in (({}, "http"), (said, "https")):
            answer = await one.client.get(asked, headers=headers)
            assert answer.json()["integrations"]["Segment.io"]["protocol"] == scheme

    told(name, story)


# Requests as they stand on the wire.


def test_keep_alive_chunked_bodies_and_pipelining(name: str) -> None:
    log = MemoryLog()
    body = batch()
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
            found = answers(await one.raw(*parts, pause=0.02))
            assert [(a.status, a.body) for a in found] == [(200, OK)] * 2
            assert b"connection" not in found[0].headers
            assert found[1].headers[b"connection"] == b"close"

    told(name, story, log)
    assert len(log.records) == 4


def test_bytes_may_come_one_at_a_time(name: str) -> None:
    log = MemoryLog()
    request = posting(batch(), "Connection: close")

    async def story(one: Running) -> None:
        reader, writer = await one.opened()
        for byte in request:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert answers(await reader.read())[0].body == OK
        writer.close()

    told(name, story, log)
    assert len(log.records) == 1


def test_pipelined_requests_are_answered_in_their_order(name: str) -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()
    many = b"".join(posting(batch(messageId=f"m{i}")) for i in range(50))
    request = (
        b"GET /healthz HTTP/1.1\r\n\r\n"
        + many
        + b"GET /nowhere HTTP/1.1\r\n\r\n"
        + posting(b"", "Connection: close")
    )

    async def story(one: Running) -> None:
        asked = asyncio.create_task(one.raw(request))
        await asyncio.wait_for(log.appending.wait(), 5)
        assert log.gate is not None
        log.gate.set()
        found = [answer.status for answer in answers(await asked)]
        assert found == [200] + [200] * 50 + [404, 400]

    told(name, story, log)
    assert ids(log) == [f"m{i}" for i in range(50)]


def test_one_connection_has_a_bounded_number_of_requests_in_flight(name: str) -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()
    padded = posting(batch(properties={"x": "y" * 4000}))

    async def story(one: Running) -> None:
        _, writer = await one.opened()
        sent = 0
        try:
            async with asyncio.timeout(1):
                while True:  # until the buffers of both sides are full
                    writer.write(padded)
                    await writer.drain()
                    sent += 1
        except TimeoutError:
            pass
        # Ours takes what is left of 64 KiB beyond its bound.
        most = Bounds().pipelined * len(padded) + 64 * 1024
        assert commit.waiting_bytes <= most < sent * len(padded) / 2
        writer.transport.abort()

    commit = GroupCommit(log)
    told(name, story, log, commit=commit)


def test_gzip_bodies_are_opened(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        packed = gzip.compress(batch())
        request = posting(packed, "Content-Encoding: gzip", "Connection: close")
        assert answers(await one.raw(request))[0].body == OK

    told(name, story, log)
    assert len(log.records) == 1


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(name: str) -> None:
    head, body = posting(batch(), "Expect: 100-continue", "Connection: close").split(b"\r\n\r\n")

    async def story(one: Running) -> None:
        reader, writer = await one.opened()
        writer.write(head + b"\r\n\r\n")
        said = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert answers(await reader.read())[0].body == OK
        writer.close()

    told(name, story)


def test_a_client_that_waits_for_100_continue_with_too_much_is_refused_at_once(name: str) -> None:
    head = b"POST /v1/t HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"

    async def story(one: Running) -> None:
        assert (await one.raw(head)).startswith(b"HTTP/1.1 413 ")

    told(name, story)


def test_head_has_the_answer_without_its_body(name: str) -> None:
    async def story(one: Running) -> None:
        head = await one.raw(b"HEAD /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"content-length: 16\r\n" in head
        assert head.endswith(b"\r\n\r\n")

    told(name, story)


def test_http_1_0_is_answered_and_closed(name: str) -> None:
    async def story(one: Running) -> None:
        for request in (posting(batch(), version="1.0"), b"GET /healthz HTTP/1.0\r\n\r\n"):
            found = answers(await one.raw(request))
            assert [a.status for a in found] == [200]
            assert found[0].headers[b"connection"] == b"close"

    told(name, story)


def test_another_method_is_405_and_says_which(name: str) -> None:
    async def story(one: Running) -> None:
        for method in ("GET", "PUT", "DELETE"):
            answer = await one.client.request(method, "/v1/track")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")

    told(name, story)


def test_targets_are_decoded_and_may_be_absolute(name: str) -> None:
    async def story(one: Running) -> None:
        for target in (
            b"/%76%31/track?writeKey=WRITE_KEY",
            b"http://x/v1/track?writeKey=WRITE_KEY",
        ):
            body = json.dumps(event_of()).encode()
            request = posting(body, "Connection: close").replace(b"/v1/batch", target)
            assert answers(await one.raw(request))[0].status == 200

    told(name, story)


def test_an_upgrade_is_not_taken_and_the_request_is_answered(name: str) -> None:
    async def story(one: Running) -> None:
        asked = b"GET /healthz HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert answers(await one.raw(asked, half=name == "native"))[0].status == 200

    # uvicorn keeps the connection; ours closes it, since bytes of another protocol may follow.
    if name == "native":
        told(name, story)


BAD = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no method": b"HELLO\r\n\r\n",
    "a version that is none": b"GET / HTTP/7.7\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a bare line feed": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "a NUL in a field": b"GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "a field without a name": b"GET /healthz HTTP/1.1\r\n: b\r\n\r\n",
    "a folded field": b"GET /healthz HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "a target of bytes": b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6",
    "two lengths in one": b"Content-Length: 5, 6",
    "a signed length": b"Content-Length: +5",
    "a length in hex": b"Content-Length: 0x5",
    "a blank before the colon": b"Content-Length : 5",
    "chunks spelled otherwise": b"Transfer-Encoding: xchunked",
    "chunks first": b"Transfer-Encoding: chunked, identity",
    "chunks twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk beyond all sizes": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "a chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n",
    "chunks of bare line feeds": b"Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n",
}
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_request_is_400_and_nothing_behind_it_counts(name: str, what: str) -> None:
    bad = BAD[what]
    if bad.startswith((b"Content", b"Transfer")):
        bad = b"POST /v1/t HTTP/1.1\r\nHost: x\r\n" + bad + b"\r\n\r\n"

    async def story(one: Running) -> None:
        found = answers(await one.raw(bad + SMUGGLED))
        assert [a.status for a in found] == [400]
        assert json.loads(found[0].body)["code"] == "bad_request"
        assert found[0].headers[b"connection"] == b"close"
        assert (await one.track()).status_code == 200

    told(name, story)


def test_what_is_no_request_is_answered_behind_what_was_asked_before_it(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        found = [a.status for a in answers(await one.raw(posting(batch()) + b"HELLO\r\n\r\n"))]
        # uvicorn does not wait for the log; what was taken then counts, and its client sends again.
        assert found == ([200, 400] if name == "native" else [400])

    told(name, story, log)


# Clients that take their time, or too much room.


def test_r50_a_head_that_does_not_come_is_408(name: str) -> None:
    async def story(one: Running) -> None:
        parts = [b"GET /healthz HTTP/1.1\r\n"] + [b"A: b\r\n"] * 100
        answer = await asyncio.wait_for(one.raw(*parts, pause=0.05), 5)
        assert answers(answer)[0].status == 408
        assert b'"code":"request_timeout"' in answer

    told(name, story, bounds=SHORT)


def test_r50_a_connection_on_which_nothing_is_asked_is_closed(name: str) -> None:
    async def story(one: Running) -> None:
        assert await asyncio.wait_for(one.raw(), 5) == b""

    told(name, story, bounds=SHORT)


def test_r50_a_body_that_does_not_come_is_408_and_the_connection_closes(name: str) -> None:
    head = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"

    async def story(one: Running) -> None:
        answer = await asyncio.wait_for(one.raw(head, *[b"x"] * 90, pause=0.02), 5)
        assert answers(answer)[0].status == 408
        assert b'"code":"request_timeout"' in answer

    told(name, story, body_seconds=0.2)


@pytest.mark.parametrize("whole", [True, False])
def test_r50_a_head_that_is_too_long_is_431(name: str, whole: bool) -> None:
    async def story(one: Running) -> None:
        long = b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 40_000
        parts = [long + b"\r\n\r\n"] if whole else [long[:90], *[b"y" * 9_000] * 9]
        answer = await asyncio.wait_for(one.raw(*parts, pause=0.02), 5)
        assert answers(answer)[0].status == 431
        assert b'"code":"header_too_large"' in answer

    told(name, story)


def test_r50_many_small_fields_are_too_long_as_well(name: str) -> None:
    async def story(one: Running) -> None:
        fields = b"".join(b"A%d: b\r\n" % n for n in range(9_000))
        answer = await one.raw(b"GET /healthz HTTP/1.1\r\n" + fields + b"\r\n")
        assert answers(answer)[0].status == 431
        allowed = b"".join(b"A%d: b\r\n" % n for n in range(2_000))
        asked = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + allowed + b"\r\n"
        assert answers(await one.raw(asked))[0].status == 200

    told(name, story)


def test_a_body_that_is_too_large_is_413_and_the_client_sees_it(name: str) -> None:
    declared = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    chunk = b"%x\r\n" % 1_000_000 + b"x" * 1_000_000 + b"\r\n"
    streamed = b"POST /v1/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    streamed += b"Connection: close\r\n\r\n" + chunk * 5 + b"0\r\n\r\n"

    async def story(one: Running) -> None:
        for request in (declared, streamed):
            found = answers(await one.raw(request))
            assert [a.status for a in found] == [413]
            assert json.loads(found[0].body)["code"] == "request_too_large"
        # One that is not much too large is read to its end, and the connection goes on.
        request = posting(b"x" * 5_000_000) + posting(batch(), "Connection: close")
        assert [a.status for a in answers(await one.raw(request))] == [413, 200]

    told(name, story)


def test_a_client_that_looks_late_still_sees_why_it_was_refused(name: str) -> None:
    declared = b"POST /v1/t HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"

    async def story(one: Running) -> None:
        reader, writer = await one.opened()
        writer.write(declared)
        for _ in range(20):
            writer.write(b"x" * 100_000)
            await writer.drain()  # raises where the connection was reset
            await asyncio.sleep(0.01)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 413 ")

    # uvicorn closes at once: such a client sees that the connection was reset.
    if name == "native":
        told(name, story)


def test_a_body_without_end_is_not_read_for_ever(name: str) -> None:
    endless = b"POST /v1/t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n" % 1_000_000 + b"x" * 1_000_000 + b"\r\n"

    async def story(one: Running) -> None:
        await one.raw(endless, *[chunk] * 64)  # comes back, well before the body is late

    told(name, story, bounds=SHORT)


def test_a_client_that_leaves_is_nobodys_error(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        for started in (
            b"",
            b"POST",
            b"POST /v1/t HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
        ):
            _, writer = await one.opened()
            writer.write(started)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        assert (await one.track()).status_code == 200
        assert len(log.records) == 1

    told(name, story, log)


def test_a_client_that_leaves_before_its_answer_harms_nobody(name: str) -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()

    async def story(one: Running) -> None:
        _, writer = await one.opened()
        writer.write(posting(batch(messageId="m1")))
        await asyncio.wait_for(log.appending.wait(), 5)
        writer.transport.abort()
        await asyncio.sleep(0.02)
        assert log.gate is not None
        log.gate.set()
        assert (await one.track(messageId="m2")).status_code == 200

    told(name, story, log)
    assert ids(log) == ["m1", "m2"]


def test_a_client_that_says_it_sends_no_more_still_gets_its_answer(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        found = answers(await one.raw(posting(batch()) * 2, half=True))
        # uvicorn closes both halves at once; such a client sends again, and the copy counts once.
        assert [a.status for a in found] == ([200, 200] if name == "native" else [])

    told(name, story, log)


def test_too_many_connections_are_503(name: str) -> None:
    async def story(one: Running) -> None:
        kept = [await one.opened() for _ in range(2)]
        for _, writer in kept:
            writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        for reader, _ in kept:
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        answer = await one.raw(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        for _, writer in kept:
            writer.close()

    told(name, story, bounds=Bounds(connections=2))


# Answers that are sent as they come into being.


class Onsite:
    """A hub that has a stream, or a bug, for whoever listens."""

    def __init__(self, listen: Callable[[str, str], AsyncIterator[bytes] | None]) -> None:
        self.listen = listen

    def end(self) -> None: ...

    async def close(self) -> None: ...


class Stream:
    """An answer that says its parts when it is told to."""

    def __init__(self) -> None:
        self.more, self.closed = asyncio.Event(), asyncio.Event()
        self.size = 0

    async def parts(self) -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await self.more.wait()
            if self.size:
                while True:
                    yield bytes(self.size)
            yield b"two"
        finally:
            self.closed.set()


def streamed(
    name: str, story: Callable[[Running, Stream], Awaitable[None]], bounds: Bounds | None = None
) -> None:
    found: list[Stream] = []

    async def whole(one: Running) -> None:
        found.append(Stream())  # an event belongs to a running loop
        await story(one, found[0])

    told(name, whole, bounds=bounds, onsite=Onsite(lambda *_: found[0].parts()))


def test_a_stream_is_sent_as_it_comes_and_the_connection_goes_on(name: str) -> None:
    async def story(one: Running, stream: Stream) -> None:
        reader, writer = await one.opened()
        writer.write(LISTENING + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert b"transfer-encoding: chunked\r\n" in head
        assert await asyncio.wait_for(reader.readexactly(8), 5) == b"3\r\none\r\n"
        stream.more.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"
        assert answers(await reader.read())[0].body == b'{"success":true}'
        await asyncio.wait_for(stream.closed.wait(), 5)
        writer.close()

    streamed(name, story)


@pytest.mark.parametrize("politely", [True, False])
def test_a_stream_ends_when_its_client_leaves(name: str, politely: bool) -> None:
    async def story(one: Running, stream: Stream) -> None:
        reader, writer = await one.opened()
        writer.write(LISTENING)
        await asyncio.wait_for(reader.readuntil(b"one\r\n"), 5)
        if politely:
            writer.close()
        else:
            writer.transport.abort()
        await asyncio.wait_for(stream.closed.wait(), 5)
        assert (await one.track()).status_code == 200

    streamed(name, story)


def test_a_stream_ends_when_its_client_does_not_read(name: str) -> None:
    async def story(one: Running, stream: Stream) -> None:
        stream.size = 100_000
        reader, writer = await one.opened()
        writer.write(LISTENING)
        await asyncio.wait_for(reader.readuntil(b"one\r\n"), 5)
        stream.more.set()
        await asyncio.wait_for(stream.closed.wait(), 5)
        writer.transport.abort()

    streamed(name, story, SHORT)


def test_a_stream_ends_well_when_the_server_stops(name: str) -> None:
    async def story(one: Running, stream: Stream) -> None:
        reader, writer = await one.opened()
        writer.write(LISTENING)
        await asyncio.wait_for(reader.readuntil(b"one\r\n"), 5)
        await asyncio.wait_for(one.door.stop(), 5)
        assert await reader.read() == b"0\r\n\r\n"
        assert stream.closed.is_set()
        writer.close()

    streamed(name, story)


def test_a_stream_that_fails_is_cut_and_not_ended(name: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("a bug")

    async def story(one: Running) -> None:
        came = await one.raw(LISTENING)
        assert came.startswith(b"HTTP/1.1 200 ")
        assert not came.endswith(b"0\r\n\r\n")
        assert (await one.track()).status_code == 200

    told(name, story, onsite=Onsite(lambda *_: parts()))


def test_a_stream_without_chunks_ends_with_the_connection(name: str) -> None:
    async def story(one: Running, stream: Stream) -> None:
        stream.more.set()
        answer = await one.raw(LISTENING.replace(b"1.1\r", b"1.0\r"))
        assert answer.endswith(b"\r\n\r\nonetwo")
        head = await one.raw(
            LISTENING.replace(b"GET", b"HEAD").replace(
                b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
            )
        )
        assert head.endswith(b"\r\n\r\n")

    # uvicorn sends chunks to HTTP/1.0 as well, whose clients are older than event streams.
    if name == "native":
        streamed(name, story)


# The end.


def test_draining_finishes_what_is_in_flight_and_takes_no_more(name: str) -> None:
    log = MemoryLog()
    log.gate = asyncio.Event()

    async def story(one: Running) -> None:
        first = asyncio.create_task(one.track())
        await asyncio.wait_for(log.appending.wait(), 5)
        one.app.drain()
        refused = await one.track()
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert (await one.client.get("/readyz")).status_code == 503
        stopping = asyncio.create_task(one.door.stop())
        await asyncio.sleep(0.3)
        assert not stopping.done()
        assert log.gate is not None
        log.gate.set()
        answer = await first
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        with pytest.raises(OSError, match="Connect"):
            await one.opened()
        await asyncio.wait_for(stopping, 5)

    told(name, story, log)
    assert log.closed
    assert len(log.records) == 1


def test_a_body_that_is_on_its_way_when_the_server_stops_is_taken(name: str) -> None:
    log = MemoryLog()
    request = posting(batch())

    async def story(one: Running) -> None:
        reader, writer = await one.opened()
        writer.write(request[:-5])
        await writer.drain()
        await asyncio.sleep(0.1)
        stopping = asyncio.create_task(one.door.stop())
        await asyncio.sleep(0.3)
        writer.write(request[-5:])
        found = answers(await asyncio.wait_for(reader.read(), 5))
        assert [(a.status, a.headers[b"connection"]) for a in found] == [(200, b"close")]
        writer.close()
        await asyncio.wait_for(stopping, 5)

    told(name, story, log)
    assert len(log.records) == 1


def test_an_answer_without_a_body_says_nothing_of_its_length(name: str) -> None:
    """The length of a 304 would be that of the script, and caches believe it."""

    async def story(one: Running) -> None:
        tag = (await one.client.get("/kairos.js")).headers["etag"]
        again = await one.client.get("/kairos.js", headers={"if-none-match": tag})
        assert again.status_code == 304
        assert "content-length" not in again.headers
        assert (await one.track()).status_code == 200

    told(name, story)
