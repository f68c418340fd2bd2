"""Real clients, in an environment of their own, as they run at a customer's."""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "scripts" / "setup"


@cache
def _environment() -> tuple[str, str]:
    done = subprocess.run([str(SETUP), "clients"], check=False, capture_output=True, text=True)
    return (done.stdout.strip(), "") if done.returncode == 0 else ("", done.stderr.strip())


def run_client(script: str) -> str:
    """Run a script where the clients are installed, and return what it prints; skip, and say why,
    where they cannot be installed. With KAIROS_REQUIRE=all that fails.
    """
    folder, why = _environment()
    if not folder:
        if os.environ.get("KAIROS_REQUIRE") == "all":
            pytest.fail(f"no clients: {why}")
        pytest.skip(f"no clients: {why}")
    python = str(Path(folder) / "python")
    done = subprocess.run(
        [python, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
