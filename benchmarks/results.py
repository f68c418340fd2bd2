"""The last answers, in `RESULTS.md`: each benchmark keeps a section of its own, between two marks."""

import re
from pathlib import Path

from benchmarks.bed import BenchError
from benchmarks.report import Report, runs_of


def write(done: Report, page: Path) -> None:
    """Replace a benchmark's section of a page.

    Raises:
        BenchError: the page has no such section.
    """
    text = page.read_text(encoding="utf-8")
    begin, end = _marks(done.what)
    if begin not in text or end not in text:
        raise BenchError(
            f"{page}: no section for this benchmark; it stands between {begin} and {end}"
        )
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(between.sub(lambda _: section(done), text), encoding="utf-8")


def _marks(what: str) -> tuple[str, str]:
    return f"<!-- {what} -->", f"<!-- end of {what} -->"


def section(done: Report) -> str:
    """Write a benchmark's section."""
    begin, end = _marks(done.what)
    rows = [
        f"| `{name}` | {value:,.2f} | {done.spread[name].min:,.2f} | {done.spread[name].max:,.2f} |"
        for name, value in done.figures.items()
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
