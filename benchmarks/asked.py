"""What was asked for, looked at before the first run: a mistake must not cost five of them."""

import math
from pathlib import Path

import msgspec

from benchmarks.base import AskedError, Options
from benchmarks.compare import QUESTION, comparable
from benchmarks.report import Report


def above_zero(option: str, value: float) -> None:
    """Check a number.

    Raises:
        AskedError: it is 0, below, or no number at all.
    """
    if not (math.isfinite(value) and value > 0):
        raise AskedError(f"{option}: a number above 0 was expected, found {value:g}")


def writable(option: str, path: Path) -> None:
    """Check that a file can be written, by opening it; what is in it stays.

    Raises:
        AskedError: it cannot be.
    """
    new = not path.exists()
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise AskedError(
            f"{option} {path}: a file that can be written was expected, found: {error.strerror}; "
            "make its folder, or choose another path"
        ) from error
    if new:
        path.unlink()


def baseline(path: Path, what: str, options: Options) -> Report:
    """Read a saved report that answers the same question.

    Args:
        path: of the file.
        what: the benchmark.
        options: what it is asked for.

    Raises:
        AskedError: there is none, it is no report, or one of something else.
    """
    try:
        before = msgspec.json.decode(path.read_bytes(), type=Report)
        comparable(before, what, {name: getattr(options, name) for name in QUESTION[what]})
    except OSError as error:
        found = f"found: {error.strerror}"
    except msgspec.DecodeError as error:
        found = f"found something else: {error}"
    except AskedError as error:
        found = f"but {error}"
    else:
        return before
    raise AskedError(
        f"--compare {path}: a report of the same question was expected, {found}; "
        f"`kairos bench {what} --save {path}` makes one"
    )
