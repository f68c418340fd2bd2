"""docs/models.md says what each model takes and gives, and nothing else."""

import re
from types import ModuleType

import msgspec
import pytest

from channels.base import addresses
from kairos.discovery import found_in
from models import rfm
from tests.docs.pages import blocks, cells, page, section
from triggers.load import load

PAGE = "docs/models.md"
MODELS = found_in("models")


def test_every_model_is_described_and_nothing_else() -> None:
    described = re.findall(r"^### (\w+)$", section(PAGE, "## Known models"), re.MULTILINE)
    assert described == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_its_options_and_scores_are_those_of_the_page(name: str) -> None:
    module: ModuleType = MODELS[name]
    _, options, *others = re.split(r"\n\n(?=\|)", section(PAGE, f"### {name}"))
    defaults = {
        option: "`, `".join(value) if isinstance(value, tuple) else str(value)
        for option, value in msgspec.structs.asdict(module.Options()).items()
    }
    assert {row[0]: row[2] for row in list(cells(options))[1:]} == defaults
    said = {row[0]: row[1] for row in list(cells(others[0]))[1:]}
    assert said == {score: one.about.strip("`") for score, one in module.SCORES.items()}


def test_stages_stand_where_the_page_says() -> None:
    table = re.split(r"\n\n(?=\|)", section(PAGE, "### rfm"))[-1]
    rows = [row[1:] for row in list(cells(table))[1:]]
    assert [tuple(row) for row in reversed(rows)] == list(rfm.STAGES)


def test_the_examples_load() -> None:
    workspace, segment = blocks(PAGE, "yaml")
    load({"workspace.yaml": workspace, "segments/a.yaml": segment}, addresses())
    assert "kairos models" in page(PAGE)
