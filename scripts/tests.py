"""Run every test: most on all cores, whole stacks two at a time, the rest one by one.

Stacks mostly wait. What measures, or kills servers and says how soon they are back, shares the machine
with nobody. The last line is pytest's closing line for all of it.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
STACKS = ("archive", "e2e")
ALONE = (
    "benchmarks",
    "demo",
    "torture",
    "e2e/test_demo.py",
    "e2e/test_disk_full.py",
    "e2e/test_engines.py",
    "e2e/test_onsite.py",
    "e2e/test_overload.py",
    "e2e/test_sdks.py",
    "e2e/test_supervisor.py",
    "e2e/test_up.py",
    "e2e/test_workers.py",
)
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)")


def main() -> int:
    """Run the parts, each whatever came of those before; returns the worst exit code."""
    began = time.monotonic()
    pytest = [sys.executable, "-m", "pytest"]
    processes = [*pytest, "--numprocesses", str(os.cpu_count() or 1)]
    computing = [*processes, *(f"--ignore=tests/{folder}" for folder in (*STACKS, *ALONE))]
    stacks = [*processes, *(f"tests/{folder}" for folder in STACKS)]
    stacks += [f"--ignore=tests/{folder}" for folder in ALONE]
    alone = [*pytest, *(f"tests/{folder}" for folder in ALONE)]
    total: Counter[str] = Counter()
    codes = [_run(command, total) for command in (computing, stacks, alone)]
    said = ", ".join(f"{n} {what}" for what, n in total.items()) or "no tests ran"
    print(f"{f' {said} in {time.monotonic() - began:.2f}s ':=^90}", flush=True)
    return max(codes)


def _run(command: list[str], total: Counter[str]) -> int:
    """Run one part, show what it says as it comes, and add what it counted."""
    closing = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("=") and _COUNT.search(line):
                closing = line
    for number, what in _COUNT.findall(closing):
        total[what] += int(number)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
