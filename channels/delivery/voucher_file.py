"""A file of voucher codes: one a line, as shop systems write them."""

from collections.abc import Iterator
from typing import NamedTuple

from events.rows import RowError, rows

LONGEST = 255  # characters of a code
HEADER = "code"


class CodesError(ValueError):
    """A file that holds something else than codes; says where, what was expected, what was found."""


class Listed(NamedTuple):
    """What a file holds."""

    codes: list[str]  # in its order, each once
    repeated: int  # lines that say a code once more


def read_codes(content: bytes) -> Listed:
    r"""Read the codes of a file; all of them, or none.

    Raises:
        CodesError: a line is no code, or there is none.

    >>> read_codes(b"code\r\nS-1\r\n\r\n S-2\r\nS-1\r\n")
    Listed(codes=['S-1', 'S-2'], repeated=1)
    >>> read_codes(b"S-1;2026-12-31\n")
    Traceback (most recent call last):
        ...
    channels.delivery.voucher_file.CodesError: line 1: one code was expected, found 2 columns
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CodesError(f"line {line}: UTF-8 was expected, found {error.reason}") from None
    codes = [code for line, code in _lines(text) if _fits(line, code)]
    if codes and codes[0].casefold() == HEADER:
        del codes[0]
    if not codes:
        raise CodesError("one code a line was expected, found none")
    once = list(dict.fromkeys(codes))
    return Listed(once, len(codes) - len(once))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return what stands in each line that is not empty, with its number."""
    try:
        for line, cells in rows(text, strict=True):
            columns = cells if len(cells) > 1 else cells[0].split(";")
            if len(columns) > 1:
                raise CodesError(
                    f"line {line}: one code was expected, found {len(columns)} columns"
                )
            yield line, columns[0]
    except RowError as error:
        found = f"one code was expected, found no CSV: {error.reason}"
        raise CodesError(f"line {error.line}: {found}") from None


def _fits(line: int, code: str) -> bool:
    if len(code) > LONGEST:
        expected = f"at most {LONGEST} characters were expected"
        raise CodesError(f"line {line}: {expected}, found {len(code)}")
    if not code.isprintable():
        odd = next(c for c in code if not c.isprintable())
        raise CodesError(f"line {line}: printable characters were expected, found {odd!r}")
    return True
