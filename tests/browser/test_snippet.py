"""`/kairos.js` in a real Chromium: everything that a page says arrives once, whatever happens."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.record import CLAIMED
from tests.browsers import Browser, Door, browser, shop
from tests.e2e.stacks import eventually

BLOCKED = """
    const no = () => { throw new DOMException('blocked', 'SecurityError') }
    Object.defineProperty(window, 'localStorage', { get: no })
    Object.defineProperty(Document.prototype, 'cookie', { get: no, set: no })"""
# What libraries of old and careless pages do to what everybody shares.
HOSTILE = """
    Object.prototype.toJSON = function () { return '"' + this + '"' }
    Array.prototype.toJSON = function () { return '[quoted]' }
    String.prototype.toJSON = function () { return 'quoted' }
    Date.prototype.toJSON = function () { return 'never' }
    for (const name of ['mode', 'headers', 'signal', 'credentials', 'method', 'type', 'userId'])
      Object.prototype[name] = 'nonsense'"""


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as one:
        yield one


@pytest.fixture
def site(tmp_path: Path, door: Door) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as one:
        one.serve("<!doctype html><title>Elsewhere</title>", "/elsewhere")
        one.serve(shop(door.url))
        yield one


def ns(door: Door, name: str = "clicked", times: int = 1) -> list[int]:
    """Wait for that many events, and return their numbers, in order."""
    return sorted(event.properties["n"] for event in door.told(name, times=times))


def test_what_a_page_says_arrives_as_it_was_said(site: Browser, door: Door) -> None:
    site.open("/bag?utm_source=letter&utm_campaign=spring")
    site.run("""
        kairos.track('Product Viewed', { product_id: 'p1', price: 19.9, tags: ['a', null], at: new Date(0), no: undefined })
        kairos.identify('u1', { plan: 'pro' })
        kairos.track('Order Completed')
        kairos.page('Bag', { items: 2 })""")
    page, viewed, told, ordered, bag = door.told(times=5)
    anonymous = site.run("kairos.anonymousId()")
    assert page.name == "page_viewed"
    assert page.properties["path"] == "/bag"
    assert page.properties["title"] == "Shop"
    assert page.context["campaign"] == {"source": "letter", "name": "spring"}
    assert page.context["page"]["path"] == "/bag"
    assert {"user_agent", "locale", "timezone"} <= page.context.keys()
    assert (viewed.name, viewed.leaf) == ("product_viewed", f"anonymous_id:{anonymous}")
    assert viewed.properties == {
        "product_id": "p1", "price": 19.9, "tags": ["a", None], "at": "1970-01-01T00:00:00.000Z"
    }  # fmt: skip
    assert (told.kind, told.traits, told.trust) == ("identify", {"plan": "pro"}, CLAIMED)
    for event in (told, ordered, bag):
        assert event.ids == ("user_id:u1", f"anonymous_id:{anonymous}")
    assert (bag.properties["name"], bag.properties["items"]) == ("Bag", 2)
    assert all(event.flags == () for event in door.events), "no clock is mistrusted"
    assert site.errors() == []


def test_what_is_said_at_once_keeps_its_order(site: Browser, door: Door) -> None:
    site.open()
    site.run("for (let n = 0; n < 50; n++) kairos.track('Clicked', { n })")
    clicked = sorted(door.told("clicked", times=50), key=lambda event: event.time)
    assert [event.properties["n"] for event in clicked] == list(range(50))
    assert len({event.time for event in clicked}) == 50


def test_calls_from_before_it_was_loaded_arrive(site: Browser, door: Door) -> None:
    early = "<script>kairos = [['track', 'Early', { n: 1 }], ['identify', 'u1']]</script>"
    site.serve(shop(door.url, head=early), "/early")
    site.open("/early")
    door.told("early")
    assert door.told("identify")[0].leaf == "user_id:u1"
    site.run("kairos.push(['track', 'Late'])")
    door.told("late")


def test_nothing_is_lost_while_the_collector_is_away_and_pages_change(
    site: Browser, door: Door
) -> None:
    site.open()
    door.told("page_viewed")
    door.away()
    for n in range(10):
        site.run(f"kairos.track('Clicked', {{ n: {n} }})")
        site.open(f"/page-{n}")
    door.back()
    assert ns(door, times=10) == list(range(10))
    assert len(door.told("page_viewed", times=11)) == 11


def test_what_is_said_offline_is_sent_as_soon_as_there_is_a_network(
    site: Browser, door: Door
) -> None:
    site.open()
    door.told("page_viewed")
    site.offline(True)
    for n in range(3):
        site.run(f"kairos.track('Clicked', {{ n: {n} }})")
    assert not eventually(lambda: len(door.events) > 1, 1.0)
    site.run("localStorage['kairos.wait'] = `offline ${Date.now() + 60000}`")  # it failed often
    site.offline(False)
    assert ns(door, times=3) == [0, 1, 2]


def test_what_is_said_in_the_last_moment_leaves_with_the_page(site: Browser, door: Door) -> None:
    site.open()
    door.told("page_viewed")
    site.run("window.setTimeout = () => 0")  # so nothing but a beacon is in time
    site.run("kairos.track('Clicked', { n: 1 }); location.href = '/elsewhere'")
    site.arrives("/elsewhere")
    assert ns(door) == [1]
    assert len(waiting(site)) == 1, "kept, since nobody hears what answers a beacon"
    site.open()
    assert eventually(lambda: not waiting(site))
    assert ns(door) == [1], "sent once more, under its messageId"
    assert sum(event.name == "clicked" for event in door.events) == 2


def waiting(site: Browser, tab: str = "one") -> list[str]:
    found: list[str] = site.run(
        "Object.keys(localStorage).filter((name) => name.startsWith('kairos.e.'))", tab
    )
    return found


def test_a_page_without_storage_sends_too(site: Browser, door: Door) -> None:
    site.before_each_page(BLOCKED)
    site.open()
    site.run("kairos.track('Clicked', { n: 1 })")
    page, clicked = door.told(times=2)
    assert page.leaf == clicked.leaf, "one visitor for as long as the page lives"
    assert site.errors() == []


def test_a_browser_that_asks_for_privacy_says_so_in_each_event(site: Browser, door: Door) -> None:
    site.open()
    site.before_each_page(
        "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { value: true })"
    )
    site.open("/asks")
    first, second = door.told(times=2)
    assert "gpc" not in first.context
    assert second.context["gpc"] is True


def test_a_visitor_is_known_again_by_cookie_or_by_storage(site: Browser, door: Door) -> None:
    site.open()
    first = site.run("kairos.anonymousId()")
    site.run("localStorage.clear()")
    site.open()
    assert site.run("kairos.anonymousId()") == first
    site.forget_cookies()
    site.open()
    assert site.run("kairos.anonymousId()") == first
    site.run("kairos.identify('u1'); kairos.reset(); kairos.track('Clicked', { n: 1 })")
    other = site.run("kairos.anonymousId()")
    assert other != first
    assert door.told("clicked")[0].ids == (f"anonymous_id:{other}",)


def test_each_route_of_a_single_page_is_a_view(site: Browser, door: Door) -> None:
    site.open()
    site.run("history.pushState(null, '', '/two'); document.title = 'Two'")
    door.told("page_viewed", times=2)
    site.run("history.replaceState({ scroll: 1 }, '', '/two')")
    site.run("history.pushState(null, '', '/three')")
    door.told("page_viewed", times=3)
    site.back()
    door.told("page_viewed", times=4)
    site.run("location.hash = 'reviews'; kairos.track('Clicked', { n: 1 })")
    door.told("clicked")
    views = door.told("page_viewed", times=4)
    assert [view.properties["path"] for view in views] == ["/", "/two", "/three", "/two"]
    assert views[1].properties["title"] == "Two"
    assert views[1].properties["referrer"].endswith("/")


def test_pages_are_counted_by_hand_where_the_site_says_so(site: Browser, door: Door) -> None:
    site.serve(shop(door.url, attributes='data-pages="off"'), "/hand")
    site.open("/hand")
    site.run("history.pushState(null, '', '/two')")
    site.run("kairos.track('Clicked', { n: 1 })")
    door.told("clicked")
    assert [event.name for event in door.events] == ["clicked"]


def test_two_tabs_send_everything_and_take_turns(site: Browser, door: Door) -> None:
    site.open("/", "one")
    site.open("/", "two")
    door.told("page_viewed", times=2)
    door.away()
    for n in range(40):
        site.run(f"kairos.track('Clicked', {{ n: {n} }})", ("one", "two")[n % 2])
    door.back()
    assert ns(door, times=40) == list(range(40))
    assert eventually(lambda: not waiting(site))
    copies = Counter(event.message_id for event in door.events)
    assert max(copies.values()) == 1, "the other tab waited for its turn"


def test_a_tab_that_dies_while_it_sends_is_not_waited_for_for_ever(
    site: Browser, door: Door
) -> None:
    site.open()
    door.told("page_viewed")
    site.run("localStorage['kairos.wait'] = `dead ${Date.now() + 1500}`")
    site.run("kairos.track('Clicked', { n: 1 })")
    assert not eventually(lambda: len(door.events) > 1, 0.8)
    assert ns(door) == [1]
    site.run("localStorage['kairos.wait'] = `dead ${Date.now() + 9e9}`")
    site.run("kairos.track('Clicked', { n: 2 })")
    assert ns(door, times=2) == [1, 2], "a clock that went back holds nobody up"


def test_a_page_that_broke_everything_that_is_shared_sends_what_it_meant(
    site: Browser, door: Door
) -> None:
    site.before_each_page(HOSTILE)
    site.open()
    site.run("kairos.track('Clicked', { n: 1, list: [1, 'two'], at: new Date(0) }) ?? 'said'")
    clicked = door.told("clicked")[0]
    assert clicked.properties == {"n": 1, "list": [1, "two"], "at": "1970-01-01T00:00:00.000Z"}
    assert clicked.ids == clicked.ids[:1]


def test_nothing_that_a_page_calls_throws(site: Browser, door: Door) -> None:
    site.open()
    site.run("""
        const cycle = {}
        cycle.cycle = cycle
        for (const name of ['track', 'page', 'identify', 'consent', 'push', 'reset'])
          for (const junk of [undefined, null, 7, 'x', [], {}, cycle, Symbol('s'), () => 1, 10n])
            kairos[name](junk, junk, junk)
        kairos.track('Clicked', { n: 1 })""")
    assert ns(door) == [1]
    assert site.errors() == []


def test_a_strict_content_security_policy_has_nothing_to_object_to(
    site: Browser, door: Door
) -> None:
    policy = f"default-src 'none'; script-src {door.url} 'nonce-n'; connect-src {door.url}"
    policy += "; require-trusted-types-for 'script'; trusted-types 'none'"
    html = shop(door.url).replace("<script>", '<script nonce="n">')
    site.serve(html, "/strict", {"content-security-policy": policy})
    site.open("/strict")
    door.told("page_viewed")
    assert [e for e in site.errors() if "favicon" not in e] == []


def test_a_page_that_loads_it_twice_counts_once(site: Browser, door: Door) -> None:
    site.serve(shop(door.url) + shop(door.url), "/twice")
    site.open("/twice")
    site.run("kairos.track('Clicked', { n: 1 })")
    door.told("clicked")
    assert [event.name for event in door.events] == ["page_viewed", "clicked"]
    assert site.run("Object.keys(window).filter((name) => /kairos/i.test(name))") == ["kairos"]


def test_what_waits_is_bounded_and_what_is_let_go_of_is_counted(site: Browser, door: Door) -> None:
    site.open()
    door.told("page_viewed")
    door.away()
    site.run("for (let n = 0; n < 400; n++) kairos.track('Clicked', { n })")
    assert len(waiting(site)) == 300
    assert site.run("kairos.dropped") == 100
    site.run(
        "for (let n = 400; n < 420; n++) kairos.track('Clicked', { n, texts: Array(3).fill('x'.repeat(7e3)) })"
    )
    size = site.run("Object.entries(localStorage).reduce((all, [, text]) => all + text.length, 0)")
    assert size < 201_000
    site.run("kairos.track('Clicked', { text: 'ä'.repeat(16000) })")
    dropped = site.run("kairos.dropped")
    left = len(waiting(site))
    assert dropped == 421 - left
    door.back()
    assert len(ns(door, times=left)) == left
    assert 419 in ns(door)


def test_a_collector_that_asks_for_a_pause_gets_it(site: Browser, door: Door) -> None:
    site.open()
    door.told("page_viewed")
    door.app.room(False)
    site.run("kairos.track('Clicked', { n: 1 })")
    assert eventually(lambda: door.app.counters["status_503"] == 1)
    site.open("/next")
    site.run("kairos.track('Clicked', { n: 2 })")
    door.app.room(True)
    assert not eventually(lambda: len(door.events) > 1, 3.0), "no sooner than 5 s, on no page"
    assert ns(door, times=2) == [1, 2]


def test_what_would_be_refused_again_is_let_go_of(site: Browser, door: Door) -> None:
    site.serve(shop(door.url, key="REVOKED"), "/revoked")
    site.open("/revoked")
    assert eventually(lambda: site.run("kairos.dropped") == 1)
    assert waiting(site) == []
