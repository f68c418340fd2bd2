"""Scores: stated by a server, remembered apart from traits, in conditions, bands and edges."""

from typing import Any

import msgspec
import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request
from events.record import DeadLetter, Event
from tests.shop import ADDRESSES, DAY, MINUTE, WORKSPACE, Shop
from triggers.load import load
from triggers.problems import WorkspaceError

KEYS = {kind: create(kind, "models", "2026-11-25T00:00:00Z") for kind in ("server", "browser")}
DOOR = Door(KeyRing([key for _, key in KEYS.values()]))


def post(kind: str, body: Any, path: str = "/v1/scores", time: int = 1_772_000_000_000) -> Any:
    auth = {b"authorization": b"Bearer " + KEYS[kind][0].encode()}
    request = Request("POST", path, b"", auth, msgspec.json.encode(body))
    return handle(request, DOOR, time * 1000)


def say(shop: Shop, user: str, **scores: Any) -> None:
    """The shop's models say something, through the door."""
    body = {"batch": [{"userId": user, "scores": scores, "messageId": f"s{shop.now}{user}"}]}
    done = post("server", body, time=shop.now)
    assert isinstance(done, Accepted), done.body
    shop.say(list(done.records))


def trigger(name: str, when: str, rest: str = "") -> dict[str, str]:
    text = f"""
trigger: {name}
when: {when}
reentry: always
{rest}
do: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
    return {f"triggers/{name}.yaml": text}


def test_scores_come_through_the_door_under_a_servers_key_alone() -> None:
    body = {"batch": [{"userId": "u1", "scores": {"ltv": 120.5, "rfm": {"monetary": 5}}}]}
    done = post("server", body)
    [event] = done.records
    assert isinstance(event, Event)
    assert (event.kind, event.name, event.leaf) == ("scores", "scores_updated", "user_id:u1")
    assert event.traits == {"%ltv": 120.5, "%rfm.monetary": 5}
    refused = post("browser", body)
    assert (refused.status, msgspec.json.decode(refused.body)["code"]) == (403, "server_key_needed")
    sly = {"batch": [{"type": "scores", "userId": "u1", "scores": {"ltv": 9}}]}
    [letter] = post("browser", sly, "/v1/batch").records
    assert isinstance(letter, DeadLetter)
    assert letter.code == "server_key_needed"


@pytest.mark.parametrize(
    "scores",
    [
        {},
        [1],
        {"ltv": [[1]]},
        {"ltv": [1] * 101},
        {"ltv": ["x" * 300]},
        {"ltv": {"a": {"b": 1}}},
        {"ltv": "x" * 300},
        "high",
    ],
)
def test_what_is_no_score_is_refused_in_words(scores: Any) -> None:
    done = post("server", {"batch": [{"userId": "u1", "scores": scores}]})
    if isinstance(done, Accepted):
        [letter] = done.records
        assert isinstance(letter, DeadLetter)
        assert letter.code in ("invalid_score", "invalid_event")
        assert "scores" in letter.reason


def test_no_sdk_can_state_a_score() -> None:
    body = {"userId": "u1", "traits": {"%ltv": 9, "ltv": 9}, "type": "identify"}
    [event] = post("server", {"batch": [body]}, "/v1/batch").records
    assert "%ltv" not in event.traits
    shop = Shop(trigger("rich", "{event: visited}", "if: [ltv >= 5]"))
    shop.do("identify", user="u1", traits={"ltv": 9})
    shop.do("visited", user="u1")
    assert not shop.sent, "a trait of that name is no score"
    say(shop, "u1", ltv=6)
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1


def test_the_latest_score_stands_whatever_the_order() -> None:
    shop = Shop(trigger("rich", "{event: visited}", "if: [score.fit = good, rfm.monetary = 5]"))
    early = post("server", {"batch": [{"userId": "u1", "scores": {"fit": "bad"}}]}, time=shop.now)
    shop.now += MINUTE
    say(shop, "u1", fit="good", rfm={"monetary": 5})
    shop.say(list(early.records))
    shop.do("visited", user="u1")
    assert len(shop.sent) == 1


def test_a_score_that_crosses_a_line_starts_a_trigger_each_time() -> None:
    files = trigger("alert", '{crosses: "churn > 0.7"}') | trigger("moved", "{changed: churn}")
    shop = Shop(files)
    for churn in (0.2, 0.8, 0.9, 0.3, 0.75):
        say(shop, "u1", churn=churn)
        shop.wait(MINUTE)
    assert len(shop.sent_by("alert")) == 2
    assert [(a.event["from"], a.event["to"]) for a in shop.sent_by("moved")][1:3] == [
        (0.2, 0.8),
        (0.8, 0.9),
    ]


RANKED = (
    WORKSPACE + "bands: {ltv: {high: top 20%, low: bottom 10%}, rfm.monetary: {best: top 20%}}\n"
)
SEGMENTS = {
    "segments/vips.yaml": "segment: vips\nif: [ltv is high]",
    "segments/poor.yaml": "segment: poor\nif: [ltv is low]",
    "segments/best.yaml": "segment: best\nif: [rfm.monetary is best]",
}


def members(shop: Shop, segment: str) -> set[str]:
    people = shop.engine.state.people.values()
    return {next(iter(p.leaves))[8:] for p in people if segment in p.member}


def test_a_band_of_the_top_fifth_holds_a_fifth_of_those_with_a_score() -> None:
    shop = Shop(SEGMENTS, workspace=RANKED)
    values = {f"u{n}": 1.7 * n + 3 for n in range(200)}
    for user, ltv in values.items():
        say(shop, user, ltv=ltv, rfm={"monetary": 1 + int(user[1:]) % 5})
    shop.do("visited", user="nobody")
    assert not members(shop, "vips"), "nobody has worked it out yet"
    shop.wait(MINUTE)
    order = sorted(values, key=lambda user: values[user])
    assert len(members(shop, "vips") ^ set(order[-40:])) <= 2, "within one per cent of the score"
    assert len(members(shop, "poor") ^ set(order[:20])) <= 2
    assert members(shop, "best") == {u for u in values if int(u[1:]) % 5 == 4}
    assert shop.count("segment:vips") == len(members(shop, "vips"))


def test_a_band_moves_with_the_people_and_starts_no_trigger() -> None:
    files = SEGMENTS | trigger("hello_vip", "{segment: entered vips}")
    shop = Shop(files, workspace=RANKED)
    for n in range(10):
        say(shop, f"u{n}", ltv=10 * (n + 1))
    shop.wait(MINUTE)
    assert members(shop, "vips") == {"u8", "u9"}
    for n in range(10, 30):
        say(shop, f"u{n}", ltv=1000 + 10 * n)
    entered = len(shop.sent)
    assert entered == 20, "a person's own score that changes is an occurrence"
    shop.wait(MINUTE)
    shop.wait(MINUTE)  # counted are those who are written behind
    assert members(shop, "vips") == {f"u{n}" for n in range(24, 30)}
    assert len(shop.sent) == entered, "a band that moves is none"


def test_bands_outlive_the_engine_and_follow_joins_and_erasures() -> None:
    shop = Shop(SEGMENTS, workspace=RANKED)
    for n in range(10):
        say(shop, f"u{n}", ltv=10 * (n + 1))
    shop.wait(MINUTE)
    shop.open()
    shop.run()
    say(shop, "u3", ltv=500)
    assert "u3" in members(shop, "vips")
    shop.erase("user_id:u9")
    shop.join("user_id:u0", "user_id:u3")
    shop.wait(DAY)
    buckets = {n: c for n, c in shop.shelf.counts.items() if n.startswith("segment:%ltv") and c}
    assert sum(buckets.values()) == 8
    assert all(size > 0 for size in buckets.values())


@pytest.mark.parametrize(
    ("band", "message"),
    [
        ("top", "`>= 0.7`, `top 20%` or `bottom 10%` was expected, found 'top'"),
        ("top 0%", "a share above 0% and below 100%"),
    ],
)
def test_a_band_that_is_none_is_refused(band: str, message: str) -> None:
    files = {"workspace.yaml": WORKSPACE + f"bands: {{ltv: {{high: {band}}}}}\n"}
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    assert message in str(error.value)


def test_templates_read_scores_and_bands_of_traits_are_none() -> None:
    hello = "---\nsubject: Hi\n---\n{{ ltv }} {{ rfm.monetary }} {{ score.fit }} {{ plan }}"
    files = {"templates/hello.log.liquid": hello}
    text = trigger("hello", "{event: visited}")["triggers/hello.yaml"]
    text = text.replace("channels: [webhook]", "channels: [log], template: hello")
    shop = Shop(files | {"triggers/hello.yaml": text})
    shop.do("identify", user="u1", traits={"plan": "pro"})
    say(shop, "u1", ltv=12, rfm={"monetary": 5, "recency": 1}, fit="good")
    shop.do("visited", user="u1")
    [sent] = shop.sent
    assert sent.facts == {
        "ltv": 12,
        "rfm": {"monetary": 5},
        "score": {"fit": "good"},
        "plan": "pro",
    }
