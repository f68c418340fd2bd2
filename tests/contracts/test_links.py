"""What links in messages lead to, over HTTP, at each of the doors."""

import asyncio
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from collector.mailing import Mail
from events.record import VERIFIED, Event
from events.sealed import Seal, Sealed
from profile_state.consent import statements
from tests.collector.doubles import DOOR, MemoryLog
from tests.contracts.doors import DOORS, Running, answers, told

SEAL = Seal(bytes(range(32)))
LINKED = msgspec.structs.replace(DOOR, mail=Mail({}, SEAL))
OURS = Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "product_news", "user_id:u1")
TOKEN = SEAL.close(OURS)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
FORGED = [
    "", "x", TOKEN[:-1], TOKEN + "A", TOKEN[:-2] + "AA", f"{TOKEN}/", "%2e%2e", "é",
    Seal(bytes(32)).close(OURS),
]  # fmt: skip


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Workers:
    """Hears of withdrawals in the place of a ledger."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.told: list[tuple[str, list[str], str, int]] = []
        self.records_by_then: list[int] = []

    async def withdraw(self, leaf: str, purposes: list[str], channel: str, time: int) -> None:
        await asyncio.sleep(0.01)
        self.records_by_then.append(len(self.log.records))
        self.told.append((leaf, purposes, channel, time))


def events(log: MemoryLog) -> list[Event]:
    return [one for one in log.records if isinstance(one, Event)]


class _Tags(HTMLParser):
    """What a browser would find on a page that concerns anybody."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(page: str, *names: str) -> list[dict[str, str | None]]:
    seen = _Tags()
    seen.feed(page)
    return [attributes for tag, attributes in seen.tags if tag in names]


def test_r44_a_one_click_post_unsubscribes_and_a_get_does_not(name: str) -> None:
    """The other half, what is on its way already, is in tests/e2e/test_unsubscribe.py."""
    log = MemoryLog()
    workers = Workers(log)

    async def story(one: Running) -> None:
        url = f"/u/{TOKEN}"
        for method in ("GET", "HEAD", "OPTIONS", "PUT"):
            shown = await one.client.request(method, url)
            assert shown.status_code == (405 if method == "PUT" else 200)
        assert (log.records, workers.told) == ([], [])
        done = await one.client.post(url, data=ONE_CLICK)
        assert done.status_code == 200, "no redirect, as RFC 8058 has it"
        assert "set-cookie" not in done.headers

    told(name, story, log, door=LINKED, withdraw=workers.withdraw)
    (event,) = events(log)
    assert (event.name, event.leaf, event.trust) == ("unsubscribed", "user_id:u1", VERIFIED)
    assert event.properties == {
        "channel": "email",
        "purpose": "product_news",
        "message": OURS.activation,
    }
    assert statements(event.name, event.properties) == [("product_news", "email", False)]
    assert workers.told == [("user_id:u1", ["product_news"], "email", event.time)]
    assert workers.records_by_then == [0], "they hear of it before it is even in the log"


@pytest.mark.parametrize(
    "sent",
    [
        {"data": ONE_CLICK},
        {"data": {}},
        {"content": b"\xff\x00 no form"},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
    ],
    ids=["form", "button", "bytes", "multipart"],
)
def test_whatever_is_posted_to_it_unsubscribes(name: str, sent: dict[str, Any]) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        assert (await one.client.post(f"/u/{TOKEN}", **sent)).status_code == 200

    told(name, story, log, door=LINKED)
    assert [event.name for event in events(log)] == ["unsubscribed"]


def test_a_token_that_is_none_of_ours_is_a_page_that_says_so_and_nothing_else(name: str) -> None:
    log = MemoryLog()
    workers = Workers(log)

    async def story(one: Running) -> None:
        for token in FORGED:
            for method in ("GET", "POST"):
                answer = await one.client.request(method, f"/u/{token}", data=ONE_CLICK)
                if token == f"{TOKEN}/":
                    continue  # a slash at the end is nothing, as everywhere
                assert answer.status_code == 404, token
                if token:
                    assert "This link does not work" in answer.text
                    assert tags(answer.text, "form", "button") == []

    told(name, story, log, door=LINKED, withdraw=workers.withdraw)
    assert len(events(log)) == len(workers.told) == 1, "that of the slash"


def test_without_a_key_no_token_is_ours(name: str) -> None:
    async def story(one: Running) -> None:
        assert (await one.client.post(f"/u/{TOKEN}")).status_code == 404

    told(name, story)


