"""Ten times more than the engine can do, on a stack of real processes whose engine is slowed down."""

import os
import signal
import statistics
import subprocess
import sys
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

# The engine may have a 25th of a core. A stop that came late, as on a busy machine, is made up
# for. The clock is what clock_getcpuclockid(3) gives: of all threads of another process.
TURNS = """
import os, signal, sys, time
engine = int(sys.argv[1])
clock = (~engine << 3) | 2
began, had = time.monotonic(), time.clock_gettime(clock)
while True:
    may = time.clock_gettime(clock) - had < (time.monotonic() - began) / 25
    os.kill(engine, signal.SIGCONT if may else signal.SIGSTOP)
    time.sleep(0.001)
"""
BATCH = 50


@contextmanager
def slowed(process: int) -> Iterator[None]:
    """Let a process run for a small part of the time, as on a much smaller machine."""
    # A process of its own: a thread would wait for ours, and the engine would run meanwhile.
    turning = subprocess.Popen([sys.executable, "-c", TURNS, str(process)])
    try:
        yield
    finally:
        turning.kill()
        turning.wait()
        os.kill(process, signal.SIGCONT)


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
            began = time.monotonic()
            for thread in sending:
                thread.start()
            waiting = []
            while any(thread.is_alive() for thread in sending):
                time.sleep(0.5)
                waiting.append(said(stack, "collector")["lag_ms"] > 0)
            for thread in sending:
                thread.join()
            took_s = time.monotonic() - began
            let = BATCH * sum(one.answers[200] for one in clients)
            accepted += let
            took = sorted(t for one in clients for t in one.took)
            return {
                "accepted": let,
                "offered": BATCH * sum(one.answers.total() for one in clients),
                "worked_off": records(stack) - before,
                "took_s": took_s,
                "p99": took[int(len(took) * 0.99)],
                "p50": statistics.median(took),
                "busy": statistics.mean(waiting),
                "answers": [dict(one.answers) for one in clients],
            }

        with slowed(stack.children["live"].process.pid):
            calm = phase(300, 6)  # less than a quarter of what it works off below
            first = phase(20_000, 3)  # what it can do, and what it lets in then
            full = phase(20_000, 6)
            rated = full["worked_off"] / full["took_s"]
            much = phase(10 * rated, 12)
            print({"rated": rated, "calm": calm, "much": much})
        assert [answers.keys() for answers in calm["answers"]] == [{200}] * 3
        pages, tracks, servers = (one.answers for one in clients)
        # From the start of it, since what was accepted first is worked off in the end.
        let = sum(one["accepted"] for one in (first, full, much))
        assert let >= 0.95 * sum(one["worked_off"] for one in (first, full, much))
        assert much["offered"] >= 5 * much["worked_off"], "far more than it can do"
        assert much["busy"] > 0.9, "what it worked off is what it can do: it was hardly ever idle"
        assert {*pages, *tracks, *servers} <= {200, 429, 503}
        refused = [1 - a[200] / a.total() for a in (pages, tracks, servers)]
        # Where neither of two is let in but for a batch or two, which of them had more is chance.
        assert refused[0] + 0.01 >= refused[1] >= refused[2] + 0.1
        assert refused[0] > 0.8
        assert all(0 < wait <= 300 for one in clients for wait in one.waits)
        # An overload that is only refused late shows in seconds; a busy machine in tens of ms.
        assert much["p99"] <= max(2 * calm["p99"], 0.25)
        assert eventually(lambda: gauge.read().settled == accepted, 60), "nothing is lost"


def records(stack: Stack) -> int:
    """How many records the engine has read."""
    return int(said(stack, "live")["records"])


def said(stack: Stack, part: str) -> dict[str, Any]:
    """What a part says of itself, twice a second."""
    assert stack.settings.status is not None
    found: dict[str, Any] = orjson.loads((stack.settings.status / f"{part}.json").read_bytes())
    return found
