"""Planted faults: small patches of our code, each of which some seed must find.

A fault is `faults/NAME.patch`: a sentence, the line `Found by: SEED check`, and a unified diff. It
is applied to a copy of the repository's packages in a folder of its own, and the seeds run there
in a process of their own; the code of this process is never touched.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("events", "collector", "profile_state", "triggers", "channels", "flows", "kairos")
_FOUND_BY = re.compile(r"^Found by: (\d+) (\w+)$", re.MULTILINE)
_FAILS = re.compile(r"seed (\d+) fails:\n  (\w+): (.*)")


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault."""

    name: str
    patch: Path
    seed: int  # that finds it
    check: str  # which says so


def known() -> list[Fault]:
    """Return every planted fault."""
    return [_read(patch) for patch in sorted(Path(__file__).parent.glob("faults/*.patch"))]


def _read(patch: Path) -> Fault:
    told = _FOUND_BY.search(patch.read_text(encoding="utf-8"))
    assert told is not None, f"{patch.name}: a line `Found by: SEED check` was expected"
    return Fault(patch.stem, patch, int(told[1]), told[2])


@contextmanager
def copied(fault: Fault) -> Iterator[Path]:
    """Make a copy of the code with the fault in it.

    Raises:
        subprocess.CalledProcessError: the patch does not apply any more.
    """
    with tempfile.TemporaryDirectory(prefix="kairos-fault-") as name:
        folder = Path(name)
        for package in (*PACKAGES, "tests/simulation"):
            # Compiled files too, which are known by the times of theirs; but for those being written.
            shutil.copytree(
                ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc.*")
            )
        (folder / "tests" / "__init__.py").touch()
        subprocess.run(
            ["git", "apply", "-C1", "--recount", fault.patch],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        yield folder


@dataclass(frozen=True, slots=True)
class Found:
    """The first seed that finds a fault, and what it says."""

    seed: int
    check: str
    says: str


def note(fault: Fault, found: Found) -> None:
    """Write into a fault's file which seed finds it now."""
    told = fault.patch.read_text(encoding="utf-8")
    line = f"Found by: {found.seed} {found.check}"
    fault.patch.write_text(_FOUND_BY.sub(line, told), encoding="utf-8")


def first_found(fault: Fault, seeds: range, processes: int = 2) -> Found | None:
    """Return the first seed that finds a fault; None where none does."""
    with copied(fault) as folder:
        command = [sys.executable, "-m", "tests.simulation", "--processes", str(processes)]
        command += ["--seeds", f"{seeds.start}:{seeds.stop}"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    found = _FAILS.search(done.stdout)
    if found is None and done.returncode:
        raise RuntimeError(f"{fault.name}: {done.stderr[-2000:]}")
    return None if found is None else Found(int(found[1]), found[2], found[3])
