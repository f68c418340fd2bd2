"""Run every test: first most of them, on all cores; then, one by one, those that mind who else is there.

What measures, or kills servers and says how soon they are back, shares the machine with nobody. The last
line is pytest's closing line for both together.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALONE = ("archive", "benchmarks", "demo", "e2e", "torture")
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)")


def main() -> int:
    """Run both parts, the second whatever comes of the first; returns the worse exit code."""
    began = time.monotonic()
    processes = [sys.executable, "-m", "pytest", "--numprocesses", str(os.cpu_count() or 1)]
    computing = [*processes, *(f"--ignore=tests/{folder}" for folder in ALONE)]
    alone = [sys.executable, "-m", "pytest", *(f"tests/{folder}" for folder in ALONE)]
    total: Counter[str] = Counter()
    codes = [_run(command, total) for command in (computing, alone)]
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
