"""examples/language holds every example of the page that fixes the language, as it stands there."""

import re
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.shared import shared
from triggers import yaml

EXAMPLE = ROOT / "examples/language"
FOLDERS = {"trigger": "triggers/", "segment": "segments/"}


def on_the_page() -> list[dict[str, Any]]:
    text = shared("TRIGGERS.md").read_text(encoding="utf-8")
    found = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [yaml.read("TRIGGERS.md", one).content for one in found]


def in_the_folder(kind: str, name: str) -> dict[str, Any]:
    path = EXAMPLE / f"{FOLDERS[kind]}{name}.yaml" if kind in FOLDERS else EXAMPLE / f"{kind}.yaml"
    content: dict[str, Any] = yaml.read(path.name, path.read_text(encoding="utf-8")).content
    return dict(content)


def differences(page: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """What the file lacks or says otherwise; it may promise more by tests of its own."""
    lost = [one["name"] for one in page.get("tests", []) if one not in ours.get("tests", [])]
    keys = (
        (page.keys() | ours.keys())
        - {"tests"}
        - (set() if "description" in page else {"description"})
    )
    return lost + [key for key in sorted(keys) if page.get(key) != ours.get(key)]


def test_every_example_of_the_page_is_there_and_means_the_same() -> None:
    examples = on_the_page()
    kinds = [next(iter(one)) for one in examples]
    assert (kinds.count("trigger"), kinds.count("segment"), kinds.count("workspace")) == (6, 1, 1)
    for kind, one in zip(kinds, examples, strict=True):
        ours = in_the_folder(kind, one[kind])
        assert differences(one, ours) == [], f"{kind} {one[kind]}"


def test_every_trigger_of_the_page_promises_something() -> None:
    for one in on_the_page():
        if "trigger" in one:
            assert in_the_folder("trigger", one["trigger"])["tests"]


@pytest.mark.parametrize("key", ["when", "if", "reentry", "do", "deliver", "tests"])
def test_a_difference_is_told(key: str) -> None:
    page = on_the_page()[0]
    ours = in_the_folder("trigger", page["trigger"])
    del ours[key]
    assert differences(page, ours)
