"""What the benchmarks share: how a run fails, how it waits, and the workspace as a folder."""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import redis

from benchmarks import marketing
from channels.delivery.ledger import SlotUnusableError
from events.sources.base import LogUnavailableError
from kairos.embedded.stack import Stack
from kairos.figures import FiguresError
from profile_state.stores.base import LedgerLostError

PATIENCE_S = 600.0
LOOK_S = 0.01


_FAILURES = (
    FiguresError,
    LedgerLostError,
    LogUnavailableError,
    SlotUnusableError,
    redis.RedisError,
    sqlite3.Error,
)


class BenchError(Exception):
    """A run is worth nothing; the message says why."""


@contextmanager
def in_words() -> Iterator[None]:
    """Say as a BenchError that a server or a file of the stack failed in the middle of a run."""
    try:
        yield
    except _FAILURES as error:
        raise BenchError(f"the stack failed during the run: {error}; run it again") from error


def alive(stack: Stack) -> None:
    """Check that every process of a stack runs.

    Raises:
        BenchError: one has ended; nobody starts it again during a run.
    """
    for name, child in stack.children.items():
        if child.process.poll() is not None:
            raise BenchError(f"{name} ended with code {child.process.returncode} during the run")


def wait(stack: Stack, done: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until something is done.

    Args:
        stack: whose processes must live meanwhile.
        done: asked a hundred times a second.
        what: for the message.
        patience_s: seconds.

    Raises:
        BenchError: it is not done in time, or a process has ended.
    """
    until = time.monotonic() + patience_s
    while not done():
        alive(stack)
        if time.monotonic() > until:
            raise BenchError(
                f"{what} was expected, and is not there after {patience_s:.0f} s; "
                "the machine may be too small for so many events"
            )
        time.sleep(LOOK_S)


def marked(ledger: redis.Redis) -> int:
    """Return the log's entry up to which everything is stored, -1 where nothing is."""
    return int(cast("bytes | None", ledger.hget("mark:{p0}", "entry")) or -1)


def write_workspace(folder: Path, *, learning: bool = False) -> Path:
    """Write the load's workspace into a new folder, with all models or none, and return that."""
    for path, text in (marketing.with_models() if learning else marketing.files()).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
