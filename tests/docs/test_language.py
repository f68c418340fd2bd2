"""docs/language.md says all that can be written, and nothing that cannot."""

import re
from itertools import chain

import msgspec
import pytest

from channels.base import addresses
from kairos.discovery import found_in
from profile_state.cells import MOST as VALUES
from profile_state.consent import MOST as CONSENTS
from profile_state.fold import TRAITS
from profile_state.identity import SPARE
from profile_state.leaf import RUNS
from tests.docs.pages import PAGES, ROOT, blocks, cells, first_cells, page, section
from triggers import schema
from triggers.cases import REFUSED
from triggers.goals import MOST as TRIALS
from triggers.load import load
from triggers.loading.building import steps
from triggers.loading.mappings import COMPARISONS, WINDOWS, subjects
from triggers.runs import ENTRIES
from triggers.signatures import signature_of
from triggers.templates import FRONT_KEYS, LINKS, parse

PAGE = "docs/language.md"
ADDRESSES = addresses()
FUNCTIONS = found_in("triggers.conditions")
STEPS = steps()
WORKSPACE = """
workspace: shop
purposes: {marketing: {default: denied}, product: {default: allowed}}
"""

TABLES: dict[str, type[msgspec.Struct]] = {
    "## A trigger": schema.TriggerFile,
    "## When": schema.When,
    "## Sends": schema.Send,
    "## Deliver": schema.Deliver,
    "## Segments": schema.SegmentFile,
    "## Workspace": schema.WorkspaceFile,
}


def keys(shape: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(shape)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_signature_and_its_example(name: str) -> None:
    entry = section(PAGE, f"### {name}")
    assert f"`{FUNCTIONS[name].SIGNATURE}`" in entry
    assert f"`{FUNCTIONS[name].EXAMPLE}`" in entry


def test_conditions_as_mappings_are_explained() -> None:
    entry = section(PAGE, "### As a mapping")
    for name, module in FUNCTIONS.items():
        assert f"| `{name}` | `{{{signature_of(module).mapping}}}` |" in entry
    for word, op in COMPARISONS.items():
        assert f"| `{word}` | `{'true' if op == 'exists' else op}`" in entry
    for word in subjects().keys() - FUNCTIONS.keys():
        assert f"| `{word}: NAME` |" in entry
    for word in WINDOWS:
        assert f"`{word}: " in entry


def test_no_function_is_described_that_is_not_there() -> None:
    functions = section(PAGE, "## Functions")
    assert set(re.findall(r"^### (\w+)$", functions, re.MULTILINE)) == set(FUNCTIONS)


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_has_a_row_and_every_row_is_a_key(heading: str) -> None:
    rows = set(first_cells(section(PAGE, heading).partition("\n### ")[0]))
    assert keys(TABLES[heading]) == rows


@pytest.mark.parametrize(
    "shape",
    [
        schema.Absence,
        schema.UsualInterval,
        schema.Purpose,
        schema.ChannelOptions,
        schema.IdentityLimit,
        schema.LinksOptions,
        schema.Utm,
        schema.VoucherPool,
    ],
)
def test_the_keys_of_small_parts_are_named(shape: type[msgspec.Struct]) -> None:
    heading = "## When" if "Absence" in str(shape) or "Usual" in str(shape) else "## Workspace"
    for key in keys(shape):
        assert re.search(rf"`[^`]*\b{key}\b[^`]*`", section(PAGE, heading)), key


def test_the_keys_of_tests_have_rows() -> None:
    rows = set(first_cells(section(PAGE, "## Tests")))
    for shape in (schema.Case, schema.Given, schema.Expect):
        assert keys(shape) <= rows


def test_a_test_may_expect_every_refusal_there_is() -> None:
    decided = section(PAGE, "## Reasons").partition("What the worker adds")[0]
    refused = {row[1] for row in cells(decided) if row[0] == "refused"}
    assert refused - {"invalid"} == REFUSED, "a version that does not load has no tests"


def test_the_word_beside_caps_is_explained() -> None:
    assert f"`{schema.CALENDAR}: true`" in section(PAGE, "### Caps")
    for heading in ("## Deliver", "## Workspace"):
        assert "[Caps](#caps)" in section(PAGE, heading)


def test_every_choice_of_a_word_is_named() -> None:
    text = page(PAGE)
    for shape in TABLES.values():
        for field in msgspec.inspect.type_info(shape).fields:  # type: ignore[attr-defined]
            if isinstance(field.type, msgspec.inspect.LiteralType):
                for word in field.type.values:
                    assert f"`{word}`" in text, f"{field.encode_name}: {word}"


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_its_signature_and_its_example(name: str) -> None:
    entry = section(PAGE, f"### {name}")
    assert f"`{STEPS[name].SIGNATURE}`" in entry
    assert f"```yaml\n{STEPS[name].EXAMPLE}\n```" in entry


def test_no_step_is_described_that_is_not_there() -> None:
    described = re.findall(r"^### (\w+)$", section(PAGE, "## Steps"), re.MULTILINE)
    assert described == sorted(STEPS)


OWN = [n for n, step in STEPS.items() if hasattr(step, "Options") and n != "send"]  # has a section


@pytest.mark.parametrize("name", OWN)
def test_every_key_of_a_step_is_explained(name: str) -> None:
    entry = section(PAGE, f"### {name}").partition("```yaml")
    explained = re.sub(r"```.*```", "", entry[2], flags=re.DOTALL) if name != "emit" else entry[0]
    for key in keys(STEPS[name].Options):
        assert re.search(rf"`[^`]*\b{key}\b[^`]*`", explained), key


def test_every_channel_is_named() -> None:
    for name in ADDRESSES:
        assert f"`{name}`" in section(PAGE, "## Sends"), name


def test_every_reason_has_a_row() -> None:
    core = "\n".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in ("triggers/core.py", "triggers/runs.py", "triggers/arbitrate.py")
    )
    core += "\n".join(
        p.read_text(encoding="utf-8")
        for p in (
            *(ROOT / "triggers/steps").glob("*.py"),
            ROOT / "triggers/emitting.py",
            ROOT / "triggers/acting.py",
            ROOT / "triggers/failing.py",
        )
    )
    said = re.findall(r'\bexplain\([^()]*?"(held|refused|ignored|ended|failed)", "(\w+)"[,)]', core)
    said += re.findall(r'\bLeave\("(\w+)", "(\w+)"\)', core)
    said += [("refused", reason) for reason in re.findall(r'\bRefuse\("(\w+)"', core)]
    held = re.findall(r'\b_held\([^()"]*"(\w+)"', core) + re.findall(r', "(\w+)"\)\]', core)
    said += [("held", reason) for reason in held]
    rows = {(row[0], row[1]) for row in cells(section(PAGE, "## Reasons"))}
    assert len(said) > 12
    assert set(said) <= rows
    gate = (ROOT / "channels/delivery/gate.py").read_text(encoding="utf-8")
    for kind, reason in re.findall(r'\b(Expired|Refused)\(reason="(\w+)"', gate):
        assert (kind.lower(), reason) in rows


