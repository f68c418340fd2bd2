"""docs/wire.md, "Mail events": every provider, what it needs, and what each of its words becomes."""

from typing import Any

import pytest

from collector.mail.base import KINDS
from kairos.discovery import found_in
from tests.docs.pages import cells, first_cells, section

PAGE = "docs/wire.md"
PROVIDERS = found_in("collector.mail")


def described(name: str) -> str:
    return section(PAGE, f"### {name}")


def test_every_provider_has_its_section_and_no_other_has_one() -> None:
    headings = [
        line.removeprefix("### ")
        for line in section(PAGE, "## Mail events").splitlines()
        if line.startswith("### ")
    ]
    assert headings == sorted(PROVIDERS)


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_an_operator_sets_is_described(name: str) -> None:
    module: Any = PROVIDERS[name]
    for field in module.NEEDS:
        assert f"`{field}`" in described(name), field


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_each_word_becomes_is_described(name: str) -> None:
    module: Any = PROVIDERS[name]
    rows = {row[0]: row[1] for row in cells(described(name)) if row[0] != "word"}
    assert rows == {word: str(meaning) for word, meaning in module.EVENTS.items()}


def test_every_kind_is_described() -> None:
    before, _, _ = section(PAGE, "## Mail events").partition("\n### ")
    assert set(first_cells(before)) == set(KINDS)
