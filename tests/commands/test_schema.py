"""`kairos schema`: what an editor makes of our files, with their YAML read as editors read it."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from kairos.commands.schema import command
from tests.docs.pages import ROOT, blocks
from tests.triggers.test_mappings import PAIRS
from triggers.json_schema import KINDS, schema
from triggers.loading.building import steps

EXAMPLES = ROOT / "examples"


def problems(kind: str, text: str) -> list[str]:
    checked = Draft202012Validator(schema(kind))
    content = json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))
    return [error.message for error in checked.iter_errors(content)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("text", blocks("docs/language.md", "yaml"))
def test_every_example_of_the_language_fits(text: str) -> None:
    kind = text.partition(":")[0]
    if text.startswith("- "):
        kind, text = "trigger", f"trigger: a\nwhen: {{event: a}}\ndo:\n{text}"
    assert problems(kind, text) == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_name_a_schema_that_is_there_and_fit_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert named.is_file()
    assert problems(named.stem, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "workspace", sorted(path.parent.name for path in EXAMPLES.glob("*/workspace.yaml"))
)
def test_the_schemas_beside_the_examples_are_current(workspace: str, kind: str) -> None:
    path = EXAMPLES / workspace / f"schema/{kind}.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written == schema(kind), f"run kairos schema --folder examples/{workspace}"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("trigger", "trigger: a\nwhen: {event: a}\n"),  # `do` is missing
        ("trigger", "trigger: a\nwhen: {event: a}\ndo: [{snd: {channels: [email]}}]\n"),
        ("trigger", "trigger: a\nwhen: {event: a}\ndo: [{wait_for: {event: b}}]\n"),
        ("trigger", "trigger: a\nwhen: {event: a}\ndo: [{if: x = 1, then: [{wiat: 1d}]}]\n"),
        ("trigger", "trigger: a\nwhen: {evnt: a}\ndo: [exit]\n"),
        ("trigger", "trigger: a\nwhen: {event: a}\ndo: [exit]\nstatus: off\n"),
        (
            "trigger",
            "trigger: a\nwhen: {event: a}\ndo: [exit]\ndeliver: {caps: {calendar: daily}}\n",
        ),
        ("segment", "segment: a\n"),
        ("segment", "segment: a\nif: {cuont: product_viewed, last: 7d}\n"),
        ("segment", "segment: a\nif: [{any_of: [{count: product_viewed, lst: 7d}]}]\n"),
        ("trigger", "trigger: a\nwhen: {event: a, where: {evnt: b, is: 1}}\ndo: [exit]\n"),
        ("workspace", "workspace: a\nexclude: {marketing: {trai: b, is: 1}}\n"),
        ("workspace", "workspace: a\npurposes: {marketing: {default: maybe}}\n"),
    ],
)
def test_what_does_not_fit_is_underlined(kind: str, text: str) -> None:
    assert problems(kind, text)


@pytest.mark.parametrize("mapping", [mapping for mapping, _ in PAIRS])
def test_every_condition_as_a_mapping_fits(mapping: str) -> None:
    assert problems("segment", f"segment: a\nif: {mapping}\n") == []


def test_every_step_is_described_under_its_word() -> None:
    found: dict[str, Any] = {one.get("title"): one for one in schema("trigger")["$defs"].values()}
    for word, module in steps().items():
        assert found[word]["description"] == (module.__doc__ or "").strip()


def test_the_command_prints_one_or_writes_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("segment") == 0
    assert json.loads(capsys.readouterr().out) == schema("segment")
    assert command() == command("segment", folder=tmp_path) == 2
    assert command(folder=tmp_path) == 2
    (tmp_path / "workspace.yaml").write_text("workspace: a\n", encoding="utf-8")
    assert command(folder=tmp_path) == 0
    assert {path.stem for path in (tmp_path / "schema").iterdir()} == set(KINDS)
