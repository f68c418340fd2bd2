"""`kairos validate`: what it says of a workspace that is right."""

import json
from pathlib import Path

import pytest

from kairos.commands.validate import command
from tests.docs.pages import ROOT

LANGUAGE = (
    ROOT / "examples/language"
)  # one of its triggers `crosses` a line, with a segment of its own


def test_it_counts_what_the_marketer_has_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(LANGUAGE) == 0
    assert "6 triggers, 3 segments" in capsys.readouterr().out
    assert command(LANGUAGE, json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["segments"] == ["open_complaint", "open_ticket", "warm"]
    assert found["items"] >= 1


def test_a_catalogue_that_cannot_be_read_is_a_problem_of_the_workspace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "workspace.yaml").write_text("workspace: shop\ncatalog: catalog.csv\n")
    assert command(tmp_path) == 1
    assert "catalog.csv:1:1: the catalogue cannot be read" in capsys.readouterr().err
    (tmp_path / "catalog.csv").write_text("id,price\np1\n")
    assert command(tmp_path) == 1
    assert "line 2: 2 cells were expected, found 1" in capsys.readouterr().err
    (tmp_path / "catalog.csv").write_text("id,price\np1,5\n")
    assert command(tmp_path) == 0
