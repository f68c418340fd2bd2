"""Six real SDKs deliver every call there is, while the collector is killed again and again.

None of them knows of us: what is lost, or counted twice, is what a customer would lose.
"""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import redis

from collector.keys import first_keys
from events.record import Event, decode
from flows.open import open_whole
from kairos.embedded.stack import Stack
from kairos.settings import Settings
from tests import clients
from tests.browsers import browser, shop
from tests.clients import SDKS
from tests.e2e.stacks import eventually, watched, workspace
from tests.shared import LONG

ROUNDS, PAUSE_MS = 12, 500
KILLS = 4  # of the collector, while one of them sends
UP_S = 0.3  # that it serves before each
FILES = {"workspace.yaml": "workspace: shop\n"}
SERVERS = ("identify", "product_viewed", "page_viewed", "screen_viewed", "group", "alias")


class Site(NamedTuple):
    stack: Stack
    keys: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.stack.url


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("sdks")
    data = folder / "data"
    data.mkdir()
    keys = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")
    with Stack(data, workspace(folder / "shop", FILES)) as stack, watched(stack):
        yield Site(stack, {str(kind): text for kind, text in keys.items()})


@contextmanager
def killed_again_and_again(
    stack: Stack, may: Callable[[], bool] = lambda: True, kills: int = KILLS
) -> Iterator[list[int]]:
    """Kill the collector, each time once it has served for a moment; whoever watches starts another.

    Only so often, for an SDK gives up after so many tries of its own, and where a collector is back
    for a moment in ten seconds alone what gets lost says nothing of us.

    Args:
        stack: whose collector it is.
        may: whether it may be killed now.
        kills: how often, at most.
    """
    killed: list[int] = []
    over = threading.Event()

    def serves() -> bool:
        try:
            return httpx.get(f"{stack.url}/readyz", timeout=1).is_success
        except httpx.TransportError:
            return False

    def kill() -> None:
        while len(killed) < kills and not over.wait(0.02):
            if serves() and not over.wait(UP_S) and may():
                process = stack.children["collector"].process
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        yield killed
    finally:
        over.set()
        killing.join()


def told(settings: Settings) -> dict[str, Event]:
    """Every event in the log, each once."""
    found: dict[str, Event] = {}
    with closing(open_whole(settings)) as log:
        after = -1
        while entries := log.read(0, after, 1000, 0):
            for entry in entries:
                records = [r for r in decode(entry.payload) if isinstance(r, Event)]
                found.update((event.message_id, event) for event in records)
            after = entries[-1].id
    return found


def applied(settings: Settings) -> int:
    with closing(redis.Redis.from_url(settings.ledger)) as ledger:
        return int(ledger.hget("counts:{p0}", "applied") or 0)


def delivered(
    site: Site,
    command: list[str],
    folder: str | None = None,
    may: Callable[[], bool] = lambda: True,
) -> tuple[list[Event], int]:
    """Run a client while the collector is killed; return its events, and how often it was killed."""
    before = told(site.stack.settings)
    with killed_again_and_again(site.stack, may) as killed:
        said = clients.run(command, folder=folder, timeout_s=120)
    assert not json.loads(said).get("failed"), said
    new = [e for name, e in told(site.stack.settings).items() if name not in before]
    total = len(before) + len(new)
    assert eventually(lambda: applied(site.stack.settings) >= total)
    assert applied(site.stack.settings) == total, "each counts once"
    return new, len(killed)


def calls(events: list[Event]) -> Counter[tuple[str, str]]:
    return Counter((event.leaf, event.name) for event in events)


@LONG
@pytest.mark.parametrize("language", ["python", "node"])
@pytest.mark.parametrize("sdk", ["segment", "rudderstack"])
def test_an_sdk_for_servers_delivers_every_call_once(site: Site, sdk: str, language: str) -> None:
    if language == "python":
        runner, folder = [clients.python(), str(SDKS / "python_sdk.py")], None
    else:
        folder = clients.packages()
        runner = ["node", str(SDKS / "servers.mjs")]
    command = [*runner, sdk, site.url, site.keys["server"], str(ROUNDS), str(PAUSE_MS)]
    events, kills = delivered(site, command, folder)
    assert kills > 2
    assert calls(events) == {
        (f"user_id:{sdk}-{n}", name): 1 for n in range(ROUNDS) for name in SERVERS
    }


