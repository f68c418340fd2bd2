"""Ten times more than the engine can do, on a stack of real processes whose engine is slowed down."""

import os
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from collector.keys import first_keys
from kairos.embedded.stack import Stack
from kairos.figures import Gauge
from tests.e2e.stacks import eventually, watched, workspace
from tests.shared import LONG

TURN_S, WORKS_S = 0.04, 0.001  # of each turn, how long the engine may run
BATCH = 50


@contextmanager
def slowed(process: int) -> Iterator[None]:
    """Let a process run for a small part of the time, as on a much smaller machine."""
    over = threading.Event()

    def turns() -> None:
        while not over.is_set():
            os.kill(process, signal.SIGCONT)
            time.sleep(WORKS_S)
            os.kill(process, signal.SIGSTOP)
            time.sleep(TURN_S - WORKS_S)
        os.kill(process, signal.SIGCONT)

    turning = threading.Thread(target=turns)
    turning.start()
    try:
        yield
    finally:
        over.set()
        turning.join()


class Client:
    """Sends batches of one kind at a rate, whatever is answered."""

    def __init__(self, url: str, key: str, kind: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30)
        self._key, self._kind = key, kind
        self._sent = 0
        self.answers: Counter[int] = Counter()
        self.took: list[float] = []  # seconds, of those that were accepted
        self.waits: list[int] = []  # seconds, that the others were told

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def send(self, rate: float, seconds: float) -> None:
        """Send so many events a second for a while."""
        began, due = time.monotonic(), 0.0
        while due < seconds:
            time.sleep(max(0.0, began + due - time.monotonic()))
            due += BATCH / rate
            self._batch()

    def _batch(self) -> None:
        self._sent += 1
        names = (f"{self._kind}{self._sent}.{n}" for n in range(BATCH))
        batch = [
            {"type": self._kind, "event": "Seen", "anonymousId": f"a{n}", "messageId": name}
            for n, name in enumerate(names)
        ]
        asked = time.monotonic()
        answer = self._http.post("/v1/batch", json={"batch": batch, "writeKey": self._key})
        self.answers[answer.status_code] += 1
        if answer.status_code == 200:
            self.took.append(time.monotonic() - asked)
        else:
            self.waits.append(int(answer.headers["retry-after"]))


@LONG
def test_r20_ten_times_too_much(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    keys = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")
    folder = workspace(tmp_path / "workspace", {"workspace.yaml": "workspace: shop\n"})
    with (
        Stack(data, folder) as stack,
        watched(stack),
        closing(Gauge(stack.settings)) as gauge,
        closing(Client(stack.url, keys["browser"], "page")) as viewer,
        closing(Client(stack.url, keys["browser"], "track")) as browser,
        closing(Client(stack.url, keys["server"], "track")) as server,
    ):
        clients = (viewer, browser, server)
        accepted = 0

        def phase(rate: float, seconds: float) -> dict[str, Any]:
            nonlocal accepted
            for one in clients:
                one.answers.clear()
                one.took.clear()
            before = records(stack)
            sending = [
                threading.Thread(target=one.send, args=(rate / len(clients), seconds))
                for one in clients
            ]
            for thread in sending:
                thread.start()
            waiting = []
            while any(thread.is_alive() for thread in sending):
                time.sleep(0.5)
                waiting.append(behind(stack) > 0)
            for thread in sending:
                thread.join()
            let = BATCH * sum(one.answers[200] for one in clients)
            accepted += let
            took = sorted(t for one in clients for t in one.took)
            return {
                "accepted": let,
                "worked_off": records(stack) - before,
                "p99": took[int(len(took) * 0.99)],
                "p50": statistics.median(took),
                "busy": statistics.mean(waiting),
                "answers": [dict(one.answers) for one in clients],
            }

        with slowed(stack.children["live"].process.pid):
            calm = phase(300, 6)  # small batches cost most: it can do 700 events/s of them
            first = phase(20_000, 3)  # what it can do, and what it lets in then
            full = phase(20_000, 6)
            rated = full["worked_off"] / 6
            much = phase(10 * rated, 12)
            print({"rated": rated, "calm": calm, "much": much})
        assert [answers.keys() for answers in calm["answers"]] == [{200}] * 3
        pages, tracks, servers = (one.answers for one in clients)
        # From the start of it, since what was accepted first is worked off in the end.
        let = sum(one["accepted"] for one in (first, full, much))
        assert let >= 0.95 * sum(one["worked_off"] for one in (first, full, much))
        assert much["busy"] > 0.9, "what it worked off is what it can do: it was hardly ever idle"
        assert {*pages, *tracks, *servers} <= {200, 429, 503}
        refused = [1 - a[200] / a.total() for a in (pages, tracks, servers)]
        assert refused[0] >= refused[1] >= refused[2]
        assert refused[0] > 0.8
        assert all(0 < wait <= 300 for one in clients for wait in one.waits)
        # An overload that is only refused late shows in seconds; a busy machine in tens of ms.
        assert much["p99"] <= max(2 * calm["p99"], 0.25)
        assert eventually(lambda: gauge.read().settled == accepted, 60), "nothing is lost"


def records(stack: Stack) -> int:
    """How many records the engine has read."""
    return int(said(stack, "live")["records"])


def behind(stack: Stack) -> int:
    """How many accepted events the engine has not read; less than none, for it has read ticks too."""
    accepted = said(stack, "collector").get("accepted", 0)  # not said before the first
    return int(accepted) - records(stack)


def said(stack: Stack, part: str) -> dict[str, Any]:
    """What a part says of itself, twice a second."""
    assert stack.settings.status is not None
    found: dict[str, Any] = orjson.loads((stack.settings.status / f"{part}.json").read_bytes())
    return found
