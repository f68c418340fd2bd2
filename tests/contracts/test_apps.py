"""Apps: requests in the shape of the SDKs for Kotlin and Swift, over both servers.

Neither runs here, so these are written from their sources: Kotlin's sends gzip in chunks under
`text/plain` without Authorization, Swift's plain JSON; both have the write key in the body, name
the host without a scheme, and ask for their settings first.
"""

import gzip
import json
from typing import Any

import jwt
import pytest

from collector.door import Door
from events.proofs import Prover
from events.record import Event
from tests.collector.doubles import DOOR, MemoryLog
from tests.contracts.doors import DOORS, Running, answers, posting, told

SECRET = "s" * 32
NOW_US = 1_795_572_770_000_000  # 2026-11-25T02:12:50Z
PUSH = "fcm:APA91bHPRgkF3JUikC4ENAHEeMrd41Zxv3hVZjC9KtT8OvPVGJ"
CONTEXT = {
    "app": {"name": "Shop", "version": "2.1.0", "build": "210", "namespace": "example.shop"},
    "device": {
        "id": "9774d56d682e549c",
        "manufacturer": "Google",
        "model": "Pixel 8",
        "name": "shiba",
        "type": "android",
        "token": PUSH,
        "adTrackingEnabled": True,
    },
    "library": {"name": "analytics-kotlin", "version": "1.16.3"},
    "locale": "de-DE",
    "network": {"bluetooth": False, "cellular": False, "wifi": True},
    "os": {"name": "Android", "version": "15"},
    "screen": {"density": 2.625, "height": 2400, "width": 1080},
    "timezone": "Europe/Berlin",
    "userAgent": "Dalvik/2.1.0 (Linux; U; Android 15; Pixel 8)",
    "instanceId": "6ffb1b5a-8d6c-4e3f-9a2f-0a4b8a1a2c9d",
}
LIFECYCLE = (
    "Application Installed",
    "Application Opened",
    "Application Backgrounded",
    "Application Updated",
)


def event(n: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "anonymousId": "af4b1f32-4f6c-4d3a-9e55-0c8d6f5a7b11",
        "userId": "",
        "messageId": f"app-{n}",
        "timestamp": "2026-11-25T02:12:49.123Z",
        "context": CONTEXT,
        "integrations": {},
        "properties": {"version": "2.1.0", "build": "210"},
        "_metadata": {"bundled": [], "unbundled": [], "bundledIds": []},
        **more,
    }


def body(*events: dict[str, Any], key: str = "BROWSER_KEY") -> bytes:
    batch = {"batch": list(events), "sentAt": "2026-11-25T02:12:50.000Z", "writeKey": key}
    return json.dumps(batch).encode()


def chunked(raw: bytes, *fields: str) -> bytes:
    """A request as OkHttp writes it where it does not know the length."""
    head = ["POST /v1/b HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *fields]
    parts = [raw[start : start + 700] for start in range(0, len(raw), 700)]
    sent = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + sent + b"0\r\n\r\n"


@pytest.fixture(params=DOORS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def events_in(log: MemoryLog) -> list[Event]:
    assert all(isinstance(one, Event) for one in log.records)
    return [one for one in log.records if isinstance(one, Event)]


def test_an_app_with_kotlin_asks_for_its_settings_and_sends_its_life(name: str) -> None:
    log = MemoryLog()
    calls = [event(n, what) for n, what in enumerate(LIFECYCLE)]
    calls.append(event(8, "Push Delivered", properties={"message": "m1"}))
    calls.append(event(9, "Push Opened", properties={"message": "m1"}))
    packed = gzip.compress(body(*calls))
    head = (
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        "User-Agent: analytics-kotlin/1.16.3",
    )

    async def story(one: Running) -> None:
        said = (await one.client.get("/projects/BROWSER_KEY/settings")).json()
        assert said["integrations"]["Segment.io"]["apiHost"].endswith("/v1")
        raw = await one.raw(chunked(packed, *head, "Connection: close"))
        (answer,) = answers(raw)
        assert (answer.status, json.loads(answer.body)) == (200, {"success": True, "accepted": 6})

    told(name, story, log, now_us=lambda: NOW_US)
    found = events_in(log)
    assert [one.name for one in found] == [
        "application_installed",
        "application_opened",
        "application_backgrounded",
        "application_updated",
        "push_delivered",
        "push_opened",
    ]
    assert {one.leaf for one in found} == {"anonymous_id:af4b1f32-4f6c-4d3a-9e55-0c8d6f5a7b11"}
    assert found[0].context["device"]["token"] == PUSH
    assert found[0].context["app"] == {"name": "Shop", "version": "2.1.0", "build": "210"}
    assert found[0].time == 1_795_572_769_123
    assert all(one.addresses == {} for one in found), "whose device it is, nobody vouches for"


def test_an_app_with_swift_sends_plain_json(name: str) -> None:
    log = MemoryLog()
    raw = body(event(1, "Application Opened", userId="ana"))

    async def story(one: Running) -> None:
        answer = await one.raw(
            posting(raw, "Content-Type: application/json", "Connection: close", path="/v1/b")
        )
        assert answers(answer)[0].status == 200

    told(name, story, log)
    (opened,) = events_in(log)
    assert (opened.leaf, opened.addresses) == ("user_id:ana", {})


@pytest.mark.parametrize("vouched", ["by a token", "by a server"])
def test_a_device_gets_messages_once_somebody_vouches_for_whose_it_is(vouched: str) -> None:
    log = MemoryLog()
    claims = {"sub": "ana", "aud": "kairos", "exp": NOW_US // 1_000_000 + 600}
    context = {**CONTEXT, "identity_token": jwt.encode(claims, SECRET)}
    call = event(1, "Application Opened", userId="ana", context=context)
    raw = body(call, key="BROWSER_KEY" if vouched == "by a token" else "WRITE_KEY")
    door = Door(DOOR.keys, prover=Prover(SECRET, "kairos"))

    async def story(one: Running) -> None:
        assert (
            await one.client.post("/b", content=raw, headers={"authorization": ""})
        ).status_code == 200

    told("uvicorn", story, log, door=door, now_us=lambda: NOW_US)
    (opened,) = events_in(log)
    assert opened.addresses == {"push_token": PUSH}
