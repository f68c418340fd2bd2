"""Every test that a trigger carries, in the examples and on the language's page, lived through the engine."""

from pathlib import Path
from typing import Any

import pytest

from flows.workspace_folder import read_catalog, read_folder
from tests.docs.pages import ROOT, blocks
from tests.examples.living import live
from tests.shop import ADDRESSES, WORKSPACE
from triggers.cases import Case
from triggers.load import load

WORKSPACES = sorted(path.parent for path in (ROOT / "examples").glob("*/workspace.yaml"))
CASES = [
    pytest.param(folder, trigger, case, id=f"{folder.name}: {trigger}: {case.name}")
    for folder in WORKSPACES
    for trigger, cases in load(read_folder(folder), ADDRESSES).cases.items()
    for case in cases
]
[PROMISING] = [text for text in blocks("docs/language.md", "yaml") if "\ntests:" in text]
ON_THE_PAGE = {
    "workspace.yaml": WORKSPACE,
    "triggers/cart_reminder.yaml": PROMISING,
    "templates/cart_reminder.liquid": "Hello {{ first_name }}",
    "templates/tips.liquid": "Hello",
}


def items_of(folder: Path) -> dict[str, dict[str, Any]]:
    name = load(read_folder(folder), ADDRESSES).catalog
    return read_catalog(folder, name) if name else {}


@pytest.mark.parametrize(("folder", "trigger", "case"), CASES)
def test_what_a_trigger_promises_comes_true(folder: Path, trigger: str, case: Case) -> None:
    assert live(read_folder(folder), trigger, case, items_of(folder)) == []


def lived(files: dict[str, str]) -> list[str]:
    """What is wrong with the tests of the trigger that docs/language.md shows."""
    [cases] = load(files, ADDRESSES).cases.values()
    return [problem for case in cases for problem in live(files, "cart_reminder", case, {})]


def test_what_the_page_shows_comes_true() -> None:
    assert lived(ON_THE_PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('at: "14:35"', 'at: "14:36"', "expected 1 of Sends"),
        ('at: "14:35"', "times: 2", "found 1"),
        ("template: cart_reminder, at", "template: tips, at", "not expected: email cart_reminder"),
        ("send: email,", "send: whatsapp,", "not expected: email cart_reminder at Mon 02 Mar 14:35"),
        ('[{send: email, template: cart_reminder, at: "14:35"}]', "{nothing: true}", "not expected"),
        ("refused: consent", "refused: cap", "found 0 among"),
        ("times: 2}]", "times: 1}]", "found 2 among"),
        # What is given, and what happens, matters.
        ("value: 30}\"\n      - 15", "value: 19}\"\n      - 15", "cart_reminder had not been sent when it was clicked"),
        ("15:00 email_clicked", "+1d 15:00 email_clicked", "not expected: email tips at Tue 03 Mar 14:35"),
        ("consent: {marketing: [email]}", "consent: {marketing: [sms]}", "expected 1 of Sends"),
        ("      addresses: {email: ana@shop.example}\n", "", "expected 1 of Sends"),
        ("timezone: Europe/Paris}", "timezone: Asia/Tokyo}", ""),
        # So does what the trigger says.
        ("within: 30m", "within: 31m", "not expected: email cart_reminder at Mon 02 Mar 14:36"),
        ("key: cart_id", "key: cart", "expected 1 of Sends"),
        ("timeout: 1d", "timeout: 10m", "not expected: email tips at Mon 02 Mar 14:45"),
        # A test is about its trigger alone, and about it as if it were live.
        ("key: cart_id", "status: draft\nkey: cart_id", ""),
        ("key: cart_id", "holdout: 99%\nkey: cart_id", ""),
    ],
)  # fmt: skip
def test_what_does_not_come_true_is_told(old: str, new: str, expected: str) -> None:
    assert old in PROMISING
    files = {**ON_THE_PAGE, "triggers/cart_reminder.yaml": PROMISING.replace(old, new, 1)}
    found = lived(files)
    assert bool(found) is bool(expected), found
    assert not expected or any(expected in one for one in found), found
