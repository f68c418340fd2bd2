"""Every captured request of six SDKs, replayed against the door as it was on the wire."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import pytest

from collector.handle import handle
from collector.outcome import Accepted
from collector.request import Request, Response
from events.record import Event
from tests.collector.doubles import DOOR
from tests.shared import names_in_shared, shared

FIXTURES = names_in_shared("fixtures/sdk", "[rs]*/*.json")
LATENCY = 150  # ms between an SDK's clock and ours
NAMES = {"page": "page_viewed", "screen": "screen_viewed"}


def is_data(name: str) -> bool:
    return not name.endswith(("-get.json", "-options.json", "sdk-metrics.json"))


def captured(name: str) -> tuple[Request, Any]:
    sent = json.loads(shared(name).read_text())["request"]
    body = sent.get("body_decoded", sent.get("body"))
    body = json.loads(body) if isinstance(body, str) else body
    wire = b64decode(sent["body_base64"]) if "body_base64" in sent else json.dumps(body).encode()
    path, _, query = sent["path"].partition("?")
    headers = {k.lower().encode(): v.encode() for k, v in sent["headers"].items()}
    return Request(sent["method"], path, query.encode(), headers, wire), body


def ms(written: str) -> int:
    moment = datetime.fromisoformat(written)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def accepted(request: Request, now_ms: int) -> list[Event]:
    done = handle(request, DOOR, now_ms * 1000)
    assert isinstance(done, Accepted), done
    assert done.response.status == 200
    assert json.loads(done.response.body) == {"success": True, "accepted": len(done.records)}
    return [record for record in done.records if isinstance(record, Event)]


DATA = [name for name in FIXTURES if is_data(name)]


@pytest.mark.parametrize("name", DATA)
def test_every_data_request_is_accepted_as_what_it_was(name: str) -> None:
    request, body = captured(name)
    calls = body.get("batch", [body])
    now = ms(body.get("sentAt") or calls[0]["sentAt"]) + LATENCY
    events = accepted(request, now)
    assert len(events) == len(calls)
    for event, call in zip(events, calls, strict=True):
        kind = call["type"]
        assert event.kind == kind
        if kind == "track":
            assert event.name in {"product_viewed", "order_completed", "left_early"}
        else:
            assert event.name == NAMES.get(kind, kind)
        assert event.message_id == call["messageId"]
        ids = [f"user_id:{call['userId']}"] if call.get("userId") else []
        ids += [f"anonymous_id:{call['anonymousId']}"] if call.get("anonymousId") else []
        ids += ["anonymous_id:anon-123"] if kind == "alias" else []
        ids += ["email:ana.example@example.com"] if kind == "identify" else []
        assert list(event.ids) == ids
        assert event.leaf == ids[0]
        explicit = call.get("timestamp") if "originalTimestamp" in call else None
        original = call.get("originalTimestamp") or call["timestamp"]
        sent = call.get("sentAt") or body["sentAt"]
        is_history = ms(original) < now - 86_400_000
        happened = ms(explicit or original) + (0 if explicit or is_history else now - ms(sent))
        assert event.time == happened
        assert event.flags == ()
        if kind == "identify":
            assert event.traits["email"] == "ana.example@example.com"
            assert event.traits["plan"] == "pro"
        else:
            assert event.traits == {}


@pytest.mark.parametrize("name", DATA)
def test_a_retry_with_a_new_sent_at_is_the_same_message(name: str) -> None:
    request, body = captured(name)
    now = ms(body.get("sentAt") or body["batch"][0]["sentAt"]) + LATENCY
    later = datetime.fromtimestamp(now / 1000 + 60, UTC).isoformat()
    again = body | {"sentAt": later}
    if "batch" in body:
        again["batch"] = [call | {"sentAt": later} for call in body["batch"]]
    retry = Request(
        "POST", request.path, request.query, request.headers, json.dumps(again).encode()
    )
    first = [(e.key, e.digest) for e in accepted(request, now)]
    assert [(e.key, e.digest) for e in accepted(retry, now + 60_200)] == first


@pytest.mark.parametrize("name", [n for n in FIXTURES if n.endswith("-options.json")])
def test_preflights_get_what_they_ask_for(name: str) -> None:
    request, _ = captured(name)
    done = handle(request, DOOR, 0)
    assert isinstance(done, Response)
    headers = dict(done.headers)
    assert done.status == 200
    assert (
        headers[b"access-control-allow-headers"]
        == request.headers[b"access-control-request-headers"]
    )
    assert headers[b"access-control-allow-origin"] == b"https://shop.example.com"
    assert headers[b"access-control-allow-credentials"] == b"true"
    assert headers[b"access-control-max-age"] == b"7200"


@pytest.mark.parametrize("name", [n for n in FIXTURES if n.endswith("sdk-metrics.json")])
def test_an_sdks_metrics_about_itself_are_dropped(name: str) -> None:
    request, _ = captured(name)
    done = handle(request, DOOR, 0)
    assert isinstance(done, Response)
    assert (done.status, done.body) == (200, b'{"success":true}')
