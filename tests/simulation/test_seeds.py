"""A small number of seeds with every change; a thousand and more with `python -m tests.simulation`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.seeds import verdict

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(10))
def test_every_promise_holds_whatever_goes_wrong(seed: int) -> None:
    found = verdict(seed)
    assert not found.wrong, found.report()


def test_the_same_seed_gives_the_same_trace_in_every_process() -> None:
    """Also where Python orders its sets otherwise."""
    program = "from tests.simulation.seeds import verdict; print(verdict(3).hash)"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": order},
            stdout=subprocess.PIPE,
            text=True,
        )
        for order in ("1", "2")
    ]
    one, other = (run.communicate()[0] for run in runs)
    assert one == other != ""
