"""Conditions as marketers write them: read, or said to be wrong at a column."""

import re
from pathlib import Path

from triggers.expressions import ExpressionError, parse

_EXAMPLES = Path(__file__).parents[3] / "examples"
SLOW_MS = 50.0  # of CPU
_CONDITIONS = re.compile(
    r"^(?:if|goal|exit_if): *\[?'?(.+?)'?\]?$|^ +- '?([a-z(].+?)'?$", re.MULTILINE
)


def seeds() -> list[bytes]:
    """All that looks like a condition in the examples."""
    texts = (path.read_text() for path in sorted(_EXAMPLES.rglob("*.yaml")))
    found = {a or b for text in texts for a, b in _CONDITIONS.findall(text)}
    return [condition.encode() for condition in sorted(found)]


def heavy() -> list[bytes]:
    """Some 32 KB each of what costs most, and as much as is read at all."""
    shapes = [
        b"(" * 16_000 + b"a" + b")" * 16_000,
        b"not " * 8_000 + b"a",
        b"a = b and " * 3_000 + b"a = b",
        b"a > " + b"9" * 32_000,
        b"a in [" + b"b, " * 10_000 + b"c]",
        b"a > 1" + b" + 1" * 8_000,
        b"count(a, last 7d) > 1 or " * 1_300 + b"a",
    ]
    return [shape[:size] for shape in shapes for size in (32_000, 4_000)]


def one(data: bytes) -> None:
    """Read a condition."""
    text = data.decode(errors="replace")
    try:
        parse(text)
    except ExpressionError as error:
        if not (0 <= error.column <= len(text) and error.message):
            raise RuntimeError("it says neither where nor why") from error
