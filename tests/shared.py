"""Material that is too large for the repository: fixtures and data sets beside the checkout."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("KAIROS_SHARED", Path(__file__).parents[2] / "shared"))


def shared(relative: str) -> Path:
    """Return a file or folder of the shared material; skip, and say why, where it is missing.

    With KAIROS_REQUIRE=all a missing one fails.
    """
    path = ROOT / relative
    if path.exists():
        return path
    why = f"{path} is not there; set KAIROS_SHARED to the folder that holds {relative}"
    if os.environ.get("KAIROS_REQUIRE") == "all":
        pytest.fail(why)
    pytest.skip(why)


def names_in_shared(relative: str, pattern: str) -> list[str]:
    """List files below a shared folder, for parametrize; one name that `shared` skips on if none."""
    found = sorted(str(p.relative_to(ROOT)) for p in (ROOT / relative).glob(pattern))
    return found or [f"{relative}/{pattern}"]
