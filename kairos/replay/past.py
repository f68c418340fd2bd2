"""A replay on the clock of its file: an engine of its own, to which the past is the present."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from collector.keys import KeyRing, create
from events.record import Tick, encode
from events.sources.base import LogUnavailableError
from events.sources.replayed import ReplayedLog
from flows.open import open_log
from kairos.embedded.stack import Stack, StackError
from kairos.figures import Figures, FiguresError, Gauge
from kairos.replay.posting import Poster

LOOK_S = 0.05  # between looks at what is done
PATIENCE_S = 60.0  # without any progress


@contextmanager
def past(data: Path, workspace: Path) -> Iterator[tuple[Stack, Poster]]:
    """Run an engine over an empty folder, and connect to its collector.

    Raises:
        StackError: the folder is in use, or something is in it.
    """
    stack = Stack(data, workspace, replayed=True)
    text, key = create("server", "replay", datetime.now(UTC).isoformat(timespec="seconds"))
    KeyRing([key]).save(data / "keys.json")
    with stack:
        poster = Poster(stack.url, text)
        try:
            yield stack, poster
        finally:
            poster.close()


def end_at(stack: Stack, instant: int) -> int:
    """Let the file's clock run on to `instant` (ms), and return the log's last entry."""
    log = cast("ReplayedLog", open_log(stack.settings.log))
    try:
        # A tick of its own, one ms later: what is due at `instant` fires before it.
        return log.append_at(0, encode([Tick(instant)]), instant + 1)
    finally:
        log.close()


def done(stack: Stack, newest: int) -> Figures:
    """Wait until all up to the entry `newest` is decided and delivered, and return the figures.

    Raises:
        StackError: a part ended, or nothing moves any more.
    """
    gauge = Gauge(stack.settings)
    try:
        moved, before = time.monotonic(), Figures()
        while True:
            alive(stack)
            try:
                figures = gauge.read()
            except (FiguresError, LogUnavailableError) as error:
                raise StackError(f"the replay cannot be read: {error}") from error
            missing = figures.missing(newest)
            if not missing:
                return figures
            if figures != before:
                moved, before = time.monotonic(), figures
            elif time.monotonic() - moved > PATIENCE_S:
                raise StackError(f"the replay does not end: {missing}; see {stack.data}/live.log")
            time.sleep(LOOK_S)
    finally:
        gauge.close()


def alive(stack: Stack) -> None:
    """See that every part runs: a replay that was cut short begins again, it does not go on.

    Raises:
        StackError: naming the part.
    """
    for name, child in stack.children.items():
        code = child.process.poll()
        if code is not None:
            raise StackError(
                f"{name} ended with code {code}, see {stack.data / f'{name}.log'}; "
                "delete the folder and begin the replay again"
            )
