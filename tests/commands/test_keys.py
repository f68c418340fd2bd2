"""`kairos keys`: made, listed, revoked, and a collector that takes it up while it runs."""

import json
import threading
import time
from pathlib import Path

import httpx
import pytest

from collector.keys import KeyRing
from kairos.commands.keys import create, list_, revoke
from kairos.embedded.running import find
from kairos.embedded.stack import Stack
from kairos.example import example

EVENT = {"event": "Seen", "userId": "u1"}


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    found: dict[str, str] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_a_key_is_made_listed_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert create("server", data=tmp_path, json=True) == 0
    made = told(capsys)
    assert made["key"] in made["snippet"]
    assert list_(data=tmp_path, json=True) == 0
    listed = capsys.readouterr().out
    assert made["id"] in listed
    assert made["key"] not in listed
    assert revoke(made["id"], data=tmp_path) == 0
    assert KeyRing.load(tmp_path / "keys.json").keys == ()


def test_what_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert revoke("nobody", data=tmp_path) == 2
    assert "has no key 'nobody'; there: none" in capsys.readouterr().err
    assert create("server", data=tmp_path / "none") == 2
    assert "`kairos up` makes it" in capsys.readouterr().err
    assert create("server", source="A b", data=tmp_path) == 2
    assert "such as 'web'" in capsys.readouterr().err
    (tmp_path / "keys.json").write_text("[1]")
    assert list_(data=tmp_path) == 2
    assert "a list of write keys was expected" in capsys.readouterr().err


def test_two_that_make_keys_at_once_lose_none(tmp_path: Path) -> None:
    makers = [
        threading.Thread(target=create, args=("server",), kwargs={"data": tmp_path})
        for _ in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(KeyRing.load(tmp_path / "keys.json").keys) == 8


def test_a_running_collector_takes_up_keys_and_lets_go_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(tmp_path) is None
    with Stack(tmp_path, example()) as stack, httpx.Client(base_url=stack.url) as client:
        running = find(tmp_path)
        assert running is not None
        assert running.ledger == stack.settings.ledger
        assert create("server", data=tmp_path, json=True) == 0
        made = told(capsys)
        assert stack.url in made["snippet"]

        def until(status: int) -> None:
            end = time.monotonic() + 5
            while (
                client.post("/v1/track", json=EVENT, auth=(made["key"], "")).status_code != status
            ):
                assert time.monotonic() < end
                time.sleep(0.05)

        until(200)
        good = (tmp_path / "keys.json").read_bytes()
        (tmp_path / "keys.json").write_text("damaged")
        time.sleep(0.8)
        until(200)  # the last good keys stay
        (tmp_path / "keys.json").write_bytes(good)
        assert revoke(made["id"], data=tmp_path) == 0
        until(401)
    assert find(tmp_path) is None
