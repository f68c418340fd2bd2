"""docs/replay.md: every key of a mapping, and an example that loads."""

from pathlib import Path

from kairos.replay.mapping import Mapping, load
from tests.docs.pages import blocks, first_cells, section

PAGE = "docs/replay.md"


def test_the_keys_described_are_those_there_are() -> None:
    assert set(first_cells(section(PAGE, "## Mappings"))) == set(Mapping.__struct_fields__)


def test_the_example_loads(tmp_path: Path) -> None:
    (text,) = blocks(PAGE, "yaml")
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    assert load(path).names == {"view": "product_viewed"}
