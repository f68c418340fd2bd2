"""What a machine may lack: fixtures and data sets beside the checkout, a compiler."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

ALL = os.environ.get("KAIROS_REQUIRE") == "all"
LONG = pytest.mark.skipif(
    not ALL, reason="it takes long and says little of this machine; KAIROS_REQUIRE=all runs it"
)
ROOT = Path(os.environ.get("KAIROS_SHARED", Path(__file__).parents[2] / "shared"))


def lacking(why: str) -> NoReturn:
    """Skip, and say why; with KAIROS_REQUIRE=all fail instead."""
    if ALL:
        pytest.fail(why)
    pytest.skip(why)


def shared(relative: str) -> Path:
    """Return a file or folder of the shared material; skip, and say why, where it is missing."""
    path = ROOT / relative
    if not path.exists():
        lacking(f"{path} is not there; set KAIROS_SHARED to the folder that holds {relative}")
    return path


def names_in_shared(relative: str, pattern: str) -> list[str]:
    """List files below a shared folder, for parametrize; one name that `shared` skips on if none."""
    found = sorted(str(p.relative_to(ROOT)) for p in (ROOT / relative).glob(pattern))
    return found or [f"{relative}/{pattern}"]
