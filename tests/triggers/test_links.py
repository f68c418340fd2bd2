"""Links: what certainly leads to a host of ours gets parameters, and nothing else is touched."""

from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shop import ADDRESSES
from triggers.links import LONGEST, LinkRules, leading
from triggers.load import load
from triggers.loading.links import rules_of
from triggers.problems import WorkspaceError

UTM = (("utm_source", "kairos"), ("utm_medium", "{channel}"), ("utm_campaign", "{trigger}"))
RULES = LinkRules(("shop.example", "*.shop.example"), track=True, utm=UTM)
WORDS = {"channel": "email", "trigger": "back & again", "purpose": "news", "template": "t"}
ADDED = "utm_source=kairos&utm_medium=email&utm_campaign=back%20%26%20again"


def led(url: str) -> str | None:
    return leading(url, RULES, WORDS)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example", f"https://shop.example/?{ADDED}"),
        ("HTTPS://Shop.Example/A", f"HTTPS://Shop.Example/A?{ADDED}"),
        ("http://a.b.shop.example:8080/x?y=1#z", f"http://a.b.shop.example:8080/x?y=1&{ADDED}#z"),
        (" https://shop.example/?\n", f"https://shop.example/?{ADDED}"),
        ("https://shop.example/a b", f"https://shop.example/a%20b?{ADDED}"),
        ("https://shop.example/%20?q=%26+x", f"https://shop.example/%20?q=%26+x&{ADDED}"),
        ("https://shop.example/ü#é", f"https://shop.example/%C3%BC?{ADDED}#%C3%A9"),
        ("https://shop.example/#/app?x=1", f"https://shop.example/?{ADDED}#/app?x=1"),
    ],
)
def test_a_link_of_ours_keeps_what_it_says_and_gets_parameters(url: str, expected: str) -> None:
    assert led(url) == expected


def test_parameters_that_a_link_has_already_stand() -> None:
    found = led("https://shop.example/?utm%5Fmedium=banner&utm_source=")
    assert found == (
        "https://shop.example/?utm%5Fmedium=banner&utm_source=&utm_campaign=back%20%26%20again"
    )


@pytest.mark.parametrize(
    "url",
    [
        "", "/cart", "#top", "mailto:a@shop.example", "tel:1", "javascript:alert(1)", "ftp://shop.example/",
        "//shop.example/", "https:shop.example", "https:///shop.example", "https://evil.example/",
        "https://shop.example.evil.example/", "https://xshop.example/", "https://shop.example@evil.example/",
        "https://evil.example#@shop.example/", "https://evil.example\\@shop.example/",
        "https://evil.example\\.shop.example/", "https://shop.example\\@evil.example/",
        "https://u:p@shop.example/", "https://shop.example\t.evil.example/", "https://sh\nop.example/",
        "https://shop.example:x/", "https://shop.example:/", "https://ｓhop.example/", "https://shop.example。evil/",
        "https://%73hop.example/", "https://[::1]/", "https://shop.example../", "https://.shop.example/",
        "https://shop.example/\x00", "https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example/\ud800",
        f"https://shop.example/{'a' * LONGEST}",
    ],
)  # fmt: skip
def test_whatever_else_stays_as_it_is(url: str) -> None:
    assert led(url) is None


HOSTS = ["shop.example", "a.shop.example", "evil.example", "SHOP.EXAMPLE", "xshop.example"]
PIECES = st.sampled_from(
    ["https://", "http://", "//", "/", "\\", "@", ":", "?", "#", "&", "=", "%", "%2f", "%40", ".", " ",
     "\t", "\n", "[", "]", "é", "443", "a=b", "utm_source=x", "utm_medium", "u:p", *HOSTS]
)  # fmt: skip
ODD = st.lists(PIECES, min_size=1, max_size=9).map("".join)
URLS = st.one_of(
    ODD,
    st.tuples(st.sampled_from(["https://", "http://"]), st.sampled_from(HOSTS), ODD).map("".join),
)


def as_a_browser(url: str) -> str:
    """Write a URL as browsers take it: they drop tabs and line ends, and `\\` is `/` to them."""
    dropped = url.strip(" \t\n\r\f").translate(dict.fromkeys(map(ord, "\t\n\r")))
    head, mark, rest = dropped.partition("?")
    return head.replace("\\", "/") + mark + rest


@given(URLS)
def test_no_url_that_leads_elsewhere_is_ours_whoever_reads_it(url: str) -> None:
    found = led(url)
    if found is None:
        return
    for read in (found, as_a_browser(url)):
        host = httpx.URL(read).host
        assert host == "shop.example" or host.endswith(".shop.example"), read
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


@given(URLS)
def test_what_a_link_said_it_still_says(url: str) -> None:
    found = led(url)
    if found is None:
        return
    before, after = httpx.URL(as_a_browser(url)), httpx.URL(found)
    assert (after.scheme, after.host, after.port) == (before.scheme, before.host, before.port)
    assert after.path == before.path
    assert urlsplit(found).fragment == urlsplit(str(before)).fragment
    had = parse_qsl(before.query.decode(), keep_blank_values=True)
    has = parse_qsl(after.query.decode(), keep_blank_values=True)
    assert has[: len(had)] == had
    names = {name for name, _ in had}
    assert [name for name, _ in has[len(had) :]] == [n for n, _ in UTM if n not in names]


@given(URLS)
def test_made_again_it_is_the_same(url: str) -> None:
    found = led(url)
    if found is not None:
        assert led(found) == found


def test_the_rules_of_a_workspace_are_read_and_checked() -> None:
    def files(links: str) -> dict[str, str]:
        return {"workspace.yaml": f"workspace: shop\nlinks: {links}\n"}

    good = files(
        '{hosts: [shop.example, "*.shop.example"], track: true, utm: {medium: "{channel}"}}'
    )
    load(good, ADDRESSES)
    assert rules_of(good) == RULES._replace(utm=(("utm_medium", "{channel}"),))
    assert rules_of({"workspace.yaml": "workspace: shop\n"}) is None
    assert rules_of({}) is None
    for bad, message in {
        "{track: true}": "hosts",
        "{hosts: []}": "at least one host was expected",
        "{hosts: ['https://shop.example']}": "a host such as shop.example",
        "{hosts: ['*']}": "a host such as shop.example",
        "{hosts: [Shop.example]}": "a host such as shop.example",
        "{hosts: [a.b], utm: {medium: '{chanel}'}}": "nothing is called {chanel}. Did you mean 'channel'?",
        "{hosts: [a.b], utm: {utm_source: x}}": "utm_source",
    }.items():
        with pytest.raises(WorkspaceError) as error:
            load(files(bad), ADDRESSES)
        assert message in str(error.value), bad
