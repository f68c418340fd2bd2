"""Run every test: most on all cores, whole stacks two at a time, what says how soon alone.

A third of the first part's time is waiting, so it gets one process more than there are cores. Stacks
wait for most of theirs: beside them the pure core's tests, which know no time, get what nobody else
wants. The last line is pytest's closing line for all of it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
BESIDE = ("events", "invariants", "profile_state", "simulation", "triggers")
STACKS = ("archive", "benchmarks", "demo", "e2e", "torture")
ALONE = ("e2e/test_onsite.py", "e2e/test_overload.py")
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)")
_IDLE = ["chrt", "--idle", "0"] if shutil.which("chrt") else ["nice", "-n", "19"]


def main() -> int:
    """Run the parts, each whatever came of those before; returns the worst exit code."""
    if not sys.dont_write_bytecode:
        return _all()
    # Told so, each of some hundred processes would compile again whatever it imports, for seconds.
    with tempfile.TemporaryDirectory(prefix="kairos-bytecode-") as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        return _all()


def _all() -> int:
    began = time.monotonic()
    cores = os.cpu_count() or 1
    pytest = [sys.executable, "-m", "pytest"]
    # By file, since some keep what took them long to make.
    processes = [*pytest, "--numprocesses", str(cores), "--dist", "loadfile"]
    computing = [*pytest, "--numprocesses", str(cores + 1)]
    computing += (f"--ignore=tests/{one}" for one in (*BESIDE, *STACKS, *ALONE))
    stacks = [*processes, *_named(STACKS), *(f"--ignore=tests/{one}" for one in ALONE)]
    total: Counter[str] = Counter()
    codes = [_run(computing, total)]
    with tempfile.TemporaryFile("w+") as said:
        beside = subprocess.Popen([*_IDLE, *processes, *_named(BESIDE)], cwd=ROOT, stdout=said)
        try:
            codes += [_run(command, total) for command in (stacks, [*pytest, *_named(ALONE)])]
            codes.append(beside.wait())
        finally:
            beside.terminate()
        said.seek(0)
        _show(said, total)
    counted = ", ".join(f"{n} {what}" for what, n in total.items()) or "no tests ran"
    print(f"{f' {counted} in {time.monotonic() - began:.2f}s ':=^90}", flush=True)
    return max(codes)


def _named(parts: Iterable[str]) -> list[str]:
    return [f"tests/{one}" for one in parts]


def _run(command: list[str], total: Counter[str]) -> int:
    """Run one part, show what it says as it comes, and add what it counted."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _show(process.stdout, total)
    return process.returncode


def _show(lines: Iterable[str], total: Counter[str]) -> None:
    closing = ""
    for line in lines:
        print(line, end="", flush=True)
        if line.startswith("=") and _COUNT.search(line):
            closing = line
    for number, what in _COUNT.findall(closing):
        total[what] += int(number)


if __name__ == "__main__":
    sys.exit(main())
