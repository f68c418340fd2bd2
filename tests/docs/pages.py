"""The documentation as data: pages, headings, tables and code blocks."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def section(path: str, heading: str) -> str:
    """What stands below a heading, sub-headings included."""
    marks = heading.partition(" ")[0]
    _, _, below = page(path).partition(f"\n{heading}\n")
    assert below, f"{path} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(marks)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(path: str, language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(page(path)) if kind == language]


def first_cells(text: str) -> Iterator[str]:
    """The words in backticks of each row's first cell."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])


def cells(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]