def test_every_operator_of_the_grammar_is_explained() -> None:
    grammar = (ROOT / "triggers/grammar.lark").read_text(encoding="utf-8")
    operators = set(re.findall(r'"([^"]+)"', grammar.partition("OPERATOR:")[2].split("\n")[0]))
    words = set(re.findall(r'"([a-z_]+)"', grammar)) - {"true", "false", "last", "where"}
    conditions = section(PAGE, "## Conditions") + section(PAGE, "## Functions")
    for word in operators | words:
        assert re.search(rf"`[^`]*(?<![\w<>=!]){re.escape(word)}(?![\w=])[^`]*`", conditions), word


def test_the_front_matter_of_templates_is_explained() -> None:
    assert set(first_cells(section(PAGE, "## Templates"))) == {*FRONT_KEYS, *LINKS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_every_function_loads(name: str) -> None:
    trigger = (
        "trigger: example\nwhen: {event: seen}\n"
        f"if:\n  - {FUNCTIONS[name].EXAMPLE}\ndo: [{{send: {{channels: [log]}}}}]\n"
        "deliver: {purpose: transactional}\n"
    )
    load({"workspace.yaml": WORKSPACE, "triggers/example.yaml": trigger, **WARM}, ADDRESSES)


WARM = {"segments/warm.yaml": "segment: warm\nif: count(product_viewed, last 7d) >= 3\n"}
YAML = [
    (path, nth)
    for path in PAGES
    if path != "docs/replay.md"  # whose YAML is no workspace's
    if path != "docs/models.md"  # whose pieces belong together; `test_models.py` loads them
    for nth in range(len(blocks(path, "yaml")))
]


@pytest.mark.parametrize(("path", "nth"), YAML)
def test_every_example_loads(path: str, nth: int) -> None:
    files = {"workspace.yaml": WORKSPACE}
    for place, text in enumerate(blocks(path, "yaml")):
        kind = text.partition(":")[0]
        if kind == "workspace":
            files["workspace.yaml"] = text if place == nth else WORKSPACE
        elif kind == "offers":
            files["offers.yaml"] = text
            files["workspace.yaml"] = (
                f"{WORKSPACE}bands: {{ltv: {{high: '>= 1'}}}}\noffers: offers.yaml\n"
            )
        elif not text.startswith("- "):  # a step alone; `tests/contracts/test_step.py` takes it
            assert kind in ("trigger", "segment", "webhook"), f"{path}: what is {text!r}?"
            files[f"{kind}s/{place}.yaml"] = text
    for name in set(chain(*(re.findall(r"template: (\w+)", text) for text in files.values()))):
        mark = "---\npurpose: transactional\n---\n" if name == "order_confirmation" else ""
        files[f"templates/{name}.liquid"] = mark + "Hello"
    load(files, ADDRESSES)


@pytest.mark.parametrize("text", blocks(PAGE, "liquid"))
def test_every_template_parses(text: str) -> None:
    assert parse("templates/example.liquid", text).subject


def test_the_bounds_of_a_person_are_those_of_the_code() -> None:
    said = section(PAGE, "## Bounds")
    for bound in (TRAITS, CONSENTS, RUNS, ENTRIES, TRIALS, VALUES, SPARE):
        assert f"| {bound:,}" in said
