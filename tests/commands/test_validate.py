"""`kairos validate`: what it says of a workspace that is right."""

import json

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
