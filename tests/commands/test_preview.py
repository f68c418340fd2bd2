"""`kairos preview`: what a person would be sent, and why they would not be."""

import json
from pathlib import Path
from typing import Any

import pytest

from kairos.commands.preview import command
from tests.commands.conftest import Site
from tests.docs.pages import ROOT

TRIGGER = """
trigger: hello
when: {event: ordered}
do: [{send: {channels: [email, sms], template: hello}}]
deliver: {purpose: transactional}
"""
MARK = "---\nsubject: %s {{ first_name }}\npurpose: transactional\nrequire: [first_name, event.order_id]\n---\n"
FILES = {
    "workspace.yaml": "workspace: shop\n",
    "triggers/hello.yaml": TRIGGER,
    "templates/hello.liquid": MARK % "Hello"
    + "<style>p {color: red}</style><p>{{ event.order_id }}, {{ plan }}, {{ rfm.monetary }}</p>",
    "templates/hello.de.liquid": MARK % "Hallo" + "<p>{{ event.order_id }}</p>",
}
WHOLE = {"facts": '{"first_name": "Ana & Co"}', "event": '{"order_id": "o1"}'}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        file = tmp_path / "shop" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path / "shop"


def shown(capsys: pytest.CaptureFixture[str], code: int, **how: Any) -> Any:
    """Return what the command prints as JSON, and hold it to its exit code."""
    assert command("hello", json=True, **how) == code
    return json.loads(capsys.readouterr().out)


def test_it_shows_subject_and_text_and_writes_the_html(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hello.html"
    assert command("hello", workspace=workspace, out=out, **WHOLE) == 0  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert said == "templates/hello.liquid, on email\nsubject: Hello Ana & Co\n\no1, ,\n"
    assert '<p style="color: red;">o1, , </p>' in out.read_text(encoding="utf-8")


def test_the_language_is_the_persons_or_the_one_that_is_asked_for(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    german = {**WHOLE, "facts": '{"first_name": "Ana", "locale": "de-AT"}', "workspace": workspace}
    assert shown(capsys, 0, **german)["subject"] == "Hallo Ana"
    assert shown(capsys, 0, **german, language="fr")["file"] == "templates/hello.liquid"
    assert (
        shown(capsys, 0, **WHOLE, workspace=workspace, language="de")["subject"] == "Hallo Ana & Co"
    )


def test_an_example_is_in_two_languages(capsys: pytest.CaptureFixture[str]) -> None:
    how = {"workspace": ROOT / "examples/campaigns", "facts": '{"first_name": "Ana"}', "json": True}
    subjects = []
    for language in ("de-CH", "en"):
        assert command("welcome", language=language, **how) == 0  # type: ignore[arg-type]
        subjects.append(json.loads(capsys.readouterr().out)["subject"])
    assert subjects == ["Willkommen, Ana", "Welcome, Ana"]


def test_f7_what_is_required_and_missing_is_said(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, 1, workspace=workspace, facts='{"first_name": " "}')
    assert found["missing"] == ["first_name", "event.order_id"]
    assert command("hello", workspace=workspace, facts=WHOLE["facts"]) == 1
    said = capsys.readouterr().err
    assert said == "templates/hello.liquid: no value for event.order_id, which it requires\n"


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"channel": "emial"}, "no channel 'emial'"),
        ({"facts": "{"}, "--facts is no JSON"),
        ({"event": "[1]"}, "--event: a JSON object was expected, found '[1]'"),
        ({"language": "deutsch"}, "--language: a tag such as de or pt-br was expected"),
        ({"channel": "sms", "out": Path("x.html")}, "a message on sms has none"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(
    workspace: Path, capsys: pytest.CaptureFixture[str], how: dict[str, Any], says: str
) -> None:
    assert says in shown(capsys, 2, **{"workspace": workspace, **WHOLE, **how})["error"]


def test_no_such_template(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("helo", workspace=workspace) == 2
    assert "no template 'helo' for email" in capsys.readouterr().err


def test_a_workspace_that_does_not_load_is_said_to_be_wrong(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "templates/hello.de.liquid").write_text("Hallo {vorname}", encoding="utf-8")
    assert (
        "templates/hello.de.liquid:1:1: nobody fills {vorname}"
        in shown(capsys, 1, workspace=workspace, **WHOLE)["error"]
    )


def test_a_person_of_a_running_engine_fills_it(
    site: Site, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traits = {"first_name": "Petra", "plan": "pro", "locale": "pt-BR"}
    site.send({"type": "identify", "userId": "petra", "traits": traits}, key="server")
    site.settle()
    how = {"workspace": workspace, "event": WHOLE["event"], "profile": "user_id:petra"}
    found = shown(capsys, 0, data=site.data, **how)
    assert (found["subject"], found["text"]) == ("Hello Petra", "o1, pro,")
    found = shown(capsys, 0, data=site.data, facts='{"first_name": "Pia"}', language="de", **how)
    assert found["subject"] == "Hallo Pia"
    assert "nobody is" in shown(capsys, 1, data=site.data, **{**how, "profile": "nobody"})["error"]


def test_links_of_a_message_are_shown_as_examples(capsys: pytest.CaptureFixture[str]) -> None:
    how: dict[str, Any] = {"workspace": ROOT / "examples/campaigns", "json": True}
    assert command("tips", **how) == 0
    html = json.loads(capsys.readouterr().out)["html"]
    assert '<a href="https://id.shop.example/u/EXAMPLE">' in html
    assert '<a href="https://id.shop.example/p/EXAMPLE">' in html
