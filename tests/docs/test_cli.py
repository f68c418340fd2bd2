"""docs/cli.md: every command, every option, every exit code."""

import inspect
import re

import pytest

from kairos.cli import commands
from kairos.discovery import names_in
from kairos.launcher import READER_LEFT
from kairos.parts.base import REPLACED
from tests.docs.pages import cells, first_cells, page, section

PAGE = "docs/cli.md"
COMMANDS = commands()


def test_the_commands_described_are_those_there_are() -> None:
    assert re.findall(r"^## `kairos ([\w ]+)`$", page(PAGE), re.MULTILINE) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_described_are_those_there_are(name: str) -> None:
    parameters = inspect.signature(COMMANDS[name]).parameters.values()
    options = {f"--{p.name.replace('_', '-')}" for p in parameters}
    options |= {f"--no-{p.name}" for p in parameters if p.default is False}
    assert set(first_cells(section(PAGE, f"## `kairos {name}`"))) == options


@pytest.mark.parametrize("name", COMMANDS)
def test_the_defaults_described_are_those_there_are(name: str) -> None:
    rows = {
        row[0].partition("`")[0]: row[-1] for row in cells(section(PAGE, f"## `kairos {name}`"))
    }
    for parameter in inspect.signature(COMMANDS[name]).parameters.values():
        default = parameter.default
        if default not in (inspect.Parameter.empty, None, False):
            said = rows[f"--{parameter.name.replace('_', '-')}"]
            assert said == str(default)


def test_every_part_is_named() -> None:
    for part in names_in("kairos.parts"):
        assert f"`{part}`" in section(PAGE, "## `kairos run`")


def test_the_exit_codes_are_a_table() -> None:
    codes = [row[0] for row in cells(page(PAGE)) if row[0].isdigit()]
    assert codes == ["0", "1", "2", str(REPLACED), str(READER_LEFT)]
