"""Real SDKs, pointed at a running stack: every call arrives, and the profile shows it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.keys import KeyRing, create
from kairos.commands.profile import command
from kairos.embedded.stack import Stack
from kairos.example import example
from kairos.profile.read import Profile, read
from kairos.snippets import snippet
from tests.clients import run_client

CALLS = """
import sys
from segment.analytics.client import Client

client = Client(
    {key!r}, host={url!r}, gzip={gzip}, on_error=lambda error, items: sys.exit(str(error))
)
client.identify("u-7", {{"email": "uma@shop.example", "firstName": "Uma", "age": 31}})
client.track("u-7", "Product Viewed", {{"product_id": "p-7", "price": 40}})
client.track("u-7", "Product Viewed", {{"product_id": "p-8", "price": 50}})
client.page("u-7", "Docs", "Home", {{"url": "https://shop.example/"}})
client.screen("u-7", "Docs", "Start")
client.group("u-7", "g-1", {{"plan": "pro"}})
client.alias("anon-7", "u-7")
client.track(anonymous_id="anon-7", event="Cart Updated", properties={{"cart_id": "c1"}})
client.shutdown()
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    data = tmp_path_factory.mktemp("data")
    text, key = create("server", "server", "2026-11-25T00:00:00Z")
    KeyRing([key]).save(data / "keys.json")
    with Stack(data, example()) as running:
        yield running, text


def seen(stack: Stack, who: str) -> Profile:
    found = read(stack.settings, who, 50)
    assert found is not None
    assert not found.behind
    return found


@pytest.mark.parametrize("gzip", [False, True])
def test_segments_python_client_delivers_every_call(stack: tuple[Stack, str], gzip: bool) -> None:
    running, key = stack
    before = read(running.settings, "u-7", 50)
    run_client(CALLS.format(key=key, url=running.url, gzip=gzip))
    found = seen(running, "user_id:u-7")
    assert found.identifiers == ["anonymous_id:anon-7", "email:uma@shop.example", "user_id:u-7"]
    traits = {name: said["value"] for name, said in found.traits.items()}
    assert traits["email"] == "uma@shop.example"
    assert (traits["first_name"], traits["age"]) == ("Uma", 31)
    assert [(one["kind"], one["address"]) for one in found.addresses] == [
        ("email", "uma@shop.example")
    ]
    names = Counter(event["name"] for event in found.recent)
    names -= Counter(event["name"] for event in before.recent) if before is not None else Counter()
    assert names == {
        "identify": 1,
        "product_viewed": 2,
        "page_viewed": 1,
        "screen_viewed": 1,
        "group": 1,
        "alias": 1,
        "cart_updated": 1,
    }
    assert found.events == 8 + (before.events if before is not None else 0)
    for other in ("anon-7", "Uma@shop.example", found.id):
        assert seen(running, other).id == found.id


def test_the_snippet_that_comes_with_a_key_runs_as_it_is(stack: tuple[Stack, str]) -> None:
    running, key = stack
    code = snippet("server", running.url, key)
    run_client(code[code.index("import segment") :])
    found = seen(running, "u-1")
    assert found.traits["first_name"]["value"] == "Ana"
    assert [event["name"] for event in found.recent] == ["signed_up", "identify"]
    assert [message.trigger for message in found.messages] == ["welcome"]


def test_the_command_shows_it_to_people_and_to_programs(
    stack: tuple[Stack, str], capsys: pytest.CaptureFixture[str]
) -> None:
    running, key = stack
    run_client(CALLS.format(key=key, url=running.url, gzip=False))
    assert command("u-7", data=running.data) == 0
    said = capsys.readouterr().out
    for part in ("identifiers", "traits", "counters", "recent events", "cart_updated"):
        assert part in said
    assert command("u-7", data=running.data, events=2, json=True) == 0
    assert len(json.loads(capsys.readouterr().out)["recent"]) == 2
    assert command("nobody", data=running.data) == 1
    assert "nobody is 'nobody'" in capsys.readouterr().err


def test_an_id_that_means_two_people_asks_for_its_type(
    stack: tuple[Stack, str], capsys: pytest.CaptureFixture[str]
) -> None:
    running, key = stack
    run_client(
        f"""
from segment.analytics.client import Client
client = Client({key!r}, host={running.url!r})
client.track("twin", "Seen")
client.track(anonymous_id="twin", event="Seen")
client.shutdown()
"""
    )
    seen(running, "user_id:twin")
    assert command("twin", data=running.data) == 2
    assert "ask for anonymous_id:twin or user_id:twin" in capsys.readouterr().err


def test_where_no_engine_runs_it_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("u-7", data=tmp_path) == 2
    assert f"kairos up --data {tmp_path}" in capsys.readouterr().err
