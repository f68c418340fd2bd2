"""docker-compose.yml, read as data: a client with the compose plugin is not everywhere."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from kairos.discovery import names_in
from kairos.embedded import servers
from kairos.settings import CHANNEL_OPTIONS, Collector, Settings

ROOT = Path(__file__).parents[2]
PARTS = ("collector", "live", "archive", "learn", "workers")


@pytest.fixture
def compose() -> dict[str, Any]:
    read: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")
    return read


def known_variables() -> set[str]:
    full = Settings(
        collector=Collector(seal=Path("k")),
        public_url="https://id.shop.example",
        workspace=Path("w"),
        archive=Path("a"),
        status=Path("s"),
    ).to_env()
    channels = {f"KAIROS_{c}_{o}".upper() for c, os in CHANNEL_OPTIONS.items() for o in os}
    return set(full) | channels


def test_every_part_is_a_service(compose: dict[str, Any]) -> None:
    assert [compose["services"][part]["command"] for part in PARTS] == [["run", p] for p in PARTS]
    assert set(PARTS) <= set(names_in("kairos.parts"))
    assert set(compose["services"]) == {*PARTS, "log", "ledger"}


@pytest.mark.parametrize("part", PARTS)
def test_every_variable_is_one_that_the_settings_read(compose: dict[str, Any], part: str) -> None:
    env = compose["services"][part]["environment"]
    assert {name.removesuffix("_FILE") for name in env} <= known_variables()
    read = {name: value for name, value in env.items() if not name.endswith("_FILE")}
    Settings.from_env(read)


@pytest.mark.parametrize("part", PARTS)
def test_every_secret_comes_from_a_file_that_the_part_is_given(
    compose: dict[str, Any], part: str
) -> None:
    service = compose["services"][part]
    used = {
        Path(value).name
        for value in map(str, service["environment"].values())
        if value.startswith("/run/secrets/")
    }
    assert used == set(service.get("secrets", []))
    assert used <= set(compose["secrets"])
    assert not [n for n in service["environment"] if re.search("SECRET$|PASSWORD$", n)]


@pytest.mark.parametrize(("service", "options"), [("log", servers.LOG), ("ledger", servers.LEDGER)])
def test_the_servers_run_as_the_embedded_ones_do(
    compose: dict[str, Any], service: str, options: dict[str, str]
) -> None:
    program, *words = compose["services"][service]["command"]
    given = dict(zip(words[::2], words[1::2], strict=True))
    embedded = {**servers.COMMON, **options}
    for ours in ("port", "daemonize", "unixsocketperm"):  # sockets here, a network there
        del embedded[ours]
    assert program == "valkey-server"
    assert given == {f"--{name}": value for name, value in embedded.items()}


def test_volumes_and_networks_are_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists()


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_special() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    kept = [line[1:] for line in ignored if line.startswith("!")]
    for one in kept:
        assert (ROOT / one).exists(), one
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for folder in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]:
        assert folder.partition("/")[0] in kept, f"{folder} is in the wheel, and not in the image"
