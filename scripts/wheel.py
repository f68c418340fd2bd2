"""Build the wheel, install it beside packages of the same names, use it, and remove it.

Folders such as `channels/` carry everyday names: a wheel that put them into site-packages would
overwrite Django Channels. So two stand-ins are there first, and must be there last, untouched.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
STAND_INS = ("channels", "events")
OURS = "somebody else's\n"


def say(text: str) -> None:
    """Print a line at once."""
    print(f"wheel: {text}", flush=True)


def ran(*command: str | Path, cwd: Path) -> str:
    """Run a command, and return what it prints; a failure ends the check."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(c) for c in command], check=False, capture_output=True, text=True, cwd=cwd, env=env
    )
    if done.returncode:
        raise SystemExit(
            f"wheel: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def built(folder: Path) -> Path:
    """Build the wheel, and look at what it would put where."""
    ran(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    strangers = {top for top in tops if top != "kairos" and not top.endswith(".dist-info")}
    if strangers:
        raise SystemExit(f"wheel: it would put {', '.join(sorted(strangers))} into site-packages")
    say(f"{wheel.name}, {wheel.stat().st_size // 1024} KiB, holds {', '.join(sorted(tops))}")
    return wheel


def main() -> int:
    """Check the wheel."""
    with tempfile.TemporaryDirectory(prefix="kairos-wheel-") as temp:
        elsewhere = Path(temp)
        wheel = built(elsewhere)
        home = elsewhere / "venv"
        venv.create(home, with_pip=True)
        pip = (home / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        lock = ROOT / "requirements" / "run.lock"
        ran(*pip, "install", "-q", "--require-hashes", "-r", lock, cwd=elsewhere)
        paths = {"base": str(home), "platbase": str(home)}
        packages = Path(sysconfig.get_path("purelib", "venv", vars=paths))
        for name in STAND_INS:
            (packages / name).mkdir()
            (packages / name / "__init__.py").write_text(f"OWNER = {OURS!r}\n", encoding="utf-8")
        before = {p.relative_to(packages) for p in packages.iterdir()}

        ran(*pip, "install", "-q", "--no-deps", wheel, cwd=elsewhere)
        for name in STAND_INS:
            ask = f"import {name}; print({name}.OWNER, end='')"
            if ran(home / "bin" / "python", "-c", ask, cwd=elsewhere) != OURS:
                raise SystemExit(f"wheel: it replaced the package {name}")
        kairos = home / "bin" / "kairos"
        say(f"kairos --version: {ran(kairos, '--version', cwd=elsewhere).strip()}")
        say(ran(kairos, "validate", ROOT / "examples" / "shop", cwd=elsewhere).strip())
        carried = packages / "kairos" / "_app" / "examples" / "shop"
        say(ran(kairos, "validate", carried, cwd=elsewhere).strip())

        ran(*pip, "uninstall", "-q", "-y", "kairos-cdp", cwd=elsewhere)
        left = {p.relative_to(packages) for p in packages.iterdir()}
        if left != before:
            raise SystemExit(f"wheel: after uninstalling, {left ^ before} differ")
        say("uninstalled without a trace; the packages of the same names are untouched")
    return 0


if __name__ == "__main__":
    sys.exit(main())
