"""The last answers, in `RESULTS.md`: each benchmark keeps a section of its own, between two marks."""

import re
from pathlib import Path

from benchmarks.base import AskedError
from benchmarks.report import Report, runs_of, shown


def sectioned(page: Path, what: str) -> str:
    """Return the text of a page that has a benchmark's section.

    Raises:
        AskedError: it has none, or cannot be read.
    """
    begin, end = _marks(what)
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AskedError(f"--results {page}: a page was expected, found: {error}") from error
    if begin not in text or end not in text.partition(begin)[2]:
        raise AskedError(
            f"--results {page}: a section between {begin} and {end} was expected, found none; "
            "write these two lines where it shall stand"
        )
    return text


def write(done: Report, page: Path) -> None:
    """Replace a benchmark's section of a page.

    Raises:
        AskedError: the page has no such section.
    """
    text = sectioned(page, done.what)
    begin, end = _marks(done.what)
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(between.sub(lambda _: section(done), text), encoding="utf-8")


def _marks(what: str) -> tuple[str, str]:
    return f"<!-- {what} -->", f"<!-- end of {what} -->"


def section(done: Report) -> str:
    """Write a benchmark's section."""
    begin, end = _marks(done.what)
    rows = [
        f"| `{name}` | {shown(value)} | {shown(spread.min)} | {shown(spread.max)} |"
        for name, value in done.figures.items()
        for spread in (done.spread[name],)
    ]
    return "\n".join(
        (
            begin,
            f"{done.machine}. Kairos {done.version}, {done.at}, {runs_of(done)}.",
            "",
            "| figure | median | minimum | maximum |",
            "|---|---|---|---|",
            *rows,
            end,
        )
    )
