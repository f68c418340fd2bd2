"""Links lead somewhere, snippets are what they say, and recipes name what is there."""

import ast
import json
import re
import shlex
from pathlib import Path

import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request
from scripts.audit import pins
from tests.docs.pages import PAGES, ROOT, blocks, cells, page

KEY, STORED = create("browser", "web", "2026-11-25T00:00:00Z")


@pytest.mark.parametrize("path", [*PAGES, "CHANGELOG.md"])
def test_every_link_leads_somewhere(path: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page(path)):
        file, _, anchor = target.partition("#")
        assert ":" not in target, f"{path}: {target} leaves the repository"
        there = (ROOT / path).parent / file if file else ROOT / path
        assert there.exists(), f"{path}: {target}"
        if anchor:
            text = there.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", PAGES)
def test_every_python_snippet_compiles(path: str) -> None:
    for text in blocks(path, "python"):
        ast.parse(text)


@pytest.mark.parametrize("path", PAGES)
def test_every_shell_snippet_can_be_read(path: str) -> None:
    for text in blocks(path, "sh"):
        assert shlex.split(text, comments=True)


def test_the_first_event_of_the_readme_is_accepted() -> None:
    (curl,) = [text for text in blocks("README.md", "sh") if text.startswith("curl")]
    words = shlex.split(curl)
    body = words[words.index("-d") + 1].encode()
    path = "/" + words[1].split("/", 3)[3]
    head = {b"authorization": b"Bearer " + KEY.encode()}
    done = handle(Request("POST", path, b"", head, body), Door(KeyRing([STORED])), 10**15)
    assert isinstance(done, Accepted)
    assert json.loads(done.response.body) == {"success": True, "accepted": 1}
    assert done.response.body.decode() in page("README.md")


def test_the_python_snippet_of_the_readme_speaks_to_a_path_that_is_there() -> None:
    (text,) = blocks("README.md", "python")
    for call, body in (("identify", b'{"userId":"u-1"}'), ("track", b'{"userId":"u","event":"E"}')):
        assert f'send("{call}"' in text
        head = {b"authorization": b"Bearer " + KEY.encode()}
        request = Request("POST", f"/v1/{call}", b"", head, body)
        assert isinstance(handle(request, Door(KeyRing([STORED])), 10**15), Accepted)


@pytest.mark.parametrize("path", PAGES)
def test_files_that_are_named_are_there(path: str) -> None:
    folders = "kairos|events|collector|profile_state|triggers|channels|flows|tests|scripts|docs"
    text = re.sub(r"```.*?```", "", page(path), flags=re.DOTALL)
    for name in re.findall(rf"`((?:{folders})/[\w./-]+\.(?:py|md|txt))`", text):
        assert "NAME" in name or (ROOT / name).exists(), f"{path}: {name}"


def test_every_folder_of_the_pipeline_is_in_the_readme() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    for name in packages:
        assert f"`{name}/`" in page("README.md"), name


def test_every_library_that_is_shipped_has_its_licence_recorded() -> None:
    lock = (ROOT / "requirements/run.lock").read_text(encoding="utf-8")
    recorded = {row[0] for row in cells(page("docs/licences.md"))} - {"library"}
    assert recorded == set(pins(lock))


def test_the_licence_is_in_the_wheel_and_in_the_project() -> None:
    assert "Apache License" in page("LICENSE")
    assert 'license = "Apache-2.0"' in Path(ROOT / "pyproject.toml").read_text(encoding="utf-8")
