"""The channel `web` on a stack of real processes, with real visitors, and one who means harm."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import redis

from collector.keys import first_keys
from collector.onsite.message import OF, TO
from kairos.embedded.stack import Stack
from kairos.operators.erasing import erase
from kairos.profile.beside import beside
from tests.browsers import Browser, browser, shop
from tests.e2e.stacks import eventually, post, watched, workspace

HESITATING = """
trigger: hesitating_on_price
when: {sequence: [product_viewed, pricing_viewed, product_viewed same product_id], within: 10m}
reentry: always
do:
  - send: {channels: [web], template: free_returns}
  - wait_for: {event: clicked, timeout: 1h, then: [{emit: returns_read}]}
deliver: {purpose: personalisation, quiet_hours: off}
"""
READ = """
trigger: read
when: {event: returns_read}
reentry: always
do: [{send: {channels: [web], template: thanks}}]
deliver: {purpose: personalisation, quiet_hours: off}
"""
FILES = {
    "workspace.yaml": "workspace: shop\npurposes: {personalisation: {default: allowed}}\n",
    "triggers/hesitating_on_price.yaml": HESITATING,
    "triggers/read.yaml": READ,
    "templates/free_returns.liquid": "---\nsubject: Free returns\n---\nNot sure yet? "
    "Send {{ event.product_id }} back within 30 days: https://shop.example/returns",
    "templates/thanks.liquid": "---\nsubject: Thanks\n---\nFor reading that.",
}
HESITATE = """
    kairos.track('Product Viewed', { product_id: 'p1' })
    kairos.track('Pricing Viewed')
    kairos.track('Product Viewed', { product_id: 'p1' })"""


class Site(NamedTuple):
    stack: Stack
    browser_key: str
    server_key: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("onsite")
    data = folder / "data"
    data.mkdir()
    keys = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")
    with Stack(data, workspace(folder / "shop", FILES)) as stack, watched(stack):
        yield Site(stack, keys["browser"], keys["server"])


@contextmanager
def visitor(site: Site, profile: Path) -> Iterator[Browser]:
    with browser(profile) as one:
        one.serve(shop(site.stack.url, key=site.browser_key))
        one.open()
        yield one


def shows(one: Browser, text: str, tab: str = "one", patience_s: float = 10) -> bool:
    return eventually(lambda: any(text in b for b in one.banners(tab)), patience_s, 0.005)


def test_a_visitor_who_hesitates_is_shown_a_banner_and_a_click_moves_their_run(
    site: Site, tmp_path: Path
) -> None:
    with visitor(site, tmp_path / "visitor") as one:
        one.open("/two", "two")
        began = time.monotonic()
        one.run(HESITATE)
        shown = eventually(lambda: any(one.banners(tab) for tab in ("one", "two")), 10, 0.005)
        assert shown, waiting_for(site, one.run("kairos.anonymousId()"))
        assert time.monotonic() - began < 1
        tab, other = ("one", "two") if one.banners("one") else ("two", "one")
        (banner,) = one.banners(tab)
        assert "Send p1 back within 30 days" in banner
        assert one.link(tab) == "https://shop.example/returns"
        assert one.banners(other) == []
        one.shot(tmp_path / "banner.png", tab)
        one.run(  # the shop of the example is nowhere to go to
            "document.querySelector('body > div').shadowRoot.querySelector('a')"
            ".addEventListener('click', (event) => event.preventDefault())",
            tab,
        )
        one.click("Not sure yet?", tab)
        one.click("×", tab)
        assert shows(one, "For reading that.", tab), "the run went on"
        for name in ("one", "two"):
            one.open("/later", name)
        assert not eventually(lambda: any(one.banners(t) for t in ("one", "two")), 1.0)


def test_whoever_claims_to_be_somebody_sees_nothing_of_theirs(site: Site, tmp_path: Path) -> None:
    with (
        visitor(site, tmp_path / "victim") as victim,
        visitor(site, tmp_path / "attacker") as attacker,
    ):
        browser_of_victim = victim.run("kairos.anonymousId()")
        known = {"type": "identify", "userId": "ana", "anonymousId": browser_of_victim}
        assert post(site.stack, site.server_key, [known]).status_code == 200
        victim.run("kairos.identify('ana')")
        attacker.run("kairos.identify('ana'); kairos.push(['identify', 'ana', { admin: true }])")
        assert eventually(lambda: attacker.run("localStorage['kairos.user']") == "ana")
        time.sleep(0.5)
        attacker.run(HESITATE)
        assert shows(victim, "Send p1 back within 30 days"), "it is ana's, whoever set it off"
        attacker.open("/again")
        assert not eventually(lambda: bool(attacker.banners()), 1.5)


def test_a_stream_ends_with_the_collector_and_what_waits_survives_it(
    site: Site, tmp_path: Path
) -> None:
    with visitor(site, tmp_path / "patient") as one:
        me = one.run("kairos.anonymousId()")
        url = f"{site.stack.url}/v1/stream?writeKey={site.browser_key}&anonymousId={me}"
        one.run("kairos.track('Product Viewed', { product_id: 'p9' })")
        one.run("new Promise((done) => setTimeout(done, 300))")
        one.serve("<!doctype html>Elsewhere", "/elsewhere")
        one.open("/elsewhere")
        for event in ("Pricing Viewed", "Product Viewed"):
            said = {"event": event, "anonymousId": me, "properties": {"product_id": "p9"}}
            post(site.stack, site.browser_key, [{"type": "track", **said}])
        assert waits(url)
        process = site.stack.children["collector"].process
        began = time.monotonic()
        with httpx.stream("GET", url, timeout=20) as answer:
            process.terminate()
            assert "retry: 5000" in list(answer.iter_lines())
        assert time.monotonic() - began < 5, "it waits for no stream"
        assert eventually(lambda: site.stack.children["collector"].process.pid != process.pid)
        assert waits(url)
        one.open("/back")
        assert shows(one, "Send p9 back")


def waiting_for(site: Site, visitor: str) -> str:
    """What the door has for a visitor: which side of it failed."""
    query = {"writeKey": site.browser_key, "anonymousId": visitor}
    return httpx.get(f"{site.stack.url}/v1/decide", params=query).text


def waits(url: str) -> bool:
    """Whether a message comes on the stream within a few seconds."""

    def comes() -> bool:
        try:
            with httpx.stream("GET", url, timeout=2) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data: "):
                        return "p9" in json.loads(line[6:])["text"]
        except httpx.HTTPError:
            return False
        return False

    return eventually(comes)


def test_what_waits_for_a_visitor_goes_when_they_are_erased(site: Site) -> None:
    """Within a minute, RELIABILITY says, nothing of them remains."""
    visitor = "visitor-drawn-at-random"
    names = ["Product Viewed", "Pricing Viewed", "Product Viewed"]
    calls = [
        {"type": "track", "event": name, "anonymousId": visitor, "messageId": f"erased{nth}"}
        | {"properties": {"product_id": "p7"}, "timestamp": f"2026-01-01T00:00:0{nth}Z"}
        for nth, name in enumerate(names)
    ]  # of long ago by its own clock, so it is now, one after the other
    for call in calls:
        assert post(site.stack, site.browser_key, [call]).json()["accepted"] == 1
        time.sleep(0.01)

    def waiting() -> int:
        answer = httpx.get(
            f"{site.stack.url}/v1/decide",
            params={"writeKey": site.browser_key, "anonymousId": visitor},
        )
        return len(answer.json()["messages"])

    with closing(redis.Redis.from_url(site.stack.settings.ledger)) as ledger:
        assert eventually(lambda: waiting() == 1)
        found: Any = ledger.zrange(f"{TO}{visitor}", 0, -1)
        (message,) = found
        with beside(site.stack.settings) as engine:
            assert erase(engine, f"anonymous_id:{visitor}", "a test", "asked", really=True).erased
        assert eventually(lambda: waiting() == 0, 30)
        assert not ledger.exists(f"{TO}{visitor}", f"{OF}{message.decode()}")