@LONG
@pytest.mark.parametrize(
    ("sdk", "mode"),
    [
        ("segment", "standard"),
        ("segment", "batching"),
        ("rudderstack", "xhr"),
        ("rudderstack", "batch"),
    ],
)
def test_an_sdk_for_browsers_delivers_every_call_once(
    site: Site, tmp_path: Path, sdk: str, mode: str
) -> None:
    folder = clients.packages()
    command = ["node", str(SDKS / "browser.mjs"), sdk, mode, site.url, site.keys["browser"]]
    command += [str(ROUNDS), str(PAUSE_MS), clients.chromium(), str(tmp_path / "profile")]
    ready, leaving = tmp_path / "profile.ready", tmp_path / "profile.leaving"

    def may() -> bool:
        """Not before the SDK has its settings, for which it asks once; nor while the page is left:
        what leaves with it is sent once, and nobody hears whether it arrived."""
        return ready.exists() and not leaving.exists()

    events, kills = delivered(site, command, folder, may)
    assert kills > 2
    names = ["page_viewed", "product_viewed", "identify", "group", "alias"]
    names += ["screen_viewed"] if sdk == "segment" else []
    right = Counter(dict.fromkeys(names, ROUNDS)) + Counter(left_early=1)
    assert Counter(event.name for event in events) == right
    for name in ("identify", "group"):
        said = {e.properties.get("n", e.traits.get("n")) for e in events if e.name == name}
        assert said == set(range(ROUNDS))


@LONG
def test_our_own_script_delivers_every_call_once(site: Site, tmp_path: Path) -> None:
    """It keeps what was not confirmed, also what a beacon was handed: so it may be killed under it."""
    before, rounds = told(site.stack.settings), 16
    with browser(tmp_path / "profile") as tab:
        tab.serve(shop(site.url, key=site.keys["browser"]))
        tab.open("/")  # from here on the browser has the script, and needs nobody for it
        with killed_again_and_again(site.stack, kills=3 * KILLS) as killed:
            for n in range(rounds):
                tab.open(f"/page-{n}")
                tab.run(f"kairos.track('Product Viewed', {{ n: {n} }})")
                tab.run(f"kairos.identify('ours', {{ n: {n} }})")
                tab.run(f"new Promise((done) => setTimeout(done, {PAUSE_MS}))")
        left = "Object.keys(localStorage).filter((name) => name.startsWith('kairos.e.')).length"
        assert eventually(lambda: tab.run(left) == 0)
    new = [e for name, e in told(site.stack.settings).items() if name not in before]
    assert len(killed) > 2
    right = {"page_viewed": rounds + 1, "product_viewed": rounds, "identify": rounds}
    assert Counter(event.name for event in new) == right
    assert {e.properties["n"] for e in new if e.name == "product_viewed"} == set(range(rounds))
    total = len(before) + len(new)
    assert eventually(lambda: applied(site.stack.settings) == total), "each counts once"


@LONG
def test_beacons_arrive_also_when_the_page_is_left(site: Site, tmp_path: Path) -> None:
    """What answers a beacon nobody hears, so a collector that is away loses it: no kills here."""
    command = ["node", str(SDKS / "browser.mjs"), "rudderstack", "beacon", site.url]
    command += [site.keys["browser"], "5", "200", clients.chromium(), str(tmp_path / "profile")]
    before = told(site.stack.settings)
    clients.run(command, folder=clients.packages(), timeout_s=60)
    new = [e for name, e in told(site.stack.settings).items() if name not in before]
    names = ["page_viewed", "product_viewed", "identify", "group", "alias"]
    assert Counter(e.name for e in new) == Counter(dict.fromkeys(names, 5)) + Counter(left_early=1)
