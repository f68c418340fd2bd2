"""Comma-separated values a line at a time, each with its number, as mistakes are told."""

import csv
import io
from collections.abc import Iterator


class RowError(ValueError):
    """A line that is no CSV.

    Args:
        line: its number, from 1.
        reason: what is wrong.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def rows(
    text: str, separator: str = ",", *, strict: bool = False
) -> Iterator[tuple[int, list[str]]]:
    r"""Yield what stands in each line that is not empty, without blanks around, with its number.

    A cell in quotes may go over several lines, of which the first counts.

    Args:
        text: the lines.
        separator: between two cells.
        strict: whether quotes must be closed and stand around whole cells.

    Raises:
        RowError: a line is no CSV.

    >>> list(rows("a, b\n\n'c'\n"))
    [(1, ['a', 'b']), (3, ["'c'"])]
    """
    read = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=strict)
    line = 1
    try:
        for row in read:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = read.line_num + 1
    except csv.Error as error:
        raise RowError(line, str(error)) from None
