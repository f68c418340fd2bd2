"""All of it, two at a time: python -m tests.fuzz SECONDS.

Prints a line each, and leaves what is found in `.fuzz/`; 1 where anything is.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path

from tests.fuzz.report import Report

ROOT = Path(__file__).parents[2]
FOUND = ROOT / ".fuzz"
TARGETS = ("loader", "templates", "parser", "expressions")  # the slowest to end first
ROUNDS = 5  # others share the machine: slow is what is slow each time
GRACE_S = 900  # to start, and to end, where others go first
_TRIED = re.compile(r"stat::number_of_executed_units: +(\d+)")


def _python(*words: str | Path, seconds: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *(str(word) for word in words)]
    try:
        return subprocess.run(
            command,
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + GRACE_S,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, stdout="it did not end")


def door(seconds: int) -> int:
    """Ask a real door, as its own description says."""
    done = _python("tests.fuzz.schema", str(seconds), seconds=seconds)
    print(done.stdout, end="", flush=True)
    return done.returncode


def target(name: str, seconds: int) -> int:
    """Throw bytes at a function; returns how many findings there are."""
    folder = FOUND / name
    folder.mkdir()
    done = _python("tests.fuzz.harness", name, str(seconds), folder, seconds=seconds)
    (folder / "output").write_text(done.stdout)
    report = Report(name)
    most: float = import_module(f"tests.fuzz.targets.{name}").SLOW_MS
    tried, worst = _TRIED.search(done.stdout), folder / "worst"
    ms = float(worst.read_text()) if worst.exists() else 0.0
    # What took more, under instruments, is measured again.
    report.ran(ms if ms <= most else 0.0, int(tried[1]) if tried else 0)
    crashes = [path for path in folder.iterdir() if re.match(r"(crash|timeout|oom)-", path.name)]
    for path in crashes:
        report.found(f"{path.name.partition('-')[0]}: {_raised(done.stdout)}", str(path))
    if not crashes and (done.returncode or not tried):
        report.found(f"it ended with {done.returncode}", str(folder / "output"))
    slow = sorted((folder / "slow").iterdir()) if (folder / "slow").exists() else []
    _measure(name, [*slow, *_heavy(name, folder / "heavy")], most, report)
    return report.end()


def _raised(output: str) -> str:
    """Return the last line of the first trace."""
    lines = output.splitlines()
    start = next((n for n, line in enumerate(lines) if "Python exception" in line), len(lines))
    return next((line for line in lines[start + 1 :] if re.match(r"\w+(\.\w+)*(:|$)", line)), "?")


def _heavy(name: str, folder: Path) -> list[Path]:
    folder.mkdir()
    shapes: list[bytes] = import_module(f"tests.fuzz.targets.{name}").heavy()
    for number, shape in enumerate(shapes):
        (folder / str(number)).write_bytes(shape)
    return sorted(folder.iterdir())


def _measure(name: str, files: list[Path], most: float, report: Report) -> None:
    """Try files in several processes without instruments; the least that each takes counts."""
    least = dict.fromkeys(map(str, files), float("inf"))
    for _ in range(ROUNDS):
        done = _python("tests.fuzz.again", name, *files, seconds=60)
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                said = json.loads(line)
                least[said["file"]] = min(said["ms"], least[said["file"]])
                if said["error"]:
                    report.found(said["error"].splitlines()[-1], said["file"])
    for file, ms in least.items():
        report.ran(ms)
        if ms > most:
            report.found(f"{ms:.0f} ms of CPU, at most {most:.0f} were expected", file)


def main(seconds: int) -> int:
    """Run all; returns the exit code."""
    shutil.rmtree(FOUND, ignore_errors=True)
    FOUND.mkdir()
    jobs: list[Callable[[int], int]] = [door, *(partial(target, name) for name in TARGETS)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda job: job(seconds), jobs))
    print("nothing found" if not any(found) else f"findings in {FOUND.name}/, or above", flush=True)
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
