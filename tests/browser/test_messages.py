"""What `/kairos.js` shows of the channel `web`, in a real Chromium: once, as text, in one tab."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.onsite.message import Onsite
from collector.onsite.shelf import connected
from tests.browser.test_snippet import HOSTILE
from tests.browsers import Browser, Door, browser, shop
from tests.e2e.stacks import eventually

TABS = ("one", "two")


class Website:
    def __init__(self, valkey: Path, door: Door, page: Browser) -> None:
        self._valkey, self.door, self.page = valkey, door, page

    def send(
        self,
        id: str,  # noqa: A002
        text: str = "Text",
        subject: str = "Subject",
        tab: str = "one",
    ) -> None:
        """Send a message to whoever visits now."""
        to = self.page.run("kairos.anonymousId()", tab)

        async def put() -> None:
            shelf = connected(f"unix://{self._valkey}", 2.0)
            now = time.time_ns() // 1_000_000
            await shelf.put(Onsite(id, "hello", subject, text, ""), (to,), now, None)
            await shelf.close()

        asyncio.run(put())

    def shows(self, *texts: str, tab: str = "one") -> bool:
        """Wait until a page shows these words, each somewhere in a banner."""
        return eventually(
            lambda: all(any(t in b for b in self.page.banners(tab)) for t in texts), 5
        )

    def receipts(self, times: int) -> list[tuple[str, str]]:
        """Wait for so many receipts; returns all, (name, message)."""
        names = ("web_opened", "web_clicked", "web_dismissed")
        return [(e.name, e.properties["message"]) for e in self.door.told(*names, times=times)]


@pytest.fixture
def site(tmp_path: Path, valkey: Path) -> Iterator[Website]:
    with Door(valkey) as door, browser(tmp_path / "profile") as page:
        page.serve(shop(door.url))
        page.open()
        door.told("page_viewed")
        yield Website(valkey, door, page)


def test_a_message_is_shown_within_a_second_in_one_of_two_tabs_and_never_again(
    site: Website,
) -> None:
    site.page.open("/two", "two")
    site.door.told("page_viewed", times=2)
    began = time.monotonic()
    site.send("m1", "Not sure yet?")
    assert eventually(lambda: any(site.page.banners(tab) for tab in TABS), 5, 0.005)
    assert time.monotonic() - began < 1
    time.sleep(0.5)
    assert sorted(len(site.page.banners(tab)) for tab in TABS) == [0, 1]
    assert site.door.streams == 1, "one tab listens for all"
    assert site.receipts(1) == [("web_opened", "m1")]
    for tab in TABS:
        site.page.open("/again", tab)
    site.send("m2", "Another")
    assert eventually(lambda: any(site.page.banners(tab) for tab in TABS), 5)
    shown = [text for tab in TABS for text in site.page.banners(tab)]
    assert len(shown) == 1
    assert "Another" in shown[0]
    assert site.page.errors() == []


def test_a_browser_knows_what_it_showed_also_where_nobody_could_be_told(site: Website) -> None:
    site.page.before_each_page("""
        window.fetch = () => Promise.reject(new Error('no way out'))
        navigator.sendBeacon = () => true""")
    site.page.open("/cut-off")
    site.send("m1", "Only once")
    assert site.shows("Only once")
    site.page.open("/next")
    site.send("m2", "Another")
    assert site.shows("Another"), "the stream told of both"
    assert len(site.page.banners()) == 1
    assert "web_opened" not in [event.name for event in site.door.events]


def test_what_was_sent_while_no_page_was_open_is_shown_on_the_next(site: Website) -> None:
    me = site.page.run("kairos.anonymousId()")
    site.page.serve("<!doctype html>Elsewhere", "/elsewhere")
    site.page.open("/elsewhere")
    site.page.run(f"window.kairos = {{ anonymousId: () => '{me}' }}")
    site.send("m1", "Welcome back")
    site.page.open()
    assert site.shows("Welcome back")


def test_the_tab_that_is_left_takes_over(site: Website) -> None:
    site.page.open("/two", "two")
    site.door.told("page_viewed", times=2)
    site.send("m1")
    assert eventually(lambda: any(site.page.banners(tab) for tab in TABS), 5)
    holder, other = TABS if site.page.banners("one") else reversed(TABS)
    site.page.close(holder)
    site.send("m2", "Second", tab=other)
    assert site.shows("Second", tab=other)


def test_messages_are_shown_one_at_a_time(site: Website) -> None:
    site.send("m1", "First")
    site.send("m2", "Second")
    assert site.shows("First")
    assert len(site.page.banners()) == 1
    site.page.click("×")
    assert site.shows("Second")
    assert len(site.page.banners()) == 1
    found = site.receipts(3)
    assert sorted(found) == [("web_dismissed", "m1"), ("web_opened", "m1"), ("web_opened", "m2")]


def test_what_waits_behind_another_is_not_lost_with_the_page(site: Website) -> None:
    site.send("m1", "First")
    site.send("m2", "Second")
    assert site.shows("First")
    site.receipts(1)
    site.page.open("/next")
    assert site.shows("Second")
    assert len(site.page.banners()) == 1


def test_a_text_is_a_text_and_only_web_addresses_are_links(site: Website) -> None:
    site.page.run("window.broken = 0")
    evil = "<img src=x onerror='window.broken = 1'> javascript:window.broken=1"
    site.send("m1", evil, "<b>bold</b>")
    assert site.shows("<img src=x", "<b>bold</b>")
    assert site.page.run("window.broken") == 0
    box = "document.querySelector('body > div').shadowRoot"
    assert site.page.run(f"{box}.querySelectorAll('a, img, b').length") == 0


def test_a_link_leads_where_the_text_says_and_a_click_is_told(site: Website) -> None:
    site.page.serve("<!doctype html><title>Returns</title>", "/returns")
    home = site.page.run("location.origin")
    site.send("m1", f"Send it back within 30 days {home}/returns?a=1&b=2")
    assert site.shows("Send it back")
    assert site.page.link() == f"{home}/returns?a=1&b=2"
    assert "http" not in site.page.banners()[0]
    site.page.click("Send it back")
    site.page.arrives("/returns?a=1&b=2")
    assert ("web_clicked", "m1") in site.receipts(2)


def test_a_site_may_show_messages_itself(site: Website) -> None:
    head = "<script>kairos = [['on', 'message', (message) => { window.mine = message }]]</script>"
    site.page.serve(shop(site.door.url, head=head), "/own")
    site.page.open("/own")
    site.send("m1", "Own")
    assert eventually(lambda: site.page.run("window.mine && mine.id") == "m1", 5)
    assert site.page.run("mine") == {
        "id": "m1",
        "template": "hello",
        "subject": "Subject",
        "text": "Own",
        "html": "",
    }
    assert site.page.banners() == []
    assert site.receipts(1) == [("web_opened", "m1")]


def test_a_site_may_have_no_messages(site: Website) -> None:
    site.page.serve(shop(site.door.url, attributes='data-messages="off"'), "/off")
    site.page.open("/off")
    site.send("m1")
    time.sleep(0.5)
    assert site.page.banners() == []


def test_it_is_shown_under_a_strict_policy_and_on_a_page_that_broke_what_is_shared(
    site: Website,
) -> None:
    url = site.door.url
    policy = f"default-src 'none'; script-src {url} 'nonce-n'; connect-src {url}"
    policy += "; require-trusted-types-for 'script'; trusted-types 'none'"
    html = shop(url).replace("<script>", '<script nonce="n">')
    site.page.serve(html, "/strict", {"content-security-policy": policy})
    site.page.before_each_page(HOSTILE)
    site.page.open("/strict")
    site.send("m1", "Still here")
    box = "document.querySelector('body > div')?.shadowRoot.textContent"
    assert eventually(lambda: "Still here" in (site.page.run(box) or ""), 5)
    assert [e for e in site.page.errors() if "favicon" not in e] == []


def test_another_visitor_of_the_same_browser_starts_anew(site: Website) -> None:
    site.page.run("kairos.reset()")
    site.send("m1", "For the new one")
    assert site.shows("For the new one")
