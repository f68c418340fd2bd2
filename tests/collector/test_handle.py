import gzip
import json
import time
import tracemalloc
from base64 import b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.door import Door
from collector.handle import handle
from collector.inflate import Caps, Corrupt, TooLarge, inflate
from collector.keys import KeyRing
from collector.request import Request, Response
from events.record import CLAIMED, VERIFIED
from tests.collector.doubles import BROWSER, DOOR, NOW_MS, ask, event_of, post, taken


def batch(*events: Any, **more: Any) -> bytes:
    return json.dumps({"batch": events, **more}).encode()


def told(response: Response) -> dict[str, Any]:
    answer = json.loads(response.body)
    assert isinstance(answer, dict)
    return answer


# Keys


def basic(user: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Basic " + b64encode(user.encode())}


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "/v1/batch", b"", basic("WRITE_KEY:"), batch(event_of())),
        Request("POST", "/v1/batch", b"", basic("WRITE_KEY"), batch(event_of())),
        Request(
            "POST", "/v1/batch", b"", {b"authorization": b"bearer WRITE_KEY"}, batch(event_of())
        ),
        Request("POST", "/beacon/v1/batch", b"x=1&writeKey=WRITE_KEY", {}, batch(event_of())),
        Request("POST", "/b", b"", {}, batch(event_of(), writeKey="WRITE_KEY")),
        Request("POST", "/b", b"", {}, batch(event_of(writeKey="WRITE_KEY"))),
        Request("POST", "/t", b"", {}, json.dumps(event_of(writeKey="WRITE_KEY")).encode()),
        Request("POST", "/t", b"", basic(":"), json.dumps(event_of(writeKey="WRITE_KEY")).encode()),
    ],
)
def test_the_key_is_found_wherever_sdks_put_it(request_: Request) -> None:
    events, _ = taken(request_)
    assert [(e.source, e.trust) for e in events] == [("shop", VERIFIED)]


def test_a_browsers_key_only_claims() -> None:
    events, _ = taken(post("/v1/batch", batch(event_of()), BROWSER))
    assert [(e.source, e.trust) for e in events] == [("web", CLAIMED)]


def test_no_key_and_a_wrong_one_are_told_apart() -> None:
    assert told(ask(post("/v1/batch", batch(event_of()), "")))["code"] == "missing_write_key"
    assert told(ask(post("/v1/batch", b"no JSON", "wrong")))["code"] == "unknown_write_key"
    wrong = ask(post("/v1/t", json.dumps(event_of(writeKey="wrong")).encode(), ""))
    assert (wrong.status, told(wrong)["code"]) == (401, "unknown_write_key")


# Bad events


def test_r6_one_invalid_among_a_hundred() -> None:
    events = [event_of(messageId=f"m{i}") for i in range(100)]
    events[7] = {"type": "track", "messageId": "m7", "event": "Seen"}
    request = post("/v1/batch", batch(*events))
    good, dead = taken(request)
    assert len(good) == 99
    assert [(d.code, json.loads(d.body)["messageId"]) for d in dead] == [("no_identifier", "m7")]
    answer = ask(request)
    assert answer.status == 200
    assert told(answer) == {
        "success": True,
        "accepted": 99,
        "rejected": [
            {
                "index": 7,
                "message_id": "m7",
                "code": "no_identifier",
                "message": "the event names nobody: userId or anonymousId was expected",
            }
        ],
    }


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (
            b'{"type":"track","event":"E","anonymousId":"a","properties":{"a":NaN}}',
            "number_out_of_range",
        ),
        (
            rb'{"type":"track","event":"E","anonymousId":"a","properties":{"a":"\ud83d"}}',
            "invalid_unicode",
        ),
        (
            b'{"type":"track","event":"E","anonymousId":"a","properties":{"a":"\xff"}}',
            "invalid_unicode",
        ),
        (
            b'{"type":"track","event":"E","anonymousId":"a","properties":{"a":1e999}}',
            "number_out_of_range",
        ),
        (b"5", "invalid_event"),
    ],
)
def test_r6_what_is_hardly_json_costs_only_itself(bad: bytes, code: str) -> None:
    good = json.dumps(event_of(messageId="m1")).encode()
    events, dead = taken(post("/v1/batch", b'{"batch":[%s,%s,%s]}' % (good, bad, good)))
    assert [e.message_id for e in events] == ["m1", "m1"]
    assert [d.code for d in dead] == [code]


def test_r51_a_rounded_amount_is_refused_in_words() -> None:
    body = b'{"event":"Paid","anonymousId":"a1","properties":{"amount":123456789012345678901}}'
    answer = ask(post("/v1/track", body))
    assert answer.status == 400
    assert told(answer)["code"] == "number_out_of_range"
    _, dead = taken(post("/v1/track", body))
    assert [d.body for d in dead] == [body]


