"""`/openapi.json` says what the door is: all of it, and nothing else."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from collector.handle import _NAMED, _ROUTES, _Route, handle
from collector.outcome import Accepted, Listen
from collector.request import Answer, Request, Response, Streaming
from tests.collector.doubles import BROWSER, DOOR, ask, event_of, post


def described() -> dict[str, Any]:
    answer = ask(Request("GET", "/openapi.json"))
    assert answer.status == 200
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def operations() -> list[tuple[str, str]]:
    return [(path, method) for path, at in described()["paths"].items() for method in at]


def routes_of(path: str) -> Sequence[_Route]:
    return (_ROUTES | _NAMED)[path.strip("/")]


def test_every_route_is_described_or_is_another_address_of_one_that_is() -> None:
    routes = [routes_of(path) for path, _ in operations()]
    assert [path for path, known in (_ROUTES | _NAMED).items() if known not in routes] == []


@pytest.mark.parametrize(("path", "method"), operations())
def test_everything_described_is_a_route_that_takes_this_method(path: str, method: str) -> None:
    taken = [route.method for route in routes_of(path)]
    assert method.upper() in taken
    refused = ask(Request("PUT", path.replace("{", "").replace("}", "")))
    assert (refused.status, dict(refused.headers)[b"allow"]) == (405, ", ".join(taken).encode())


def said_of(path: str, method: str, response: Answer) -> dict[str, Any]:
    """Return what is said of an answer of this status."""
    whole = described()
    said = whole["paths"][path][method]["responses"][str(response.status)]
    if "$ref" in said:
        said = whole["components"]["responses"][said["$ref"].rpartition("/")[2]]
    assert isinstance(said, dict)
    return said


def mistakes(schema: dict[str, Any], value: Any) -> list[str]:
    whole = schema | {"components": described()["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


ASKED = [
    (200, post("/v1/track", json.dumps(event_of()).encode())),
    (400, post("/v1/track", b"{}")),
    (413, post("/v1/track", json.dumps(event_of(properties={"a": "x" * 40_000})).encode())),
    (200, post("/v1/batch", json.dumps({"batch": [event_of(), {}]}).encode())),
    (403, post("/v1/scores", b'{"batch":[]}', BROWSER)),
    (200, post("/v1/catalog", b'{"items":[{"id":"p1"}]}')),
    (401, post("/v1/identify", b"{}", "")),
    (200, Request("GET", "/readyz")),
    (401, Request("GET", "/metrics")),
    (200, Request("GET", "/v1/sourceConfig", b"writeKey=WRITE_KEY")),
    (200, Request("GET", "/openapi.json")),
]


@pytest.mark.parametrize(("status", "request_"), ASKED)
def test_an_answer_is_as_it_is_described(status: int, request_: Request) -> None:
    answer = ask(request_)
    assert answer.status == status
    said = said_of(request_.path, request_.method.lower(), answer)
    content = said["content"][dict(answer.headers)[b"content-type"].decode()]
    assert mistakes(content["schema"], json.loads(answer.body)) == []
    assert mistakes(content["schema"], {"success": 1} if "$ref" in content["schema"] else [])


@pytest.mark.parametrize(
    ("path", "query", "kind"),
    [
        ("/kairos.js", b"", "text/javascript"),
        ("/metrics", b"writeKey=WRITE_KEY", "text/plain"),
        ("/pixel/v1/page", b"writeKey=WRITE_KEY&anonymousId=a1", "image/gif"),
    ],
)
def test_what_is_no_json_has_the_media_type_that_is_described(
    path: str, query: bytes, kind: str
) -> None:
    answer = ask(Request("GET", path, query))
    assert answer.status == 200
    assert dict(answer.headers)[b"content-type"].decode().startswith(kind)
    assert kind in said_of(path, "get", answer)["content"]


def test_a_stream_is_described_as_what_comes_of_it() -> None:
    asked = Request("GET", "/v1/stream", f"writeKey=BROWSER_KEY&anonymousId={'a' * 16}".encode())
    listens = handle(asked, DOOR, 0)
    assert isinstance(listens, Listen)

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    for answer, status in (
        (listens.then(nothing(), 0), 200),
        (listens.then("off", 0), 204),
        (listens.then("full", 0), 503),
    ):
        assert isinstance(answer, Streaming | Response)
        assert answer.status == status
        said = said_of("/v1/stream", "get", answer)
        if status != 204:
            assert dict(answer.headers)[b"content-type"].decode() in said["content"]


def test_what_may_be_sent_again_says_when() -> None:
    full = msgspec.structs.replace(DOOR, room=False)
    answer = handle(post("/v1/track", b"{}"), full, 0)
    assert isinstance(answer, Response)
    field = said_of("/v1/track", "post", answer)["headers"]["Retry-After"]
    assert mistakes(field["schema"], int(dict(answer.headers)[b"retry-after"])) == []


@pytest.mark.parametrize("what", ["track", "batch", "scores", "catalog"])
def test_the_schema_of_a_call_takes_what_the_door_takes_and_not_what_it_refuses(what: str) -> None:
    good = {
        "track": event_of(),
        "batch": {"batch": [event_of(), {"type": "alias", "userId": "u", "previousId": "a"}]},
        "scores": {"batch": [{"userId": "u1", "scores": {"ltv": 1}}]},
        "catalog": {"items": [{"id": "p1", "price": 9.5}]},
    }[what]
    at = described()["paths"][f"/v1/{what}"]["post"]
    schema = at["requestBody"]["content"]["application/json"]["schema"]
    assert isinstance(handle(post(f"/v1/{what}", json.dumps(good).encode()), DOOR, 0), Accepted)
    assert mistakes(schema, good) == []
    assert mistakes(schema, {})
    assert ask(post(f"/v1/{what}", b"{}")).status == 400


def test_it_is_valid_openapi_3_1() -> None:
    whole = described()
    assert whole["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(whole).validate()