def test_said_again_it_is_the_same_and_said_later_it_counts_anew(name: str) -> None:
    """Between the two there may have been a consent, which the second click is meant to end."""
    log = MemoryLog()
    now_us = 1_795_572_770_000_000

    async def story(one: Running) -> None:
        nonlocal now_us
        for ms in (0, 900, 900 + 60_000):
            now_us = 1_795_572_770_000_000 + ms * 1000
            await one.client.post(f"/u/{TOKEN}")

    told(name, story, log, door=LINKED, now_us=lambda: now_us)
    first, copy, later = events(log)
    assert first.key == copy.key != later.key
    assert first.digest == copy.digest


def test_where_the_log_is_away_nobody_is_told_that_it_is_done(name: str) -> None:
    log = MemoryLog()
    log.failing = {0}

    async def story(one: Running) -> None:
        lost = await one.client.post(f"/u/{TOKEN}")
        assert (lost.status_code, lost.headers["retry-after"]) == (503, "5")
        assert "Please try again" in lost.text
        assert (await one.client.post(f"/u/{TOKEN}")).status_code == 200
        one.app.room(False)
        full = await one.client.post(f"/u/{TOKEN}")
        assert (full.status_code, full.headers["retry-after"]) == (503, "5")
        assert "try again" in full.text
        assert (await one.client.get(f"/u/{TOKEN}")).status_code == 200

    told(name, story, log, door=LINKED)
    assert len(events(log)) == 1


def test_a_page_is_private_and_needs_nothing_but_itself(name: str) -> None:
    async def story(one: Running) -> None:
        asked = {"accept-language": "de-DE,de;q=0.9,en;q=0.5", "origin": "https://evil.example"}
        for method in ("GET", "POST"):
            answer = await one.client.request(method, f"/u/{TOKEN}", headers=asked)
            head = answer.headers
            assert head["content-type"] == "text/html; charset=utf-8"
            assert head["cache-control"] == "no-store"
            assert head["referrer-policy"] == "no-referrer"
            assert "noindex" in head["x-robots-tag"]
            assert "access-control-allow-origin" not in head, "no other website's script reads it"
            policy = head["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert head["content-language"] == "de"
            assert '<html lang="de">' in answer.text
            assert "Product news, per E-Mail" in answer.text
            assert OURS.leaf not in answer.text
            assert "u1" not in re.sub(r"<style>.*</style>", "", answer.text)
            assert tags(answer.text, "script", "img", "link", "iframe") == []
        (form,) = tags((await one.client.get(f"/u/{TOKEN}")).text, "form")
        assert form == {"method": "post"}, "to where it came from"

    told(name, story, door=LINKED)


def test_what_a_token_says_is_text_on_a_page(name: str) -> None:
    evil = Sealed(OURS.activation, "<b>", "<script>alert(1)</script>", "user_id:u1")

    async def story(one: Running) -> None:
        page = (await one.client.get(f"/u/{SEAL.close(evil)}")).text
        assert tags(page, "script", "b") == []
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page

    told(name, story, door=LINKED)


def test_a_receipts_token_takes_marketing_back(name: str) -> None:
    log = MemoryLog()
    receipt = Sealed(OURS.activation, "email", "transactional", "user_id:u1")

    async def story(one: Running) -> None:
        await one.client.post(f"/u/{SEAL.close(receipt)}")

    told(name, story, log, door=LINKED)
    assert events(log)[0].properties["purpose"] == "marketing"


def test_what_is_counted_names_no_token(name: str) -> None:
    async def story(one: Running) -> None:
        await one.client.get(f"/u/{TOKEN}")
        await one.client.post(f"/u/{TOKEN}")
        metrics = await one.client.get("/metrics")
        assert metrics.status_code == 200
        assert TOKEN not in metrics.text
        assert "/u/" not in metrics.text

    told(name, story, door=LINKED)


def test_a_head_has_no_body(name: str) -> None:
    async def story(one: Running) -> None:
        wire = f"HEAD /u/{TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        raw = await one.raw(wire.encode())
        assert raw.split(b"\r\n\r\n", 1)[1] == b""
        assert (
            answers(raw.split(b"\r\n\r\n")[0] + b"\r\ncontent-length: 0\r\n\r\n")[0].status == 200
        )

    told(name, story, door=LINKED)
