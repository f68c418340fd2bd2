"""A shop's own server reads people, on a stack of real processes."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from collector.keys import Kind, first_keys
from kairos.embedded.stack import Stack
from kairos.profile.read import read
from tests.e2e.stacks import eventually, post, watched, workspace

FILES = {
    "workspace.yaml": "workspace: shop\npurposes: {marketing: {default: denied}}\n",
    "segments/warm.yaml": "segment: warm\nif: count(product_viewed, last 7d) >= 2\n",
}


class Site:
    """A stack, and whoever reads and writes there."""

    def __init__(self, stack: Stack, keys: dict[Kind, str]) -> None:
        self.stack = stack
        self.browser, self.server = keys["browser"], keys["server"]
        self.http = httpx.Client(base_url=stack.url, auth=(self.server, ""), timeout=20)

    def say(self, *calls: dict[str, Any]) -> None:
        assert post(self.stack, self.server, list(calls)).json()["accepted"] == len(calls)

    def ask(self, who: str) -> httpx.Response:
        return self.http.get(f"/v1/profiles/{who}")

    def profile(self, who: str) -> dict[str, Any]:
        answer = self.ask(who)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["profile"]
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("profiles")
    (folder / "data").mkdir()
    keys = first_keys(folder / "data/keys.json", "2026-11-25T00:00:00Z")
    with Stack(folder / "data", workspace(folder / "shop", FILES)) as stack, watched(stack):
        one = Site(stack, keys)
        yield one
        one.http.close()


def viewed(user: str, n: int) -> dict[str, Any]:
    return {"type": "track", "event": "Product Viewed", "userId": user, "messageId": f"{user}.{n}"}


def test_what_is_known_of_somebody(site: Site) -> None:
    said = {"purpose": "marketing", "channel": "email", "granted": True}
    site.say(
        {"type": "identify", "userId": "ana", "traits": {"email": "Ana@Shop.example", "plan": "pro"}},
        {"type": "track", "event": "Consent Updated", "userId": "ana", "properties": said},
        viewed("ana", 1),
        viewed("ana", 2),
    )  # fmt: skip
    scored = {"batch": [{"userId": "ana", "scores": {"ltv": 120.5}}]}
    assert site.http.post("/v1/scores", json=scored).status_code == 200
    claim = {"type": "identify", "userId": "ana", "anonymousId": "a1", "traits": {"color": "red"}}
    assert post(site.stack, site.browser, [claim]).status_code == 200
    found = site.profile("user_id:ana")
    assert found["identifiers"] == ["anonymous_id:a1", "email:ana@shop.example", "user_id:ana"]
    assert found["traits"] == {"email": "ana@shop.example", "plan": "pro", "color": "red"}
    assert found["claimed"] == ["color"]
    assert (found["scores"], found["segments"]) == ({"ltv": 120.5}, ["warm"])
    assert found["consents"] == {"marketing": {"email": True}}
    assert site.profile("Ana@Shop.example") == {**found, "as_of": site.profile("ana")["as_of"]}
    shown = read(site.stack.settings, "user_id:ana", 0)
    assert shown is not None
    assert (shown.id, shown.events, shown.first) == (found["id"], found["events"], found["first"])
    assert {name: said["value"] for name, said in shown.traits.items()} == found["traits"]


def test_whoever_writes_reads_what_they_wrote(site: Site) -> None:
    for n in range(60):
        user = f"w{n % 7}"
        site.say({"type": "identify", "userId": user, "traits": {"n": n}, "messageId": f"w{n}"})
        assert site.profile(f"user_id:{user}")["traits"]["n"] == n


def test_many_ask_while_events_come(site: Site) -> None:
    wrong: list[object] = []

    def asks(user: str) -> None:
        with httpx.Client(base_url=site.stack.url, auth=(site.server, ""), timeout=20) as http:
            for n in range(30):
                call = {"event": "Product Viewed", "userId": user, "messageId": f"{user}.{n}"}
                assert http.post("/v1/track", json=call).status_code == 200
                events = http.get(f"/v1/profiles/user_id:{user}").json()["profile"]["events"]
                if events != n + 1:
                    wrong.append((user, n, events))

    asking = [threading.Thread(target=asks, args=(f"m{n}",)) for n in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert wrong == []


def test_who_is_nobody_and_who_could_be_several(site: Site) -> None:
    assert site.ask("user_id:nobody-knows").json()["code"] == "unknown_profile"
    assert site.ask("").status_code == 404
    assert site.ask("x" * 301).status_code == 404
    site.say({"type": "page", "userId": "twin"}, {"type": "page", "anonymousId": "twin"})
    assert site.ask("twin").status_code == 409
    assert site.ask("user_id:twin").status_code == 200


def test_r49_a_browsers_key_reads_nobody(site: Site) -> None:
    site.say({"type": "identify", "userId": "eve", "traits": {"secret": "canary-1957"}})
    for auth in ((site.browser, ""), ("nonsense", ""), None):
        answer = httpx.get(f"{site.stack.url}/v1/profiles/user_id:eve", auth=auth)
        assert answer.status_code in (401, 403)
        assert "canary" not in answer.text


def test_an_engine_that_died_is_said_to_be_away_and_knows_everybody_when_it_is_back(
    site: Site,
) -> None:
    site.say({"type": "identify", "userId": "late", "traits": {"n": 1}})
    os.kill(site.stack.children["live"].process.pid, signal.SIGKILL)
    first = site.ask("user_id:late")
    assert first.status_code == 200 or first.json()["code"] in ("engine_away", "engine_behind")
    assert eventually(lambda: site.ask("user_id:late").status_code == 200)
    assert site.profile("user_id:late")["traits"] == {"n": 1}
    assert site.ask("user_id:nobody-knows").status_code == 404
