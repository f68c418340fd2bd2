"""R14 with the real processes: the log forgets, the ledger is wiped, and everybody is as before.

First from the first entry on; then, emptied while everything runs, from a checkpoint.
"""

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

from channels.delivery.beside import listed
from collector.keys import first_keys
from events.archive.folder import Archive
from events.sources.base import Log
from flows.engine import Engine
from flows.open import open_log, open_whole
from kairos.commands.archive import checkpoint
from kairos.commands.doctor import command
from kairos.discovery import found_in
from kairos.embedded.stack import Stack, StackError
from kairos.example import example
from kairos.settings import Settings, Upkeep
from profile_state.stores.memory import MemoryStore, Shelf
from tests.archive.rig import hashes as hashes_of
from tests.e2e.stacks import workspace
from tests.shared import LONG
from triggers.activation import decode

EVENTS = 300
FILES = {
    "workspace.yaml": "workspace: t\ntimezone: UTC\npurposes: {product: {default: allowed}}\n",
    "triggers/viewed.yaml": """
trigger: viewed
when: {event: product_viewed}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
}
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


def post(stack: Stack, key: str, first: int, last: int) -> None:
    for n in range(first, last, 50):
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


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    names = ("facts", "decisions", "people", "leaves")
    return [one[n] for n in names] == [other[n] for n in names]


def started(data: Path) -> Stack:
    shop = workspace(data / "workspace", FILES)
    stack = Stack(data, shop, upkeep=Upkeep(checkpoint_s=0))
    stack.settings = msgspec.structs.replace(stack.settings, archive_s=1)
    return stack


@LONG
def test_r14_the_embedded_ledger_is_rebuilt_from_archive_and_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")["server"]
    archive = Archive(tmp_path / "archive", 0)
    with started(tmp_path) as stack:
        post(stack, key, 0, EVENTS)
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
        assert same(hashes(tmp_path, capsys), before)
        with redis.Redis.from_url(stack.settings.ledger) as ledger:
            assert ledger.xlen("activations:{p0}") <= messages
            assert ledger.hget("counts:{p0}", "applied") == b"%d" % EVENTS
            assert checkpoint(data=tmp_path) == 0
            post(stack, key, EVENTS - 50, EVENTS + 50)  # half of them are copies
            shutil.rmtree(tmp_path / "copies")
            ledger.flushall()
            post(stack, key, EVENTS, EVENTS + 150)  # and the same again, while it comes back

            def again() -> bool:
                stack.watch()
                return stored(stack.settings)

            wait(again)
            assert ledger.hget("counts:{p0}", "applied") == b"%d" % (EVENTS + 150)
        assert "restored, reading on from there" in (tmp_path / "live.log").read_text()
        after = hashes(tmp_path, capsys)
        with closing(open_whole(stack.settings)) as whole:
            right, sent = read_anew(whole)
        assert (after["facts"], after["decisions"], after["people"], after["leaves"]) == right
        wait(lambda: delivered(tmp_path) == sent)
        assert len(sent) == EVENTS + 150


def read_anew(whole: Log) -> tuple[tuple[str, str, int, int], set[str]]:
    """Read everything in memory: the hashes, and what is to be sent."""
    addresses = {name: channel.ADDRESS for name, channel in found_in("channels").items()}
    shelf = Shelf()
    engine = Engine(whole, MemoryStore(shelf), addresses, clock=lambda: 0, monotonic=lambda: 0.0)
    engine.recover()
    while engine.position < whole.last(0):
        engine.process(engine.read())
    engine.drain()
    found = hashes_of(iter(shelf.people.values()), engine)
    return found, {a.id for entry in shelf.activations for a in decode(entry)}


def delivered(data: Path) -> set[str]:
    return {row.id for row in listed(data / "deliveries", "delivered")}


READS_ON_AND_ON = """
import os, pathlib, time
(pathlib.Path(os.environ["KAIROS_STATUS"]) / "reading.json").write_text("{}")
time.sleep(600)
"""


@LONG
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
