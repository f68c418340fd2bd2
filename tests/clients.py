"""Real clients, in environments of their own, as they run at a customer's."""

import fcntl
import os
import shutil
import subprocess
from functools import cache
from hashlib import blake2b
from pathlib import Path

from tests.shared import lacking

ROOT = Path(__file__).parents[1]
SDKS = Path(__file__).parent / "sdks"
MAILS = Path(__file__).parent / "mails"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@cache
def _python() -> tuple[str, str]:
    done = subprocess.run(
        [str(ROOT / "scripts/setup"), "clients"], check=False, capture_output=True, text=True
    )
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr.strip())


def python() -> str:
    """Return the Python where the clients are installed; skip, and say why, where they cannot be."""
    folder, why = _python()
    if not folder:
        lacking(f"no clients: {why}")
    return str(Path(folder) / "python")


@cache
def _packages(of: Path) -> tuple[str, str]:
    npm = shutil.which("npm")
    if npm is None:
        return "", "npm is not there"
    lock = (of / "package-lock.json").read_bytes()
    folder = ROOT / ".venvs" / f"{of.name}-{blake2b(lock, digest_size=6).hexdigest()}"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests run in several processes
        return _installed(npm, of, folder)


def _installed(npm: str, of: Path, folder: Path) -> tuple[str, str]:
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(of / name, folder)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            return "", done.stderr.strip()[-500:]
        (folder / "done").touch()
    return str(folder), ""


def packages(of: Path = SDKS) -> str:
    """Return the folder where packages for Node are installed; skip where they cannot be."""
    folder, why = _packages(of)
    if not folder:
        lacking(f"no packages of tests/{of.name}: {why}")
    return folder


def chromium() -> str:
    """Return a Chromium; skip where there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        lacking(f"none of {', '.join(CHROMIUM)} is there")
    return found


def run(command: list[str], *, folder: str | None = None, timeout_s: float = 60) -> str:
    """Run a client and return what it prints."""
    env = os.environ | ({"NODE_PATH": f"{folder}/node_modules"} if folder is not None else {})
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_client(script: str) -> str:
    """Run a script of Python where the clients are installed, and return what it prints."""
    return run([python(), "-c", script])
