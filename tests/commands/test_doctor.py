"""`kairos doctor` finds what is wrong, and says what to do."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import redis

from collector.keys import first_keys
from kairos.commands.doctor import command
from kairos.embedded import servers
from kairos.embedded.children import end
from kairos.embedded.stack import Stack
from kairos.example import example
from kairos.parts import collector, live
from kairos.settings import Collector, Log, Settings, SettingsError

Told = dict[str, dict[str, str]]


def told(capsys: pytest.CaptureFixture[str]) -> tuple[bool, Told]:
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
        healthy, found = told(capsys)
        assert healthy
        assert {one["state"] for one in found.values()} == {"ok"}
        assert {"python", "server", "fsync", "workspace", "collector", "log", "ledger"} <= set(
            found
        )
        assert found["live flow"]["found"] == "everything in the log is applied and stored"

        httpx.post(f"{stack.url}/v1/track", json={"event": "Seen"}, auth=(key, ""))
        with redis.Redis.from_url(stack.settings.ledger) as ledger:
            while not ledger.hlen("dead:{p0}"):
                pass
        assert command(data=tmp_path, json=True) == 0
        _, found = told(capsys)
        assert found["dead letters"]["state"] == "warning"
        assert found["dead letters"]["found"] == "1 no_identifier"


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
    assert "appendonly yes, appendfsync everysec" in said
    assert "http://127.0.0.1:9 does not answer" in said
    assert "WARNING  write keys" in said


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
