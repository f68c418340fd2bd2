"""Rows of a file: JSON lines or CSV, gzip or not; the content says which."""

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

GZIP = b"\x1f\x8b"


class Unreadable(NamedTuple):
    """A line that is no row."""

    line: int  # from 1
    reason: str


class Row(NamedTuple):
    """One row, by column; a cell that is empty is not there."""

    line: int  # from 1
    cells: dict[str, Any]


class Rows:
    """The rows of an open file.

    `columns` are those of a CSV's header; JSON lines have none, each names its own.
    """

    def __init__(self, lines: Iterator[str], size: int, position: Callable[[], int]) -> None:
        self.size = size  # bytes of the file
        self.position = position  # how many of them are read
        first = next(lines, "")
        self._json = first.lstrip().startswith("{")
        self._lines = _chained(first, lines)
        self.columns: list[str] | None = None
        if not self._json and first:
            self._reader = csv.reader(self._lines, strict=True)
            self.columns = [name.strip() for name in next(self._reader)]

    def __iter__(self) -> Iterator[Row | Unreadable]:
        """Read row by row; a line that is none does not end the file."""
        if self._json:
            yield from self._json_rows()
        elif self.columns is not None:
            yield from self._csv_rows(self.columns)

    def _json_rows(self) -> Iterator[Row | Unreadable]:
        for nth, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            try:
                cells = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield Unreadable(nth, f"not JSON: {error}")
                continue
            if isinstance(cells, dict):
                yield Row(nth, cells)
            else:
                yield Unreadable(nth, f"an object was expected, found {type(cells).__name__}")

    def _csv_rows(self, columns: list[str]) -> Iterator[Row | Unreadable]:
        while True:
            line = self._reader.line_num + 1
            try:
                values = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Unreadable(line, str(error))
                continue
            if not values:
                continue
            if len(values) != len(columns):
                found = f"{len(columns)} columns were expected, found {len(values)}"
                yield Unreadable(line, found)
                continue
            yield Row(line, {c: v for c, v in zip(columns, values, strict=True) if v != ""})


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


@contextmanager
def rows_of(path: Path) -> Iterator[Rows]:
    r"""Open a file.

    Raises:
        OSError: it cannot be read, or its gzip is damaged.
        UnicodeDecodeError: it is no UTF-8.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.csv"
    >>> _ = path.write_text("event,user_id\nseen,u1\nseen\n")
    >>> with rows_of(path) as rows:
    ...     list(rows)
    [Row(line=2, cells={'event': 'seen', 'user_id': 'u1'}), Unreadable(line=3, reason='2 columns were expected, found 1')]
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == GZIP
        raw.seek(0)
        content = cast("IO[bytes]", gzip.GzipFile(fileobj=raw) if zipped else raw)
        text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        yield Rows(iter(text), path.stat().st_size, raw.tell)
