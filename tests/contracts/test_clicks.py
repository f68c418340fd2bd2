"""Clicks on links of messages, over HTTP, at each of the doors: sent on at once, told of a second later."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from collector.door import Door
from collector.mail.base import Told
from collector.mailing import Mail
from events.record import VERIFIED, Event
from tests.collector.doubles import MemoryLog
from tests.contracts.doors import DOORS, Running, told
from tests.contracts.test_links import LINKED, OURS, SEAL, TOKEN

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"}
SHOP = "https://shop.example/sale?a=1&utm_source=kairos#top"
LINK = f"/c/{SEAL.close_link(OURS, SHOP)}"
OTHER = f"/c/{SEAL.close_link(OURS, 'https://shop.example/help')}"


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def clicked(
    name: str,
    story: Callable[[Running], Awaitable[None]],
    log: MemoryLog | None = None,
    behind: int = 100,
) -> list[Event]:
    log = log or MemoryLog()
    door = Door(LINKED.keys, mail=Mail({}, SEAL))  # which remembers nothing yet
    told(name, story, log, door=door, behind=behind)
    return [one for one in log.records if isinstance(one, Event)]


def test_who_clicks_is_sent_on_at_once_and_the_click_is_known_a_second_later(name: str) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        began = time.monotonic()
        on = await one.client.get(LINK, headers=BROWSER)
        assert time.monotonic() - began < 0.5
        assert (on.status_code, on.headers["location"], on.content) == (302, SHOP, b"")
        assert on.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in on.headers
        assert log.records == []
        await asyncio.sleep(1.3)
        assert len(log.records) == 1
        assert one.app.counters["accepted"] == 1
        assert one.app.counters["status_302"] == sum(
            n for status, n in one.app.counters.items() if status.startswith("status_")
        )

    (event,) = clicked(name, story, log)
    assert (event.name, event.leaf, event.trust, event.flags) == (
        "email_clicked",
        OURS.leaf,
        VERIFIED,
        (),
    )
    assert event.properties == {"message": OURS.activation, "purpose": OURS.purpose, "url": SHOP}


def test_whoever_follows_several_links_within_a_second_is_a_machine(name: str) -> None:
    async def story(one: Running) -> None:
        await one.client.get(LINK, headers=BROWSER)
        await one.client.get(OTHER, headers=BROWSER)

    first, second = clicked(name, story)
    for event in (first, second):
        assert event.flags == ("machine",)
        assert event.properties["machine_reason"] == "several links within one second"


@pytest.mark.parametrize(
    ("agent", "delivered_ms", "reason"),
    [
        ("Mozilla/5.0", 90_000, "agent without a platform"),
        (BROWSER["user-agent"], 1_000, "within two seconds of delivery"),
        (BROWSER["user-agent"], 90_000, None),
    ],
)
def test_what_a_provider_told_of_the_message_counts_as_well(
    name: str, agent: str, delivered_ms: int, reason: str | None
) -> None:
    async def story(one: Running) -> None:
        at = time.time_ns() // 1_000_000 - delivered_ms
        came = Told(kind="delivered", id="d", time_ms=at)
        one.app.door.mail.activity.note(OURS.activation, came)
        await one.client.get(LINK, headers={"user-agent": agent})

    (event,) = clicked(name, story)
    assert event.properties.get("machine_reason") == reason


def test_a_look_at_an_address_and_a_fetch_ahead_are_no_clicks(name: str) -> None:
    async def story(one: Running) -> None:
        for method, head in (
            ("HEAD", {}),
            ("GET", {"sec-purpose": "prefetch;prerender"}),
            ("GET", {"purpose": "prefetch"}),
            ("GET", {"x-moz": "prefetch"}),
        ):
            on = await one.client.request(method, LINK, headers={**BROWSER, **head})
            assert (on.status_code, on.headers["location"]) == (302, SHOP)
        assert (await one.client.post(LINK)).status_code == 405
        assert (await one.client.options(LINK)).status_code == 200
        await asyncio.sleep(1.2)

    assert clicked(name, story) == []


def test_nobody_is_sent_anywhere_but_where_a_seal_of_ours_says(name: str) -> None:
    flipped = LINK[:-4] + ("A" if LINK[-4] != "A" else "B") + LINK[-3:]

    async def story(one: Running) -> None:
        for path in (
            "/c/",
            "/c/x",
            f"/c/{TOKEN}",
            flipped,
            f"/c/{SHOP}",
            f"{LINK}?url=https://evil.example/",
            "/c",
        ):
            answer = await one.client.get(path)
            if path.startswith(LINK):
                assert answer.headers["location"] == SHOP
            else:
                assert answer.status_code == 404
                assert "location" not in answer.headers
        for path in (LINK.replace("/c/", "/u/"),):
            assert (await one.client.post(path)).status_code == 404, "a link takes no consent away"

    events = clicked(name, story)
    assert [event.name for event in events] == ["email_clicked"]


def test_a_link_that_is_opened_twice_at_once_was_clicked_once(name: str) -> None:
    async def story(one: Running) -> None:
        while time.time() % 1 > 0.5:  # both within one second of the clock  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await one.client.get(LINK, headers=BROWSER)
        await one.client.get(LINK, headers=BROWSER)

    first, second = clicked(name, story)
    assert first.key == second.key
    assert first.flags == second.flags == ()


def test_a_stop_waits_for_the_clicks_that_it_was_told_of(name: str) -> None:
    async def story(one: Running) -> None:
        assert (await one.client.get(LINK, headers=BROWSER)).status_code == 302

    assert len(clicked(name, story)) == 1


def test_who_clicks_is_sent_on_also_where_it_cannot_be_kept_which_is_counted(name: str) -> None:
    log = MemoryLog()
    log.failing = {0}

    async def story(one: Running) -> None:
        for nth in range(2):
            assert (await one.client.get(LINK, headers=BROWSER)).status_code == 302
            await asyncio.sleep(1.2)
            assert one.app.counters["unkept"] == 1, nth
        one.app.room(False)
        assert (await one.client.get(LINK, headers=BROWSER)).status_code == 302
        assert one.app.counters["unkept"] == 2
        one.app.room(True)
        for _ in range(3):
            assert (await one.client.get(LINK, headers=BROWSER)).status_code == 302
        assert one.app.counters["unkept"] == 4
        metrics = await one.client.get("/metrics")
        assert 'kairos_collector_events_total{outcome="unkept"} 4.0' in metrics.text

    assert len(clicked(name, story, log, behind=1)) == 2
