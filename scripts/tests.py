"""Every test: those that run inside one process on every core, then those that start others, alone.

python scripts/tests.py [ARGS]     with arguments, pytest with these and nothing else

Tests that start servers, kill them and look at the clock share the cores with what they start, so
they get the machine to themselves.
"""

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALONE = (
    "archive",
    "benchmarks",
    "channels",
    "commands",
    "demo",
    "e2e",
    "replay",
    "setup",
    "torture",
)
PYTEST = (sys.executable, "-m", "pytest")
_CLOSING = re.compile(r"=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*")


def main() -> int:
    """Return 0 where all of them passed."""
    if len(sys.argv) > 1:
        return subprocess.run([*PYTEST, *sys.argv[1:]], cwd=ROOT, check=False).returncode
    began, counts = time.monotonic(), Counter[str]()
    together = [f"--ignore=tests/{folder}" for folder in ALONE]
    codes = [
        run([*PYTEST, "--numprocesses=auto", *together], counts),
        run([*PYTEST, *(f"tests/{folder}" for folder in ALONE)], counts),
    ]
    said = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    print(f"{said} in {time.monotonic() - began:.0f}s")
    return max(codes)


def run(command: list[str], counts: Counter[str]) -> int:
    """Run a pytest, show what it prints, and add up its closing line."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            closing = _CLOSING.fullmatch(line.strip().strip("= "))
            if closing is not None:
                for part in closing[1].split(", "):
                    number, what = part.split()
                    counts[what] += int(number)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
