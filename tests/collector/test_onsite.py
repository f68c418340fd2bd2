"""`/v1/stream`: over a real Valkey and a real uvicorn, on loopback."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from collector.onsite.hub import Hub
from collector.onsite.message import Onsite
from collector.onsite.shelf import MOST, Shelf, connected
from tests.collector.doubles import MemoryLog
from tests.contracts.doors import DOORS, Running, running

PHONE, LAPTOP = "phone-drawn-at-random", "laptop-drawn-at-random"
STREAM = "/v1/stream?writeKey=BROWSER_KEY&anonymousId="


def message(nth: int = 1) -> Onsite:
    return Onsite(f"activation{nth}", "hello", "Hello", f"Text {nth}", "")


def now() -> int:
    return time.time_ns() // 1_000_000


def told(story: Callable[[Running, Shelf], Awaitable[None]], valkey: Path, **hub: int) -> MemoryLog:
    """Tell a story to a collector with streams, under each server; returns what is in its last log."""
    log = MemoryLog()

    async def whole(name: str) -> None:
        shelf = connected(f"unix://{valkey}", 2.0)
        await shelf.client.flushall()
        onsite = Hub(connected(f"unix://{valkey}", 2.0), **hub)
        async with running(name, log, onsite=onsite) as one:
            await story(one, shelf)
        await shelf.close()

    for name in DOORS:
        log = MemoryLog()
        asyncio.run(whole(name))
    return log


class Reading:
    """A stream that is read as an EventSource reads it."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines

    async def event(self) -> dict[str, str]:
        """Return the fields of the next event; heartbeats and `retry` are none."""
        found: dict[str, str] = {}
        async with asyncio.timeout(5):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line:
                    found[name] = value
                elif "data" in found:
                    return found
                else:
                    found = {}
        raise EOFError


async def put(shelf: Shelf, nth: int, *to: str, until: int | None = None) -> None:
    await shelf.put(message(nth), to or (PHONE,), now(), until)


def test_what_waits_comes_first_and_then_what_is_announced(valkey: Path) -> None:
    async def story(one: Running, shelf: Shelf) -> None:
        await put(shelf, 1)
        await put(shelf, 2)
        async with one.client.stream("GET", STREAM + PHONE) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
            reading = Reading(answer.aiter_lines())
            first = await reading.event()
            assert (first["id"], first["event"]) == ("activation1", "message")
            assert json.loads(first["data"]) == {
                "id": "activation1",
                "template": "hello",
                "subject": "Hello",
                "text": "Text 1",
                "html": "",
            }
            assert (await reading.event())["id"] == "activation2"
            await put(shelf, 3)
            began = time.monotonic()
            assert (await reading.event())["id"] == "activation3"
            assert time.monotonic() - began < 1
            await put(shelf, 3)
            await put(shelf, 9, LAPTOP)
            await put(shelf, 4)
            assert (await reading.event())["id"] == "activation4", "no copy, nothing of others"

    told(story, valkey)


def test_who_cannot_hold_a_stream_asks_what_waits(valkey: Path) -> None:
    async def story(one: Running, shelf: Shelf) -> None:
        async def asked(browser: str, key: str = "BROWSER_KEY") -> httpx.Response:
            return await one.client.get(
                f"/v1/decide?writeKey={key}&anonymousId={browser}", headers={"authorization": ""}
            )

        assert (await asked(PHONE)).json() == {"success": True, "messages": []}
        await put(shelf, 1)
        await put(shelf, 2)
        for _ in range(2):  # looking takes nothing away
            found = (await asked(PHONE)).json()["messages"]
            assert [said["id"] for said in found] == ["activation1", "activation2"]
            assert found[0]["text"] == "Text 1"
        assert (await asked(LAPTOP)).json()["messages"] == []
        assert (await shown(one, PHONE, 1)).status_code == 200
        assert [said["id"] for said in (await asked(PHONE)).json()["messages"]] == ["activation2"]
        assert (await asked("short")).status_code == 400
        assert (await asked(PHONE, "nonsense")).status_code == 401

    told(story, valkey)


