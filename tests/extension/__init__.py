"""An extension of somebody else's: one file more in the folder of conditions, with a fault in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import triggers.conditions
from triggers import code

FOLDER = str(Path(__file__).parent / "conditions")


def install() -> None:
    """Let the folder of conditions have `share` in it, for the rest of this process."""
    triggers.conditions.__path__.append(FOLDER)
    code.functions.cache_clear()


@contextmanager
def installed() -> Iterator[None]:
    """The same, for a while."""
    install()
    try:
        yield
    finally:
        triggers.conditions.__path__.remove(FOLDER)
        code.functions.cache_clear()
