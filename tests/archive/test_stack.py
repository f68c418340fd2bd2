"""R14 with the real processes: the log forgets, the ledger is wiped, and everybody is as before."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest
import redis

from collector.keys import first_keys
from events.archive.folder import Archive
from flows.open import open_log, open_whole
from kairos.commands.doctor import command
from kairos.embedded.stack import Stack, StackError
from kairos.example import example
from kairos.settings import Settings

EVENTS = 300
PATIENCE_S = 60


def wait(done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until
        time.sleep(0.05)


def stored(settings: Settings) -> bool:
    with closing(open_whole(settings)) as log, redis.Redis.from_url(settings.ledger) as ledger:
        return int(ledger.hget("mark:{p0}", "entry") or -1) >= log.last(0)


def hashes(data: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert command(data=data, hashes=True, json=True) == 0
    said: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return said


def started(data: Path) -> Stack:
    stack = Stack(data, example())
    stack.settings = msgspec.structs.replace(stack.settings, archive_s=1)
    return stack


def test_r14_the_embedded_ledger_is_rebuilt_from_archive_and_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")["server"]
    archive = Archive(tmp_path / "archive", 0)
    with started(tmp_path) as stack:
        for n in range(0, EVENTS, 50):
            batch = [
                {
                    "type": "track",
                    "event": "product_viewed",
                    "userId": f"u{m % 20}",
                    "messageId": f"m{m}",
                }
                for m in range(n, n + 50)
            ]
            sent = httpx.post(f"{stack.url}/v1/batch", json={"batch": batch}, auth=(key, ""))
            assert sent.status_code == 200
        with closing(open_log(stack.settings.log)) as log:
            wait(lambda: stored(stack.settings) and archive.last == log.last(0))
            log.trim(0, archive.last + 1)
            assert log.gone(0) == archive.last
        assert command(data=tmp_path, json=True) == 0
        said = json.loads(capsys.readouterr().out.splitlines()[-1])["findings"]
        (found,) = [one for one in said if one["what"] == "archive"]
        assert found["state"] == "ok"
        assert found["found"].endswith("MB; 0 s are in the log alone")
        before = hashes(tmp_path, capsys)
        assert (before["people"], before["leaves"]) == (20, 20)
        with redis.Redis.from_url(stack.settings.ledger) as ledger:
            messages = ledger.xlen("activations:{p0}")
    shutil.rmtree(tmp_path / "ledger")
    with started(tmp_path) as stack:
        wait(lambda: stored(stack.settings))
        after = hashes(tmp_path, capsys)
        with redis.Redis.from_url(stack.settings.ledger) as ledger:
            assert ledger.xlen("activations:{p0}") <= messages
            assert ledger.hget("counts:{p0}", "applied") == b"%d" % EVENTS
    assert {n: after[n] for n in ("facts", "people", "leaves")} == {
        n: before[n] for n in ("facts", "people", "leaves")
    }
    assert after["decisions"] == before["decisions"]


READS_ON_AND_ON = """
import os, pathlib, time
(pathlib.Path(os.environ["KAIROS_STATUS"]) / "reading.json").write_text("{}")
time.sleep(600)
"""


def test_the_door_is_open_while_a_long_past_is_read(tmp_path: Path) -> None:
    key = first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")["server"]
    live = [sys.executable, "-c", READS_ON_AND_ON]
    with Stack(tmp_path, example(), programs={"live": live}, reads_s=0.1) as stack:
        said = {"userId": "ana", "event": "product_viewed"}
        sent = httpx.post(f"{stack.url}/v1/track", json=said, auth=(key, ""))
        assert sent.status_code == 200
    with Stack(tmp_path, example()) as stack:
        assert stack.settings.status is not None
        assert sorted(path.name for path in stack.settings.status.glob("*.json")) == [
            "archive.json",
            "collector.json",
            "live.json",
            "workers.json",
        ]
        wait(lambda: stored(stack.settings))
        with redis.Redis.from_url(stack.settings.ledger) as ledger:
            assert ledger.hget("counts:{p0}", "applied") == b"1"


def test_without_its_past_an_engine_does_not_start_and_says_what_is_missing(
    tmp_path: Path,
) -> None:
    key = first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")["server"]
    archive = Archive(tmp_path / "archive", 0)
    with started(tmp_path) as stack:
        said = {"userId": "ana", "event": "product_viewed"}
        httpx.post(f"{stack.url}/v1/track", json=said, auth=(key, ""))
        with closing(open_log(stack.settings.log)) as log:
            wait(lambda: stored(stack.settings) and archive.last == log.last(0))
            log.trim(0, archive.last + 1)
    for lost in ("ledger", "archive"):
        shutil.rmtree(tmp_path / lost)
    with pytest.raises(StackError, match="are missing; restore the segment"), started(tmp_path):
        pass
