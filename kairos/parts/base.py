"""What the parts share: stopping when asked, and saying how they are."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO, cast

import orjson
import structlog

REPLACED = 3  # exit code: another process has what this one would need for itself


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def ask(_number: int, _frame: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return stop


def log_lines() -> None:
    """Write log lines as JSON, one a line, to standard error."""
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unbroken(sys.stderr))),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


class _Unbroken:
    """A file whose full disk ends nobody: a line that cannot be written is lost, and no more."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._file.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


class Reporter:
    """Writes facts about a part into its status file, twice a second.

    Args:
        folder: None writes nothing.
        part: names the file.
        facts: asked from a thread of its own; must be quick.
        keep: whether the file stays when the part has ended.
    """

    def __init__(
        self,
        folder: Path | None,
        part: str,
        facts: Callable[[], dict[str, Any]],
        *,
        keep: bool = True,
    ) -> None:
        self._path = None if folder is None else folder / f"{part}.json"
        self._facts = facts
        self._keep = keep
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Self:
        """Start reporting; the file's first appearance says that the part is ready."""
        if self._path is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Report a last time, or take the report away."""
        self._done.set()
        if self._path is not None:
            self._thread.join()
            if not self._keep:
                self._path.unlink(missing_ok=True)

    def _report(self) -> None:
        while True:
            last = self._done.is_set()
            self._write()
            if last:
                return
            self._done.wait(0.5)

    def _write(self) -> None:
        assert self._path is not None
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(orjson.dumps({"pid": os.getpid(), **self._facts()}))
            fresh.replace(self._path)
        except FileNotFoundError:
            structlog.get_logger().warning("the status folder is gone", path=str(self._path))
            self._done.set()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # There may be room again for the next one.
