"""Links of a mail: found as every parser finds them, changed, and nothing else."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.delivery.anchors import LINKING, relinked, relinked_text
from channels.delivery.links import MOST, Links
from channels.delivery.templates import Renderer
from channels.delivery.workspaces import InMemoryWorkspaces
from events.sealed import Sealed
from tests.channels.doubles import activation
from tests.channels.test_links import PUBLIC, SEAL, message, no_codes
from tests.triggers.test_templates import cpu_ms

Seen = list[tuple[str, list[tuple[str, str | None]]]]


class _Whole(HTMLParser):
    """The whole of a document, read by the parser of the standard library."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Seen = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", []))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.texts.append(f"!{data}")


def read(html: str) -> tuple[Seen, str]:
    whole = _Whole()
    whole.feed(html)
    whole.close()
    return whole.tags, "".join(whole.texts)


def changed(url: str) -> str | None:
    return None if "stay" in url else f'go?"&<{url}'


def test_only_where_a_browser_would_follow_a_link() -> None:
    html = (
        "<!-- <a href='x'> --><style>a[href='x'] {color: red}</style>"
        "<link href=x><img src=x><a name=x>1</a><a href='stay'>2</a><a hREF = x title=\"a>'b\">x</a>"
        "<AREA shape=rect href=x /><a data-href=x href='a&amp;b' href=second>3</a><a href>4</a>"
    )
    tags, text = read(relinked(html, changed))
    assert [dict(attrs)["href"] for tag, attrs in tags if tag in LINKING and "href" in dict(attrs)] == [
        "stay", 'go?"&<x', 'go?"&<x', "second", None,
    ]  # fmt: skip
    assert relinked("<title><a href='x'></title>", changed) == "<title><a href='x'></title>"
    assert ("href", 'go?"&<a&b') in tags[-4][1], "of two the first counts"
    assert text == read(html)[1]
    assert ("title", "a>'b") in next(attrs for tag, attrs in tags if "title" in dict(attrs))


TEXTS = st.sampled_from(
    ["Hi", " ", "1 < 2", "&amp;", "a & b", "ü", "\n", "<br>", "<!-- <a href='c'> -->"]
)
NAMES = st.sampled_from(["a", "A", "area", "p", "td", "abbr", "span"])
VALUES = st.text(st.sampled_from("ab/:?=&;#<>'\"%é "), max_size=8)


@st.composite
def elements(draw: st.DrawFn) -> str:
    attributes = []
    for name in draw(
        st.lists(st.sampled_from(["href", "HREF", "class", "title", "data-x"]), max_size=3)
    ):
        value, quote = draw(VALUES), draw(st.sampled_from("'\""))
        attributes.append(f" {name}={quote}{value.replace(quote, '')}{quote}")
    name = draw(NAMES)
    return f"<{name}{''.join(attributes)}>{draw(TEXTS)}</{name}>"


@given(st.lists(st.one_of(elements(), TEXTS), max_size=8).map("".join))
def test_another_parser_finds_every_link_changed_and_all_else_as_it_was(html: str) -> None:
    def expected(tag: str, attrs: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
        for nth, (name, value) in enumerate(attrs):
            if tag in LINKING and name == "href":
                return [
                    *attrs[:nth],
                    (name, (changed(value) if value else None) or value),
                    *attrs[nth + 1 :],
                ]
        return attrs

    tags, text = read(html)
    made = read(relinked(html, changed))
    assert made[1] == text
    assert made[0] == [(tag, expected(tag, attrs)) for tag, attrs in tags]


def test_what_parsers_may_differ_over_is_left_alone_and_takes_no_time() -> None:
    for html in (
        "<a href='x",
        "<a href='x'><style>",
        '<a href="a"b">',
        "<a href=x><![",
        "<a href='x'><!--",
    ):
        assert relinked(html, changed) == html
    for part in ("<a ", "<a href='", '<a b="', "<!--", "<![", "</", "<", "&", "<a b", "<a href=x>"):
        html = (part * 8_000)[:32_000] + "href"
        assert cpu_ms(lambda html=html: relinked(html, changed)) < 500, part  # type: ignore[misc]
    for part in ("https://", "https://.", ".", "https://a.b/ "):
        text = part * 8_000
        assert cpu_ms(lambda text=text: relinked_text(text, changed)) < 200, part  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("At https://a.example/x?y=(1), <https://b.example>.", ["https://a.example/x?y=(1)", "https://b.example"]),
        ("“HTTP://c.example/d”, and (https://e.example/(f)g)!", ["HTTP://c.example/d", "https://e.example/(f)g"]),
        ("x (https://shop.example/0)x (https://shop.example/1)", ["https://shop.example/0", "https://shop.example/1"]),
        ("*https://a.b/* _https://c.d/_ https://e.f/?g=((h)).", ["https://a.b/", "https://c.d/", "https://e.f/?g=((h))"]),
        ("https://a.b/ü… http:// nothing", ["https://a.b/ü…"]),
    ],
)  # fmt: skip
def test_urls_in_a_text_end_where_the_sentence_does(text: str, urls: list[str]) -> None:
    found: list[str] = []
    assert relinked_text(text, found.append) == text
    assert found == urls
    assert relinked_text(text, lambda url: f"[{url}]").replace("[", "").replace("]", "") == text


