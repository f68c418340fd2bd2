"""`kairos doctor` finds what is wrong, and says what to do."""

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Timer

import httpx
import msgspec
import pytest
import redis
import structlog

from collector.keys import first_keys
from events import record
from events.record import Record, Version
from events.sources.replayed import ReplayedLog
from events.sources.valkey import ValkeyLog
from flows.engine import Engine
from flows.promises import broken_promises
from kairos.commands.doctor import command
from kairos.doctor import engine
from kairos.embedded import servers
from kairos.embedded.children import end
from kairos.embedded.stack import Stack
from kairos.example import example
from kairos.parts import collector, live
from kairos.parts.live import now_ms
from kairos.profile.beside import Beside, beside
from kairos.profile.everybody import InexactError, everybody_of
from kairos.settings import Collector, Log, Settings, SettingsError
from profile_state.stores.base import Mark
from profile_state.stores.redis import RedisStore
from tests.commands.conftest import Told
from tests.flows.test_crashes import FILES
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, an_event
from tests.triggers.orders import START, nine
from triggers.load import hash_of

Findings = dict[str, dict[str, str]]


def findings(capsys: pytest.CaptureFixture[str]) -> tuple[bool, Findings]:
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    return said["healthy"], {one["what"]: one for one in said["findings"]}


