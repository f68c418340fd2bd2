"""What commands print: results for people or as one JSON object, and why they failed."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

WRONG = 2  # exit code: wrong usage or settings, or something that must be there is not


def as_json(found: Any) -> None:
    """Print one JSON object on a line of its own."""
    print(orjson.dumps(found, default=str).decode(), flush=True)


def failed(command: str, reason: object, *, json: bool) -> int:
    """Say why a command cannot do what it was asked, and return its exit code.

    The reason goes to standard error; with `json` the object on standard output has it too.
    """
    print(f"kairos {command}: {reason}", file=sys.stderr)
    if json:
        as_json({"error": str(reason)})
    return WRONG


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay rows out as a table.

    >>> columns([("id", "state"), ("a1", "dead")])
    ['id  state', 'a1  dead']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def moment(ms: int) -> str:
    """Write an instant.

    >>> moment(0)
    '1970-01-01 00:00:00Z'
    """
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}Z"
