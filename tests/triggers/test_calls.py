"""Runs that a server's call starts and ends, and those whom a definition moved or who are inside."""

import json
from typing import Any

import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request
from events.record import VERIFIED
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, WORKSPACE, Shop
from triggers.load import load
from triggers.problems import WorkspaceError

KEYS = {kind: create(kind, "shop", "2026-11-25T00:00:00Z") for kind in ("server", "browser")}
DOOR = Door(KeyRing([key for _, key in KEYS.values()]))


def post(
    path: str, call: dict[str, Any], kind: str = "server", time: int = 1_772_000_000_000
) -> Any:
    auth = {b"authorization": b"Bearer " + KEYS[kind][0].encode()}
    body = json.dumps({"batch": [call]}).encode()
    return handle(Request("POST", path, b"", auth, body), DOOR, time * 1000)


def call(shop: Shop, path: str, trigger: str, user: str = "u1", **properties: Any) -> None:
    said = {
        "trigger": trigger,
        "userId": user,
        "properties": properties,
        "messageId": f"c{shop.now}{user}{path}",
    }
    done = post(path, said, time=shop.now)
    assert isinstance(done, Accepted), done.body
    assert not done.rejected, done.response.body
    shop.say(list(done.records))


def journey(when: str, rest: str = "", wait: str = "2d", name: str = "it") -> dict[str, str]:
    text = f"""
trigger: {name}
when: {when}
{rest}
do:
  - send: {{channels: [webhook]}}
  - wait: {wait}
  - send: {{channels: [log]}}
deliver: {{purpose: product}}
"""
    return {f"triggers/{name}.yaml": text}


def channels(shop: Shop, name: str = "it") -> list[str]:
    return [one.channel for one in shop.sent_by(name)]


def test_a_call_starts_its_trigger_with_what_it_says_and_no_other() -> None:
    files = journey("{api: true, where: [event.total > 5]}", "key: order\nreentry: always")
    shop = Shop(files | journey("{api: true}", name="other"))
    call(shop, "/v1/start", "it", order="o1", total=9)
    call(shop, "/v1/start", "it", order="o2", total=1)
    call(shop, "/v1/start", "nobody_knows_it")
    assert [(a.trigger, a.event["order"]) for a in shop.sent] == [("it", "o1")]
    track = {
        "type": "track",
        "event": "start:it",
        "userId": "u1",
        "properties": {"order": "o3", "total": 9},
    }
    shop.say(list(post("/v1/batch", track, "browser", shop.now).records))
    assert len(shop.sent) == 1, "an event's name is a slug, and starts nothing"


def test_d11_a_call_ends_a_run_in_the_middle_of_its_wait_and_nothing_more_is_sent() -> None:
    shop = Shop(journey("{event: signed_up}") | journey("{event: signed_up}", name="other"))
    shop.do("signed_up", user="u1")
    shop.do("signed_up", user="u2")
    shop.wait(HOUR)
    call(shop, "/v1/exit", "it")
    shop.open()
    shop.wait(3 * DAY)
    assert [(a.leaf, a.channel) for a in shop.sent_by("it")][2:] == [("user_id:u2", "log")]
    assert channels(shop, "other") == ["webhook", "webhook", "log", "log"], "no other trigger's"
    assert "ended:api" in shop.refusals("it")


def test_a_call_ends_the_run_of_its_key_and_none_that_began_later() -> None:
    shop = Shop(journey("{event: ordered}", "key: order\nreentry: always"))
    for order in ("o1", "o2"):
        shop.do("ordered", user="u1", order=order)
    call(shop, "/v1/exit", "it", order="o1")
    early = post(
        "/v1/exit",
        {"trigger": "it", "userId": "u1", "timestamp": "2026-03-01T00:00:00Z"},
        time=shop.now,
    )
    shop.say(list(early.records))
    shop.wait(3 * DAY)
    assert [(a.channel, a.event["order"]) for a in shop.sent][2:] == [("log", "o2")]
    shop.do("ordered", user="u1", order="o3")
    call(shop, "/v1/exit", "it")
    shop.wait(3 * DAY)
    assert len(shop.sent) == 4, "without a key all of the person's"


@pytest.mark.parametrize("path", ["/v1/start", "/v1/exit"])
def test_only_a_servers_key_may_call_and_a_call_names_a_trigger(path: str) -> None:
    assert post(path, {"trigger": "it", "userId": "u1"}, "browser").status == 403
    refused = json.loads(post(path, {"userId": "u1"}).response.body)
    assert refused["rejected"][0]["code"] == "missing_trigger"
    sly = post("/v1/batch", {"type": path[4:], "trigger": "it", "userId": "u1"}, "browser")
    assert json.loads(sly.response.body)["rejected"][0]["code"] == "server_key_needed"


def segment(least: int) -> str:
    return f"segment: fans\nif: [count(visited) >= {least}]"


def fans(include: str, rest: str = "") -> dict[str, str]:
    text = f"""
trigger: hello
when: {{segment: entered fans{include}}}
{rest}
do: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
    return {"triggers/hello.yaml": text, "segments/fans.yaml": segment(3)}


@pytest.mark.parametrize(
    ("include", "entered"), [("", 0), (", include: changes", 1), (", include: members", 1)]
)
def test_who_an_edit_moves_enters_only_where_the_trigger_includes_changes(
    include: str, entered: int
) -> None:
    shop = Shop(fans(include))
    for _ in range(2):
        shop.do("visited", user="u1")
    shop.edit(segments__fans=segment(2))
    shop.wait(MINUTE)
    assert "fans" in shop.person("user_id:u1").member
    assert len(shop.sent) == entered


def test_an_import_starts_only_where_the_trigger_includes_changes() -> None:
    for include, entered in (("", 0), (", include: changes", 1)):
        shop = Shop(fans(include))
        for n in range(3):
            shop.do("visited", user="u1", import_id="old", time=shop.now - (90 + n) * DAY)
        assert "fans" in shop.person("user_id:u1").member
        assert len(shop.sent) == entered


def test_members_enter_once_by_the_sweep_whoever_is_inside_already() -> None:
    for include, entered in ((", include: changes", 0), (", include: members", 50)):
        shop = Shop({"segments/fans.yaml": segment(3)})
        for n in range(60):
            for _ in range(3 if n < 50 else 2):
                shop.do("visited", user=f"u{n}")
        shop.wait(MINUTE)
        shop.edit(triggers__hello=fans(include, "reentry: always")["triggers/hello.yaml"])
        shop.open()
        shop.run()
        shop.wait(MINUTE)
        assert len(shop.sent) == entered
        shop.edit(
            triggers__hello=fans(include, "reentry: always\npriority: 3")[
                "triggers/hello.yaml"
            ].replace("priority: 3\n", "")
        )
        shop.edit(segments__other="segment: other\nif: [plan = pro]")
        shop.wait(MINUTE)
        assert len(shop.sent) == entered, "nobody is enrolled twice"
        shop.do("identify", user="u1", trust=VERIFIED, traits={"plan": "pro"})
        shop.do("visited", user="u55")
        assert len(shop.sent) == entered + 1, "and who enters by themselves does"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("{event: x, include: changes}", "`include` goes with segment or crosses"),
        ("{api: true, event: x}", "found event and api"),
        ("{api: maybe}", "true"),
    ],
)
def test_what_makes_no_sense_is_refused(when: str, message: str) -> None:
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WORKSPACE, **journey(when)}, ADDRESSES)
    assert message in str(error.value)
