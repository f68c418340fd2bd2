"""The page on which somebody says what they want to get, over HTTP, at each of the doors."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.links.preferences import MOST, Said, read
from events.record import VERIFIED
from profile_state.consent import statements
from tests.collector.doubles import MemoryLog
from tests.contracts.doors import DOORS, Running, told
from tests.contracts.test_links import FORGED, LINKED, OURS, TOKEN, Workers, events, tags

URL = f"/p/{TOKEN}"
KNOWN = [
    {"purpose": "marketing", "label": "", "allowed": False},
    {"purpose": "product_news", "label": "News & more", "allowed": True},
    {"purpose": "tips", "label": "", "allowed": True},
]


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Engine:
    """Answers in the place of one."""

    def __init__(self, state: str = "found", view: Any = KNOWN) -> None:
        self.answer = state, json.dumps(view).encode()
        self.asked: list[tuple[list[str], str]] = []

    async def ask(self, identifiers: list[str], _entry: int, channel: str) -> tuple[str, bytes]:
        self.asked.append((identifiers, channel))
        return self.answer


def test_the_page_shows_every_purpose_and_how_it_stands(name: str) -> None:
    engine, log = Engine(), MemoryLog()

    async def story(one: Running) -> None:
        assert (await one.client.head(URL)).status_code == 200
        page = await one.client.get(URL)
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        fields = tags(page.text, "input")
        assert [(f["value"], "checked" in f) for f in fields if f["type"] == "checkbox"] == [
            ("marketing", False), ("product_news", True), ("tips", True),
        ]  # fmt: skip
        assert [(f["name"], f["value"]) for f in fields if f["type"] == "hidden"] == [
            ("off", "marketing"), ("was", "product_news"), ("was", "tips"),
        ]  # fmt: skip
        assert "<span>Marketing</span>" in page.text
        assert "<span>News &amp; more</span>" in page.text
        assert tags(page.text, "script", "img", "iframe") == []
        assert OURS.leaf not in page.text
        german = await one.client.get(URL, headers={"accept-language": "de"})
        assert "Alles beenden" in german.text

    told(name, story, log, door=LINKED, ask=engine.ask)
    assert log.records == [], "who looks says nothing"
    assert engine.asked[0] == (["user_id:u1"], "email")


def test_what_is_changed_is_stated_and_nothing_else(name: str) -> None:
    log = MemoryLog()
    workers = Workers(log)
    form = [("off", "marketing"), ("was", "product_news"), ("was", "tips")]

    async def story(one: Running) -> None:
        ticked = urlencode([*form, ("on", "marketing"), ("on", "tips")])
        done = await one.client.post(URL, content=ticked)
        assert done.status_code == 200
        assert "Your choice is saved" in done.text
        as_it_was = urlencode([*form, ("on", "product_news"), ("on", "tips")])
        assert (await one.client.post(URL, content=as_it_was)).status_code == 200

    told(name, story, log, door=LINKED, withdraw=workers.withdraw)
    stated = [statements(event.name, event.properties) for event in events(log)]
    assert stated == [[("marketing", "email", True)], [("product_news", "email", False)]]
    assert {(e.leaf, e.trust, e.properties["message"]) for e in events(log)} == {
        (OURS.leaf, VERIFIED, OURS.activation)
    }
    assert [purposes for _, purposes, _, _ in workers.told] == [["product_news"]]
    assert workers.records_by_then == [0]


def test_one_button_stops_everything_also_what_is_ticked(name: str) -> None:
    log = MemoryLog()
    workers = Workers(log)
    form = urlencode([("off", "marketing"), ("was", "tips"), ("on", "tips"), ("all", "stop")])

    async def story(one: Running) -> None:
        done = await one.client.post(URL, content=form)
        assert "Everything is stopped" in done.text

    told(name, story, log, door=LINKED, withdraw=workers.withdraw)
    stated = [statements(event.name, event.properties) for event in events(log)]
    denied = ["marketing", "product_news", "tips"]
    assert sorted(stated) == [[(purpose, "email", False)] for purpose in denied]
    assert sorted(workers.told[0][1]) == denied


@pytest.mark.parametrize(
    ("state", "view"),
    [("away", ""), ("behind", ""), ("nobody", ""), ("found", {"id": "p"}), ("found", [])],
)
def test_where_nobody_can_say_how_it_stands_everything_can_be_stopped(
    name: str, state: str, view: Any
) -> None:
    log = MemoryLog()

    async def story(one: Running) -> None:
        page = await one.client.get(URL)
        assert page.status_code == 200
        assert tags(page.text, "input") == []
        (button,) = tags(page.text, "button")
        assert button == {"name": "all", "value": "stop"}
        await one.client.post(URL, data={"all": "stop"})

    told(name, story, log, door=LINKED, ask=Engine(state, view).ask)
    (event,) = events(log)
    assert statements(event.name, event.properties) == [("product_news", "email", False)]


def test_a_form_that_is_none_of_ours_states_nothing(name: str) -> None:
    log = MemoryLog()
    many = urlencode([("was", f"p{n}") for n in range(MOST + 1)])
    bodies = [
        b"{}",
        b"was=%ff",
        b"was=%0a",
        b"\xff",
        b"was=" + b"a" * 200,
        many.encode(),
        b"&".join([b"a=b"] * 999),
    ]

    async def story(one: Running) -> None:
        for body in bodies:
            answer = await one.client.post(URL, content=body)
            assert (answer.status_code, answer.headers["content-type"]) == (
                400,
                "text/html; charset=utf-8",
            ), body[:20]
        for body in (b"", b"on=marketing", b"x=y"):
            assert (await one.client.post(URL, content=body)).status_code == 200
        for token in FORGED[1:5]:
            assert (await one.client.get(f"/p/{token}")).status_code == 404
            assert (await one.client.post(f"/p/{token}", data={"all": "stop"})).status_code == 404
        one.app.room(False)
        assert (await one.client.post(URL, data={"all": "stop"})).status_code == 503

    told(name, story, log, door=LINKED)
    assert log.records == []


def test_what_a_workspace_or_an_engine_says_is_text(name: str) -> None:
    evil = [{"purpose": '"><script>', "label": "<b>x</b>", "allowed": True}]

    async def story(one: Running) -> None:
        page = (await one.client.get(URL)).text
        assert tags(page, "script", "b") == []
        assert [f["value"] for f in tags(page, "input")] == ['"><script>'] * 2

    told(name, story, door=LINKED, ask=Engine(view=evil).ask)


PURPOSES = st.sampled_from("abcdef")


@given(st.lists(PURPOSES, unique=True), st.sets(PURPOSES), st.sets(PURPOSES))
def test_a_form_says_what_differs_from_what_it_showed(
    shown: list[str], allowed: set[str], ticked: set[str]
) -> None:
    fields = [("was" if p in allowed else "off", p) for p in shown] + [("on", p) for p in ticked]
    said = read(urlencode(fields).encode(), "x")
    assert isinstance(said, Said)
    now = {p for p in shown if p in allowed} - set(said.denied) | set(said.granted)
    assert now == ticked & set(shown)
    assert set(said.granted) | set(said.denied) == {
        p for p in shown if (p in allowed) != (p in ticked)
    }