def test_who_comes_back_is_not_told_again_what_they_had(valkey: Path) -> None:
    async def story(one: Running, shelf: Shelf) -> None:
        for nth in (1, 2, 3):
            await put(shelf, nth)
        head = {"last-event-id": "activation2"}
        async with one.client.stream("GET", STREAM + PHONE, headers=head) as answer:
            assert (await Reading(answer.aiter_lines()).event())["id"] == "activation3"

    told(story, valkey)


def shown(
    one: Running, browser: str, nth: int, name: str = "web_opened"
) -> Awaitable[httpx.Response]:
    said = {"event": name, "anonymousId": browser, "properties": {"message": f"activation{nth}"}}
    return one.client.post("/v1/track?writeKey=BROWSER_KEY", json=said)


def test_what_one_browser_showed_is_gone_from_all_and_no_copy_brings_it_back(
    valkey: Path,
) -> None:
    async def story(one: Running, shelf: Shelf) -> None:
        await put(shelf, 1, PHONE, LAPTOP)
        await put(shelf, 2, PHONE, LAPTOP)
        await shown(one, LAPTOP, 1)
        for browser in (PHONE, LAPTOP):
            assert [m.id for m in await shelf.waiting(browser)] == ["activation2"]
        await put(shelf, 1, PHONE, LAPTOP)
        assert [m.id for m in await shelf.waiting(PHONE)] == ["activation2"]

    assert [event.name for event in told(story, valkey).records] == ["web_opened"]  # type: ignore[union-attr]


def test_a_browser_takes_away_nothing_that_is_not_its_own(valkey: Path) -> None:
    async def story(one: Running, shelf: Shelf) -> None:
        await put(shelf, 1, PHONE)
        for browser in (LAPTOP, "phone", "-drawn-", "%S+%S+%S+%S+%S+", ".", "*"):
            await shown(one, browser, 1)
        assert len(await shelf.waiting(PHONE)) == 1
        await shown(one, PHONE, 1, "web_dismissed")
        assert await shelf.waiting(PHONE) == []

    told(story, valkey)


def test_what_is_no_longer_worth_showing_is_not_shown(valkey: Path) -> None:
    async def story(_one: Running, shelf: Shelf) -> None:
        await put(shelf, 1, until=now() + 150)
        await put(shelf, 2)
        assert len(await shelf.waiting(PHONE)) == 2
        await asyncio.sleep(0.2)
        assert [m.id for m in await shelf.waiting(PHONE)] == ["activation2"]

    told(story, valkey)
    with redis.Redis(unix_socket_path=str(valkey)) as client:
        assert all(client.pttl(key) > 0 for key in client.scan_iter("onsite:*"))


def test_few_messages_wait_for_one_browser_and_the_newest_stay(valkey: Path) -> None:
    async def story(_one: Running, shelf: Shelf) -> None:
        for nth in range(MOST + 5):
            await shelf.put(message(nth), (PHONE,), now() + nth, None)
        found = [m.id for m in await shelf.waiting(PHONE)]
        assert found == [f"activation{nth}" for nth in range(5, MOST + 5)]

    told(story, valkey)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("writeKey=BROWSER_KEY&anonymousId=short", 400, "invalid_anonymous_id"),
        (
            "writeKey=BROWSER_KEY&anonymousId=with%20a%20space%20in%20it",
            400,
            "invalid_anonymous_id",
        ),
        ("writeKey=BROWSER_KEY", 400, "invalid_anonymous_id"),
        (f"writeKey=OTHER&anonymousId={PHONE}", 401, "unknown_write_key"),
        (f"anonymousId={PHONE}", 401, "missing_write_key"),
    ],
)
def test_who_cannot_have_a_stream_is_told_why(
    valkey: Path, query: str, status: int, code: str
) -> None:
    async def story(one: Running, _shelf: Shelf) -> None:
        one.client.headers.pop("authorization")
        answer = await one.client.get(f"/v1/stream?{query}")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"

    told(story, valkey)


@pytest.mark.parametrize(
    ("bounds", "refused"), [({"streams": 2}, LAPTOP), ({"each": 2}, PHONE)], ids=["all", "each"]
)
def test_streams_are_bounded_and_who_leaves_makes_room(
    valkey: Path, bounds: dict[str, int], refused: str
) -> None:
    async def story(one: Running, _shelf: Shelf) -> None:
        async with one.client.stream("GET", STREAM + PHONE) as first:
            assert first.status_code == 200
            async with one.client.stream("GET", STREAM + PHONE) as second:
                assert second.status_code == 200
                answer = await one.client.get(STREAM + refused)
                assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
            for _ in range(100):
                if await _peek(one.client) == 200:
                    return
                await asyncio.sleep(0.02)
            pytest.fail("who left still takes up room")

    told(story, valkey, **bounds)


