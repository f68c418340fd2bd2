"""The door behind HTTP, down to the parser: any bytes become an answer."""

import json
from random import Random
from typing import Any

from collector.handle import handle
from collector.outcome import Accepted
from collector.request import Request, Response
from events.record import decode, encode
from events.wire import RawContext, RawEvent
from tests.collector.doubles import BROWSER, DOOR, NOW_MS, SERVER
from tests.fuzz import values

SLOW_MS = 50.0  # of CPU: strangers send these
PATHS = (
    "track", "identify", "page", "screen", "group", "alias", "batch", "scores", "start", "exit", "catalog",
)  # fmt: skip
_WHO = {"userId": "u1", "anonymousId": "a1", "messageId": "m1", "timestamp": "2026-11-25T02:12:50Z"}
_CALLS: dict[str, dict[str, Any]] = {
    "track": {"type": "track", "event": "Seen", "properties": {"price": 9.5, "items": [{"id": "p"}]}},
    "identify": {"type": "identify", "traits": {"email": "a@shop.example", "phone": "+4915112345678"}},
    "page": {"type": "page", "name": "Home", "context": {"page": {"url": "https://shop.example/?a=1"}}},
    "screen": {"type": "screen", "name": "Home", "context": {"device": {"token": "abcdefgh"}}},
    "group": {"type": "group", "groupId": "g1", "traits": {"name": "Ä"}},
    "alias": {"type": "alias", "previousId": "user_id:u2"},
    "scores": {"scores": {"ltv": 1, "rfm": {"monetary": 5}, "recommended": ["p1"]}},
    "start": {"trigger": "welcome", "properties": {"order": 1}},
}  # fmt: skip


def seeds() -> list[bytes]:
    """One of each call; the first byte chooses path and key."""
    calls = {kind: {**call, **_WHO} for kind, call in _CALLS.items()}
    calls["exit"] = calls["start"]
    bodies: dict[str, object] = {
        kind: {"batch": [call]} if kind in ("scores", "start", "exit") else call
        for kind, call in calls.items()
    }
    bodies["page"] = {
        **dict.fromkeys(RawEvent.__struct_encode_fields__, "a"),
        **calls["page"],
        **{part: {"a": 1} for part in ("properties", "traits", "scores")},
        "context": {part: {"token": "abcdefgh"} for part in RawContext.__struct_encode_fields__},
    }
    bodies["batch"] = {"batch": list(calls.values()), "importId": "i1", "sentAt": "2026-11-25"}
    bodies["catalog"] = {"items": [{"id": "p1", "price": 9.5}, {"id": "p2", "gone": True}]}
    return [
        bytes((PATHS.index(kind),)) + json.dumps(said).encode() for kind, said in bodies.items()
    ]


def changed(data: bytes, chance: Random) -> bytes | None:
    """Change a value in the body."""
    body = values.changed(data[1:], chance)
    return None if body is None else data[:1] + body


def heavy() -> list[bytes]:
    """Nearly 32 KB each of what costs most."""
    batch, catalog, track, identify = (
        bytes((PATHS.index(kind),)) for kind in ("batch", "catalog", "track", "identify")
    )
    page = b'{"type":"page","userId":"u1"}'
    return [
        batch + b'{"batch":[' + b",".join([b"{}"] * 5_000) + b"]}",
        batch + b'{"batch":[' + b",".join([b"{}"] * 4_000) + b",NaN]}",
        batch + b'{"batch":[' + b",".join([page] * 1_080) + b"]}",
        catalog + b'{"items":[' + b",".join([b'{"id":1}'] * 3_600) + b"]}",
        track + b'{"event":"a","userId":"u","properties":{"a":[' + b"1," * 15_900 + b"1]}}",
        track + b'{"event":"a","userId":"u","properties":{"a":' + b"[" * 16_000 + b"]" * 16_000,
        track + b'{"event":"a","userId":"u","properties":{"a":' + b"9" * 32_000 + b"}}",
        identify + b'{"userId":"u","traits":{"email":"' + b"a." * 3_900 + b'@b.c"}}',
        identify + b'{"userId":"u","traits":{"phone":"' + b"+49" * 2_600 + b'"}}',
    ]


def one(data: bytes) -> None:
    """Answer a call with a key; what is taken in can be read out of the log again."""
    first, body = (data[0] if data else 0), data[1:]
    key = SERVER if first < 128 else BROWSER
    head = {b"authorization": b"Bearer " + key.encode()}
    request = Request("POST", f"/v1/{PATHS[first % len(PATHS)]}", b"", head, body)
    done = handle(request, DOOR, NOW_MS * 1000)
    answer = done.response if isinstance(done, Accepted) else done
    assert isinstance(answer, Response)
    assert answer.status < 500
    if isinstance(done, Accepted):
        assert len(decode(encode(list(done.records)))) == len(done.records)