def test_a_single_event_that_is_too_large_is_413_and_kept() -> None:
    body = json.dumps(event_of(properties={"a": ["x" * 8000] * 5})).encode()
    answer = ask(post("/v1/track", body))
    assert (answer.status, told(answer)["code"]) == (413, "event_too_large")
    _, dead = taken(post("/v1/track", body))
    assert [d.body for d in dead] == [body]


def test_a_message_id_cut_in_the_middle_of_a_character_can_be_answered() -> None:
    for more in (b"", b',"properties":{"a":NaN}'):
        bad = rb'{"type":"track","event":"E","anonymousId":"a","messageId":"m\ud83d"%b}' % more
        answer = ask(post("/v1/batch", b'{"batch":[%s]}' % bad))
        assert told(answer)["rejected"][0]["message_id"] == "m?"


def test_a_huge_batch_of_nothing_is_refused_in_little_time() -> None:
    for item in (b"1,", b"NaN,", b"{},"):
        body = b'{"batch":[%s1]}' % (item * (4_000_000 // len(item)))
        start = time.perf_counter()
        assert ask(post("/v1/batch", body)).status in (400, 413)
        assert time.perf_counter() - start < 2


def test_what_is_no_json_says_where() -> None:
    for path in ("/v1/batch", "/v1/track"):
        answer = ask(post(path, b'{"batch":[}'))
        assert (answer.status, told(answer)["code"]) == (400, "invalid_json")
        assert "byte 10" in told(answer)["message"]
    assert told(ask(post("/v1/batch", b'{"batch":[')))["message"].endswith("(byte 10)")
    assert told(ask(post("/v1/batch", b"[]")))["code"] == "invalid_batch"
    assert told(ask(post("/v1/batch", b'{"batch":{}}')))["code"] == "invalid_batch"


def test_deep_nesting_is_an_answer_and_no_crash() -> None:
    deep = b"[" * 1_000_000
    assert ask(post("/v1/batch", b'{"batch":[' + deep)).status == 400
    assert ask(post("/v1/track", b'{"properties":' + deep)).status in (400, 413)
    assert (
        ask(post("/v1/batch", b'{"x":' + deep + b"]" * 1_000_000 + b',"batch":[]}')).status == 400
    )


def test_an_empty_batch_is_fine() -> None:
    assert told(ask(post("/v1/batch", b'{"batch":[]}'))) == {"success": True, "accepted": 0}


def test_the_path_says_what_a_single_event_is() -> None:
    names = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}
    body = json.dumps({"event": "Seen", "userId": "u1"}).encode()
    for kind, short in names.items():
        for path in (f"/v1/{kind}", f"/v1/{short}", f"/{kind}", f"/{short}"):
            events, _ = taken(post(path, body))
            assert [e.kind for e in events] == [kind]


def test_batch_level_context_and_sent_at_are_every_events() -> None:
    events, _ = taken(
        post(
            "/v1/batch",
            batch(
                event_of(timestamp=NOW_MS - 3_601_000, context={"locale": "de"}),
                context={"locale": "en", "timezone": "Europe/Berlin"},
                sentAt=NOW_MS - 3_600_000,
            ),
        )
    )
    assert events[0].context == {"locale": "de", "timezone": "Europe/Berlin"}
    assert events[0].time == NOW_MS - 1000


# Limits


def test_too_many_events_are_refused_as_a_whole() -> None:
    assert ask(post("/v1/batch", b'{"batch":[%s]}' % b",".join([b"{}"] * 5001))).status == 413
    assert ask(post("/v1/batch", b'{"batch":[%s]}' % b",".join([b"{}"] * 5000))).status == 200


def test_gzip_is_known_by_its_first_bytes() -> None:
    body = batch(event_of())
    for headers in ({}, {"content_encoding": "gzip"}):
        assert len(taken(post("/v1/batch", gzip.compress(body), **headers))[0]) == 1
    assert len(taken(post("/v1/batch", body, content_encoding="gzip"))[0]) == 1
    halves = gzip.compress(body[:20]) + gzip.compress(body[20:])
    assert len(taken(post("/v1/batch", halves))[0]) == 1
    for broken in (gzip.compress(body)[:-9], gzip.compress(body)[:-1] + b"x", b"\x1f\x8bnope"):
        assert told(ask(post("/v1/batch", broken)))["code"] == "invalid_encoding"
    assert told(ask(post("/v1/batch", body, content_encoding="br")))["code"] == "invalid_encoding"


def test_a_gzip_bomb_is_refused_fast_and_in_little_memory() -> None:
    bombs = [gzip.compress(bytes(200_000_000), 6), gzip.compress(bytes(300_000)) * 1000]
    for bomb in bombs:
        tracemalloc.start()
        start = time.perf_counter()
        answer = ask(post("/v1/batch", bomb, content_encoding="gzip"))
        seconds = time.perf_counter() - start
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (answer.status, told(answer)["code"]) == (413, "request_too_large")
        assert seconds < 1
        assert peak < 16_000_000


def test_many_small_gzip_members_do_not_cost_their_square() -> None:
    many = gzip.compress(b"") * 200_000  # 4 MB
    start = time.perf_counter()
    assert isinstance(inflate(many[: Caps().body_bytes], b"", Caps()), Corrupt)
    assert time.perf_counter() - start < 2


def test_a_body_beyond_the_cap_is_refused_unread() -> None:
    assert isinstance(inflate(bytes(4 * 1024 * 1024 + 1), b"", Caps()), TooLarge)


# HTTP


def test_errors_carry_cors_headers_too() -> None:
    for request in (
        post("/v1/batch", b"", "wrong", origin="https://shop.example"),
        post("/nowhere", b"", origin="https://shop.example"),
        post("/v1/batch", b"{", origin="https://shop.example"),
        post("/v1/t", b"{}", origin="https://shop.example"),
    ):
        headers = dict(ask(request).headers)
        assert headers[b"access-control-allow-origin"] == b"https://shop.example"
        assert headers[b"access-control-expose-headers"] == b"Retry-After"
        assert headers[b"vary"] == b"Origin"


def test_a_hostile_origin_is_not_echoed() -> None:
    answer = ask(post("/v1/t", b"{}", origin="https://a\x0db"))
    assert b"access-control-allow-origin" not in dict(answer.headers)


def test_unknown_paths_and_methods() -> None:
    assert told(ask(post("/v2/batch", b"{}")))["code"] == "not_found"
    wrong = ask(Request("GET", "/v1/batch"))
    assert (wrong.status, told(wrong)["code"]) == (405, "method_not_allowed")
    assert dict(wrong.headers)[b"allow"] == b"POST"


def test_health() -> None:
    draining = Door(KeyRing(), ready=False)
    for path, door, status in (
        ("/healthz", DOOR, 200),
        ("/healthz", draining, 200),
        ("/readyz", DOOR, 200),
        ("/readyz", draining, 503),
    ):
        answer = handle(Request("GET", path), door, 0)
        assert isinstance(answer, Response)
        assert answer.status == status


def test_a_draining_door_takes_nothing() -> None:
    answer = handle(
        post("/v1/batch", batch(event_of())), msgspec.structs.replace(DOOR, ready=False), 0
    )
    assert isinstance(answer, Response)
    assert answer.status == 503
    assert 0 < int(dict(answer.headers)[b"retry-after"]) <= 300


@given(
    st.sampled_from(["/v1/batch", "/v1/t", "/b", "/v1/m", "/healthz", "/x"]),
    st.binary(max_size=200) | st.sampled_from([b"{}", b'{"batch":[1,null,[]]}']),
    st.sampled_from(["WRITE_KEY", "wrong", ""]),
    st.text(max_size=20),
)
def test_any_request_gets_an_answer_that_sdks_can_read(
    path: str, body: bytes, key: str, origin: str
) -> None:
    answer = ask(post(path, body, key, origin=origin))
    assert answer.status in (200, 400, 401, 404, 405, 413)
    assert told(answer)["success"] is (answer.status == 200)
    assert answer.status == 200 or (told(answer)["code"] and told(answer)["message"])


@pytest.mark.parametrize(
    ("key", "header", "context", "asked"),
    [
        ("BROWSER_KEY", "1", {}, True),
        ("BROWSER_KEY", "0", {}, False),
        ("BROWSER_KEY", "", {"gpc": True}, True),
        ("BROWSER_KEY", "", {"gpc": "yes"}, False),
        ("WRITE_KEY", "1", {}, False),  # a server asks for nothing for itself
        ("WRITE_KEY", "", {"gpc": True}, True),  # but tells of a visitor
    ],
)
def test_global_privacy_control_is_kept_with_the_event(
    key: str, header: str, context: dict[str, Any], asked: bool
) -> None:
    one = event_of(context=context)
    batch = {"batch": [event_of()], "context": context}
    for path, body in (("/v1/track", one), ("/v1/batch", batch)):
        (event,), _ = taken(post(path, json.dumps(body).encode(), key, sec_gpc=header))
        assert event.context.get("gpc", False) is asked, path
