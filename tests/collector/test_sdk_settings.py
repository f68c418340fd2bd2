"""How SDKs for browsers and apps are set up, and images that are events."""

import json
from typing import Any

import pytest

from collector.handle import handle
from collector.request import Request, Response
from tests.collector.doubles import DOOR, NOW_MS, ask, taken
from tests.shared import names_in_shared, shared

CAPTURED = [
    name
    for name in names_in_shared("fixtures/sdk", "[rs]*/*.json")
    if name.endswith(("settings-get.json", "config-get.json"))
]


def get(path: str, query: str = "", **headers: str) -> Request:
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request("GET", path, query.encode(), sent, scheme="https")


def said(request: Request) -> Any:
    answer = ask(request)
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.parametrize(
    "path", ["/v1/projects/WRITE_KEY/settings", "/projects/WRITE_KEY/settings"]
)
def test_segments_sdks_are_told_to_send_everything_here(path: str) -> None:
    found = said(get(path, host="cdp.shop.example"))
    assert found["integrations"] == {
        "Segment.io": {
            "apiKey": "WRITE_KEY",
            "apiHost": "cdp.shop.example/v1",
            "protocol": "https",
        }
    }
    assert dict(ask(get(path)).headers)[b"cache-control"] == b"public, max-age=60"


@pytest.mark.parametrize("host", ['a"b', "a/b", "a b", "x" * 300, ""])
def test_a_host_that_is_none_is_repeated_to_nobody(host: str) -> None:
    found = said(get("/v1/projects/WRITE_KEY/settings", host=host))
    assert found["integrations"] == {"Segment.io": {"apiKey": "WRITE_KEY"}}


def test_rudderstacks_sdks_are_told_of_no_other_destination() -> None:
    basic = {"authorization": "Basic V1JJVEVfS0VZOg=="}
    for request in (
        get("/sourceConfig/", "p=npm&v=3.34.1&writeKey=WRITE_KEY"),
        get("/sourceConfig", **basic),
    ):
        source = said(request)["source"]
        assert (source["writeKey"], source["enabled"]) == ("WRITE_KEY", True)
        assert source["connections"] == source["destinations"] == []


@pytest.mark.parametrize("path", ["/v1/projects/nobody/settings", "/sourceConfig"])
def test_an_unknown_key_has_no_settings(path: str) -> None:
    answer = ask(get(path, "writeKey=nobody"))
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "unknown_write_key")


@pytest.mark.parametrize("name", CAPTURED)
def test_what_the_sdks_ask_for_is_answered_also_to_another_site(name: str) -> None:
    sent = json.loads(shared(name).read_text())["request"]
    path, _, query = sent["path"].partition("?")
    headers = {k.lower().encode(): v.encode() for k, v in sent["headers"].items()}
    answer = handle(Request(sent["method"], path, query.encode(), headers), DOOR, 0)
    assert isinstance(answer, Response)
    assert answer.status == 200
    if b"origin" in headers:
        assert dict(answer.headers)[b"access-control-allow-origin"] == headers[b"origin"]


def test_a_preflight_and_another_method_are_answered() -> None:
    preflight = Request("OPTIONS", "/sourceConfig", headers={b"origin": b"https://a.example"})
    assert ask(preflight).status == 200
    wrong = ask(Request("POST", "/sourceConfig"))
    assert (wrong.status, dict(wrong.headers)[b"allow"]) == (405, b"GET")


def test_an_image_is_an_event() -> None:
    query = (
        "writeKey=WRITE_KEY&anonymousId=a1&name=Home&context.page.path=%2F&context.locale=de"
        "&properties.path=%2F&properties.products.first=p%201"
    )
    request = get("/pixel/v1/page", query, user_agent="AMP")
    [event], letters = taken(request)
    assert letters == []
    assert (event.kind, event.name, event.leaf) == ("page", "page_viewed", "anonymous_id:a1")
    assert event.properties["path"] == "/"
    assert event.properties["products"] == {"first": "p 1"}
    assert event.context == {"locale": "de", "page": {"path": "/"}, "user_agent": "AMP"}
    assert event.time == NOW_MS
    answer = ask(request)
    assert (answer.status, len(answer.body), answer.body[:6]) == (200, 43, b"GIF89a")
    assert b"WRITE_KEY" not in event.message_id.encode()


def test_each_showing_counts() -> None:
    request = get("/pixel/v1/track", "writeKey=WRITE_KEY&anonymousId=a1&event=Mail%20Seen")
    first, again = taken(request)[0][0], taken(request, NOW_MS + 1)[0][0]
    assert first.name == "mail_seen"
    assert first.key != again.key
    assert ask(Request("HEAD", request.path, request.query)).status == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("anonymousId=a1", 401, "missing_write_key"),
        ("writeKey=nobody&anonymousId=a1", 401, "unknown_write_key"),
        ("writeKey=WRITE_KEY", 400, "no_identifier"),
        ("writeKey=WRITE_KEY&anonymousId=a1&a=1&a.b=2", 400, "invalid_query"),
        ("writeKey=WRITE_KEY&anonymousId=a1&a.b=2&a=1", 400, "invalid_query"),
        ("writeKey=WRITE_KEY&anonymousId=a1&" + "x." * 9 + "y=1", 400, "invalid_query"),
        ("writeKey=WRITE_KEY&anonymousId=a1&" + "&".join(f"k{n}=1" for n in range(600)), 400, "invalid_query"),
        ("writeKey=WRITE_KEY&anonymousId=a1&context=x", 400, "invalid_event"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_image_is_said(query: str, status: int, code: str) -> None:
    answer = ask(get("/pixel/v1/page", query))
    assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
