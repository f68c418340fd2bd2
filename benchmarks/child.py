"""Processes that a benchmark starts beside the stack: a module of this folder, run by its name."""

import sys
from pathlib import Path

# An installed wheel carries this folder where only the launcher of `kairos` finds it.
_RUN = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); module = sys.argv.pop(1); "
    "runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


def program(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `benchmarks.MODULE`.

    >>> program("recorder", "notes")[-2:]
    ['benchmarks.recorder', 'notes']
    """
    folder = str(Path(__file__).parents[1])
    return [sys.executable, "-c", _RUN, folder, f"benchmarks.{module}", *arguments]