LINKED = """workspace: shop
links:
  hosts: [shop.example, "*.shop.example"]
  track: true
  utm: {source: kairos, medium: "{channel}", campaign: "{trigger}", content: "{template}"}
"""
MAIL = (
    "<a href='https://shop.example/sale?a=1&amp;b=2#top'>Sale</a> <a href='https://other.example/'>x</a>"
    "<a href='{{ homepage }}'>mine</a><a href='mailto:a@shop.example'>m</a>"
    "<a href='{{ unsubscribe_url }}'>Leave</a><p>See https://shop.example/help.</p>"
)


def mail(
    links: Links, workspace: str = LINKED, body: str = MAIL, **changed: object
) -> tuple[list[str], str]:
    """Return where the links of a mail lead, and its text."""
    files = {"workspace.yaml": workspace, "templates/m.liquid": body}
    facts = {"homepage": "https://evil.example/phish"}
    fields = {"channel": "email", "template": "m", "facts": facts, **changed}
    made = message(
        links, renderer=Renderer(InMemoryWorkspaces({"v1": files}), no_codes, links), **fields
    )
    return re.findall(r"""href=["']([^"']*)""", made.html), made.text


AND = "utm_source=kairos&utm_medium=email&utm_campaign=welcome&utm_content=m"


def test_links_to_our_hosts_lead_there_by_way_of_the_collector() -> None:
    (sale, *others, leave), text = mail(Links(SEAL, PUBLIC))
    assert others == [
        "https://other.example/",
        "https://evil.example/phish",
        "mailto:a@shop.example",
    ]
    assert leave.startswith(f"{PUBLIC}/u/"), "also where our own pages are on one of our hosts"
    one = activation(1, channel="email")
    said = SEAL.open_link(sale.removeprefix(f"{PUBLIC}/c/"))
    assert said is not None
    assert said.message == Sealed(one.id, "email", "marketing", one.leaf)
    assert said.url == f"https://shop.example/sale?a=1&b=2&{AND}#top"
    (url,) = re.findall(r"See (\S+)\.$", text)
    assert f"Sale ({sale})" in text
    assert f"Leave ({leave})" in text
    shown = SEAL.open_link(url.removeprefix(f"{PUBLIC}/c/"))
    assert shown is not None
    assert shown.url == f"https://shop.example/help?{AND}"


def test_without_tracking_or_an_address_links_get_parameters_alone() -> None:
    direct = f"https://shop.example/sale?a=1&amp;b=2&amp;{AND.replace('&', '&amp;')}#top"
    for links, workspace in (
        (Links(SEAL, PUBLIC), LINKED.replace("true", "false")),
        (Links(SEAL), LINKED),
        (Links(), LINKED),
    ):
        assert mail(links, workspace, MAIL.replace("{{ unsubscribe_url }}", ""))[0][0] == direct


def test_a_receipt_and_a_workspace_that_says_nothing_keep_their_links() -> None:
    plain = "https://shop.example/sale?a=1&amp;b=2#top"
    assert mail(Links(SEAL, PUBLIC), purpose="transactional")[0][0] == plain
    assert mail(Links(SEAL, PUBLIC), "workspace: shop\n")[0][0] == plain


def test_so_many_links_and_no_more_are_followed() -> None:
    body = "".join(f"<a href='https://shop.example/{n}'>x</a>" for n in range(MOST + 5))
    urls, _ = mail(Links(SEAL, PUBLIC), body=body)
    assert sum(url.startswith(f"{PUBLIC}/c/") for url in urls) == MOST