async def _peek(client: httpx.AsyncClient) -> int:
    async with client.stream("GET", STREAM + PHONE) as answer:
        return answer.status_code


def test_streams_end_when_the_collector_is_to_stop(valkey: Path) -> None:
    async def story(one: Running, _shelf: Shelf) -> None:
        async with one.client.stream("GET", STREAM + PHONE) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "retry: 5000"
            one.app.drain()
            async with asyncio.timeout(2):
                assert [line async for line in lines if line] == []
        assert (await one.client.get(STREAM + PHONE)).status_code == 503

    told(story, valkey)


@pytest.mark.parametrize("name", DOORS)
def test_a_collector_without_the_channel_asks_a_browser_not_to_come_back(name: str) -> None:
    async def whole() -> None:
        async with running(name, MemoryLog()) as one:
            assert (await one.client.get(STREAM + PHONE)).status_code == 204
            answer = await one.client.get(STREAM.replace("stream", "decide") + PHONE)
            assert answer.json() == {"success": True, "messages": []}
            assert (await one.client.get("/healthz")).status_code == 200

    asyncio.run(whole())


@pytest.mark.parametrize("name", DOORS)
def test_a_store_that_is_away_costs_no_event_and_ends_the_stream(name: str, tmp_path: Path) -> None:
    log = MemoryLog()

    async def whole() -> None:
        onsite = Hub(connected(f"unix://{tmp_path}/nobody.sock", 0.5))
        async with running(name, log, onsite=onsite) as one:
            assert (await shown(one, PHONE, 1)).status_code == 200
            async with asyncio.timeout(3):
                answer = await one.client.get(STREAM + PHONE)
            assert "data:" not in answer.text
            answer = await one.client.get(STREAM.replace("stream", "decide") + PHONE)
            assert answer.status_code == 503
            one.app.drain()

    asyncio.run(whole())
    assert len(log.records) == 1


def test_a_sign_of_life_is_sent_while_nothing_happens(valkey: Path) -> None:
    async def whole() -> None:
        hub = Hub(connected(f"unix://{valkey}", 2.0), heartbeat_s=0.05)
        parts = hub.listen(PHONE, "")
        assert parts is not None
        assert [await anext(parts) for _ in range(3)] == [b"retry: 5000\n\n", b":\n\n", b":\n\n"]
        await hub.close()

    asyncio.run(whole())


def test_what_both_waits_and_is_announced_is_told_once(valkey: Path) -> None:
    async def whole() -> None:
        hub, shelf = Hub(connected(f"unix://{valkey}", 2.0)), connected(f"unix://{valkey}", 2.0)
        assert await hub.hears()
        parts = hub.listen(PHONE, "")
        assert parts is not None
        await anext(parts)
        await put(shelf, 1)  # the stream hears of it, and has not looked yet
        await asyncio.sleep(0.1)
        await put(shelf, 2)
        told = [await anext(parts) for _ in range(2)]
        await put(shelf, 3)
        told.append(await anext(parts))
        assert [part.split(b"\n")[0][4:] for part in told] == [
            b"activation1",
            b"activation2",
            b"activation3",
        ]
        await hub.close()
        await shelf.close()

    asyncio.run(whole())


def test_a_stream_is_quiet_for_longer_than_the_store_may_take_to_answer(valkey: Path) -> None:
    async def whole() -> None:
        hub, shelf = Hub(connected(f"unix://{valkey}", 0.3)), connected(f"unix://{valkey}", 2.0)
        parts = hub.listen(PHONE, "")
        assert parts is not None
        await anext(parts)

        async def hear() -> bytes:
            return await anext(parts)

        heard = asyncio.create_task(hear())
        await asyncio.sleep(1.5)
        await put(shelf, 1)
        async with asyncio.timeout(2):
            assert (await heard).startswith(b"id: activation1\n")
        await hub.close()
        await shelf.close()

    asyncio.run(whole())
