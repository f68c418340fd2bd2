"""A running stack that tests share, and who sends to it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from collector.keys import KeyRing, create
from kairos.embedded.stack import Stack
from kairos.example import example
from kairos.profile.beside import beside
from kairos.profile.read import Profile, read

Told = Callable[[], dict[str, Any]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """The object that the last command printed."""

    def read() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return found

    return read


class Site:
    """A stack, and its two keys."""

    def __init__(self, stack: Stack, keys: dict[str, str]) -> None:
        self.stack = stack
        self.data = stack.data
        self.keys = keys

    def send(self, *calls: dict[str, Any], key: str = "server", **batch: Any) -> dict[str, Any]:
        """Send calls as one batch."""
        answer = httpx.post(
            f"{self.stack.url}/v1/batch",
            content=json.dumps({"batch": calls, **batch}),
            auth=(self.keys[key], ""),
        )
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def settle(self) -> None:
        """Wait until the ledger has all that was sent."""
        with beside(self.stack.settings) as engine:
            assert engine.caught_up(patience_s=15)

    @property
    def newest(self) -> int:
        """The newest entry of the log."""
        with beside(self.stack.settings) as engine:
            return engine.log.last(0)

    def profile(self, who: str) -> Profile:
        found = read(self.stack.settings, who, 50)
        assert found is not None, f"nobody is {who}"
        assert not found.behind
        return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("data")
    made = {kind: create(kind, kind, "2026-11-25T00:00:00Z") for kind in ("browser", "server")}
    KeyRing([key for _, key in made.values()]).save(data / "keys.json")
    with Stack(data, example()) as stack:
        yield Site(stack, {kind: text for kind, (text, _) in made.items()})