@pytest.fixture
def forgetful() -> Iterator[Path]:
    """A server with the options of a cache."""
    folder = Path(tempfile.mkdtemp(prefix="kairos-test-"))
    options = {"appendfsync": "everysec", "maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    process = servers.start(options, folder / "data", folder / "v.sock")
    try:
        servers.wait_for("test", process, folder / "v.sock", folder / "data")
        yield folder / "v.sock"
    finally:
        end(process)
        shutil.rmtree(folder)


def test_a_running_stack_is_healthy_until_something_is_left_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")["server"]
    with Stack(tmp_path, example()) as stack:
        assert command(data=tmp_path, workspace=example(), json=True) == 0
        healthy, found = findings(capsys)
        assert healthy
        assert {one["state"] for one in found.values()} == {"ok"}
        assert {"python", "server", "fsync", "workspace", "collector", "log", "ledger"} <= set(
            found
        )
        assert found["live flow"]["found"] == "everything in the log is applied and stored"
        assert command(data=tmp_path, hashes=True, json=True) == 0
        assert json.loads(capsys.readouterr().out)["people"] == 0

        for user in ("ana", "bob"):
            said = {"userId": user, "anonymousId": "ipad"}
            httpx.post(f"{stack.url}/v1/identify", json=said, auth=(key, ""))
        httpx.post(f"{stack.url}/v1/track", json={"event": "Seen"}, auth=(key, ""))
        with redis.Redis.from_url(stack.settings.ledger) as ledger:
            while not ledger.hlen("dead:{p0}") or not ledger.hget("counts:{p0}", "merge_refused"):
                time.sleep(0.01)
        assert command(data=tmp_path, json=True) == 0
        _, found = findings(capsys)
        assert found["dead letters"]["state"] == "warning"
        assert found["dead letters"]["found"] == "1 no_identifier"
        assert found["identity"]["found"].startswith("2 statements of who is who were left out")

        with closing(sqlite3.connect(stack.settings.deliveries / "slot-07.db")) as slot:
            day = datetime.fromtimestamp(time.time() + 86_400, UTC).date()
            ahead = (now_ms() + 86_400_000,)  # a clock that was 91 days ahead when it was pruned
            slot.executescript("PRAGMA user_version = 1; CREATE TABLE floor (decided INTEGER)")
            slot.execute("CREATE TABLE activation (channel TEXT, state TEXT)")
            slot.execute("INSERT INTO floor VALUES (?)", ahead)
            slot.commit()
        assert command(data=tmp_path, json=True) == 1
        _, found = findings(capsys)
        assert f"decided before {day}" in found["clock"]["found"]

        with closing(sqlite3.connect(stack.settings.deliveries / "cursor.db")) as cursors:
            cursors.execute("INSERT INTO used VALUES (63)")  # a slot that had a file, and has none
            cursors.commit()
        assert command(data=tmp_path, json=True) == 1
        _, found = findings(capsys)
        assert found["slots"]["found"].startswith("slot-63.db is missing")
        assert "restore the file from a backup" in found["slots"]["do"]


class Installation:
    """A log and a ledger of their own, on the server that tests share, and an engine now and then."""

    def __init__(self, valkey: Path, log: str, database: int) -> None:
        self.settings = Settings(
            Log(f"valkey://{valkey}?name={log}"), f"unix://{valkey}?db={database}"
        )

    def append(self, *entries: Iterable[Record], time: int = 0) -> None:
        """Append entries, now or at a time that is past."""
        log = ReplayedLog(self.settings.log.url)
        for records in entries:
            log.append_at(0, record.encode(list(records)), time or now_ms())
        log.close()

    def run(self, limit: int = 100) -> None:
        """Let an engine read everything, so many entries at a time, and end."""
        log, store = ValkeyLog(self.settings.log.url), RedisStore(self.settings.ledger)
        engine = Engine(log, store, ADDRESSES, clock=now_ms, monotonic=time.monotonic)
        engine.recover()
        if not engine.state.files and log.last(0) < 0:
            engine.adopt(FILES)
        while entries := log.read(0, engine.position, limit, 0):
            engine.process(entries)
        engine.drain()
        store.close()
        log.close()

    def hashes(self, monkeypatch: pytest.MonkeyPatch, told: Told) -> dict[str, str | int]:
        """Ask the command."""
        for name, value in self.settings.to_env().items():
            monkeypatch.setenv(name, value)
        assert command(hashes=True, json=True) == 0
        return told()


def lately() -> list[Record]:
    """Nine records of the last half an hour: windows leave none of them out while this runs."""
    shift = now_ms() - START - 30 * MINUTE
    return [msgspec.structs.replace(one, time=one.time + shift) for one in nine()]


def test_the_same_events_in_another_order_and_batching_have_the_same_facts(
    valkey: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    one, other = Installation(valkey, "one", 1), Installation(valkey, "other", 2)
    elsewhere = Installation(valkey, "elsewhere", 3)
    records, draw = lately(), Random(1)
    mixed = [*records, *draw.sample(records, 3)]
    draw.shuffle(mixed)
    first_view, *rest = records
    for installation in (one, other, elsewhere):
        installation.run()
    one.append(*([r] for r in records))
    one.run(limit=2)
    other.append(mixed[:5], mixed[5:7], mixed[7:])
    other.run()
    elsewhere.append([msgspec.structs.replace(first_view, properties={"product_id": "p9"}), *rest])
    elsewhere.run()
    first, second, third = (x.hashes(monkeypatch, told) for x in (one, other, elsewhere))
    assert first["facts"] == second["facts"] != third["facts"], "a counter of p9 is other facts"
    assert (first["people"], first["leaves"]) == (second["people"], second["leaves"]) == (4, 4)
    assert first["entry"] != second["entry"]


def test_what_has_left_every_window_is_no_fact_any_more(
    valkey: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    now = now_ms()
    view = an_event("product_viewed", user="ana", time=now - DAY - HOUR, message_id="m1")
    page = an_event("page_viewed", user="ana", time=now, message_id="m2")
    then, later = Installation(valkey, "then", 1), Installation(valkey, "later", 2)
    for installation, when in ((then, now - 2 * HOUR), (later, now)):
        installation.append([Version(hash_of(FILES), FILES, "")], time=when)
        installation.append([view], time=when)  # the older of the two remembers its instant
        installation.append([page], time=now)
        installation.run()
    assert then.hashes(monkeypatch, told)["facts"] == later.hashes(monkeypatch, told)["facts"]


def test_the_same_log_read_again_has_the_same_decisions(
    valkey: Path, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    live, again = Installation(valkey, "one", 1), Installation(valkey, "one", 2)
    live.run()
    for entry in ([r] for r in lately()):
        live.append(entry)
        live.run()
    again.run(limit=3)
    assert again.hashes(monkeypatch, told) == live.hashes(monkeypatch, told)


def test_people_read_hashes_in_lines(
    valkey: Path, monkeypatch: pytest.MonkeyPatch, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    installation = Installation(valkey, "one", 1)
    found = installation.hashes(monkeypatch, told)
    assert (found["entry"], found["people"], found["facts"]) == (-1, 0, "0" * 32)
    installation.run()
    installation.append(lately())
    installation.run()
    found = installation.hashes(monkeypatch, told)
    assert command(hashes=True) == 0
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert lines == {name: str(value) for name, value in found.items()}


def test_no_hash_is_shown_of_somebody_who_is_ahead_of_the_stored_offset(
    valkey: Path, monkeypatch: pytest.MonkeyPatch, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    installation = Installation(valkey, "one", 1)
    installation.run()
    installation.append(lately())
    installation.run()
    installation.hashes(monkeypatch, told)
    with redis.Redis.from_url(installation.settings.ledger) as ledger:
        ledger.hset("mark:{p0}", "nth", 3)  # as between two chunks of one entry
    assert command(hashes=True) == 1
    shown = capsys.readouterr()
    assert "and the stored offset is entry" in shown.err
    assert "facts" not in shown.out
    assert command(hashes=True, json=True) == 1
    assert told().keys() == {"error"}


def test_no_hash_is_shown_of_an_engine_that_is_behind_or_of_another_log(valkey: Path) -> None:
    installation = Installation(valkey, "one", 1)
    installation.run()
    installation.append(lately())
    with (
        beside(installation.settings) as running,
        pytest.raises(InexactError, match="the engine is behind"),
    ):
        everybody_of(running, patience_s=0.01)
    installation.run()
    elsewhere = msgspec.structs.replace(installation.settings, log=Log(f"valkey://{valkey}?name=b"))
    with (
        beside(elsewhere) as running,
        pytest.raises(InexactError, match="is it the log of this ledger"),
    ):
        everybody_of(running, patience_s=0.01)


class Busy(RedisStore):
    """A ledger to which something happens while people are read."""

    def __init__(self, url: str, happens: Callable[[], None]) -> None:
        super().__init__(url)
        self._happens = happens

    def within(self, first: int, last: int) -> list[str]:
        self._happens()
        return super().within(first, last)


def test_no_hash_is_shown_where_something_comes_in_meanwhile(valkey: Path) -> None:
    installation = Installation(valkey, "one", 1)
    installation.run()
    installation.append(lately())
    installation.run()

    def another_engine_stores() -> None:
        store = RedisStore(installation.settings.ledger)
        mark = store.own().mark
        store.mark(Mark(mark.offset._replace(nth=mark.offset.nth + 1), mark.files))
        store.settled(5)
        store.close()

    for happens, said in (
        (another_engine_stores, "the stored offset moved"),
        (lambda: installation.append(lately()), "came into the log while people were read"),
    ):
        log = ValkeyLog(installation.settings.log.url)
        store = Busy(installation.settings.ledger, happens)
        with pytest.raises(InexactError, match=said):
            everybody_of(Beside(log, store))
        store.close()
        log.close()


def test_a_server_that_forgets_is_wrong(
    tmp_path: Path,
    forgetful: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KAIROS_LOG_URL", f"valkey://{forgetful}?name=log")
    monkeypatch.setenv("KAIROS_LEDGER_URL", f"unix://{forgetful}")
    monkeypatch.setenv("KAIROS_DELIVERIES", str(tmp_path))
    monkeypatch.setenv("KAIROS_KEYS", str(tmp_path / "keys.json"))
    monkeypatch.setenv("KAIROS_PORT", "9")
    assert command() == 1
    said = capsys.readouterr().out
    assert "maxmemory-policy is allkeys-lru" in said
    assert "appendfsync everysec\n" in said
    assert "set appendonly yes, appendfsync always, no-appendfsync-on-rewrite no" in said
    assert "http://127.0.0.1:9 does not answer" in said
    assert "WARNING  write keys" in said


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """A part sets up its log lines for the whole process."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("part", [live.main, collector.main])
def test_no_part_starts_over_a_log_that_forgets(
    part: Callable[[Settings], int], tmp_path: Path, forgetful: Path
) -> None:
    first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")
    settings = Settings(
        log=Log(f"valkey://{forgetful}?name=log"),
        ledger=f"unix://{forgetful}",
        collector=Collector(keys=tmp_path / "keys.json"),
    )
    with pytest.raises(SettingsError, match=r"KAIROS_LOG_URL: .*allkeys-lru.*everysec .*always"):
        part(settings)


@pytest.mark.parametrize(
    ("option", "value"),
    [("appendfsync", "everysec"), ("no-appendfsync-on-rewrite", "yes")],
)
def test_a_log_that_answers_before_it_has_synced_is_not_trusted(
    valkey: Path, option: str, value: str
) -> None:
    url = f"unix://{valkey}"
    assert broken_promises(url, durable=True) == []
    with redis.Redis.from_url(url) as client:
        before = client.config_get(option)[option]
        client.config_set(option, value)
        try:
            [broken] = broken_promises(url, durable=True)
        finally:
            client.config_set(option, before)
    assert broken.found == f"{option} {value}"
    assert broken_promises(url, durable=False) == []


@pytest.mark.usefixtures("logging_restored")
def test_servers_that_were_away_at_the_start_are_asked_when_they_answer(
    tmp_path: Path, forgetful: Path
) -> None:
    late = tmp_path / "late.sock"
    settings = Settings(
        log=Log(f"valkey://{late}?name=log"), ledger=f"unix://{late}", copies=tmp_path
    )
    coming = Timer(0.3, lambda: late.symlink_to(forgetful))
    coming.start()
    with pytest.raises(SettingsError, match=r"KAIROS_LOG_URL: .*allkeys-lru"):
        live.main(settings)
    coming.join()


@pytest.mark.usefixtures("logging_restored")
def test_no_engine_starts_over_a_ledger_that_forgets(tmp_path: Path, forgetful: Path) -> None:
    with redis.Redis(unix_socket_path=str(forgetful)) as client:
        client.config_set("appendonly", "yes")
        client.config_set("appendfsync", "always")
        client.config_set("maxmemory-policy", "volatile-ttl")
    settings = Settings(
        log=Log("kafka://127.0.0.1:9/events"), ledger=f"unix://{forgetful}", copies=tmp_path
    )
    with pytest.raises(SettingsError, match=r"KAIROS_LEDGER_URL: .*volatile-ttl .*noeviction"):
        live.main(settings)


def test_what_a_folder_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first_keys(tmp_path / "keys.json", "2026-11-25T00:00:00Z")
    (tmp_path / "keys.json").chmod(0o644)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "workspace.yaml").write_text("workspace: shop\ntimezone: Mars\n")
    assert command(data=tmp_path, workspace=tmp_path / "shop") == 1
    said = capsys.readouterr().out
    assert "can be read by others" in said
    assert "chmod 600" in said
    assert "workspace.yaml:2:" in said
    assert f"`kairos up --data {tmp_path}` starts one" in said


def test_a_channel_that_is_held_is_named_with_the_reason(tmp_path: Path) -> None:
    settings = Settings(status=tmp_path)
    assert list(engine._held(engine._said(settings, "workers"))) == []
    told = {"held": {"email": "the provider fails, asked again in 12 s"}}
    (tmp_path / "workers.json").write_bytes(msgspec.json.encode(told))
    [found] = engine._held(engine._said(settings, "workers"))
    assert (found.what, found.state) == ("channel email", "warning")
    assert found.found == told["held"]["email"]
