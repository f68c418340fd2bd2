"""kill -9 of the engine under load: nothing lost, nothing doubled, at real receiving servers."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import redis

from channels.delivery.ledger import summary
from collector.keys import first_keys
from kairos.demo.outside import Outside
from kairos.demo.receipts import Receipts
from kairos.embedded.stack import Stack

WORKSPACE = Path(__file__).parents[2] / "examples" / "shop"
KILLS = int(os.environ.get("KAIROS_KILLS", "8"))  # .ci/run takes 20
USERS_PER_S = 200  # less than the receiving servers take, so that what is due is never behind
PATIENCE_S = 60


class Load:
    """A client that sends until it is stopped, as an SDK would: what was not confirmed goes again."""

    def __init__(self, url: str, key: str) -> None:
        self.accepted: Counter[str] = Counter()  # user -> distinct events confirmed
        self.greeted = 0  # users who signed up, each of whom gets one mail
        self.copies = 0  # sent on purpose after they were confirmed
        self.failures = 0
        self._client = httpx.Client(base_url=url, auth=(key, ""), timeout=20)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        n = 0
        while not self._stop.wait(1 / USERS_PER_S):
            n += 1
            self._one(f"u{n}", signs_up=n % 5 == 0, copy=n % 7 == 0)
        self._client.close()

    def _one(self, user: str, *, signs_up: bool, copy: bool) -> None:
        """A user with an address looks at three products, and perhaps signs up."""
        traits = {"email": f"{user}@shop.example", "firstName": user}
        batch: list[dict[str, Any]] = [
            {"type": "identify", "userId": user, "anonymousId": f"d-{user}", "traits": traits},
            {"type": "track", "event": "Signed Up" if signs_up else "Signed In", "userId": user},
            *(
                {"type": "track", "event": "Product Viewed", "anonymousId": f"d-{user}"}
                for _ in range(3)
            ),
        ]
        for nth, event in enumerate(batch):
            event["messageId"] = f"{user}-{nth}"
        self._post(batch)
        self.accepted[user] = len(batch)
        self.greeted += signs_up
        if copy:
            self._post(batch)
            self.copies += len(batch)

    def _post(self, batch: list[dict[str, Any]]) -> None:
        while True:
            try:
                answer = self._client.post("/v1/batch", json={"batch": batch})
            except httpx.HTTPError:
                self.failures += 1
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                return
            assert answer.status_code == 503, answer.text
            self.failures += 1
            time.sleep(0.05)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def counts(stack: Stack) -> dict[str, int]:
    client = redis.Redis.from_url(stack.settings.ledger, decode_responses=True)
    found = {str(name): int(n) for name, n in client.hgetall("counts:{p0}").items()}
    client.close()
    return found


def delivered(data: Path, channel: str) -> int:
    return summary(data / "deliveries").get(channel, {}).get("delivered", 0)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is true, at most PATIENCE_S; the assertions afterwards say what is missing."""
    until = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.2)


def watch(stack: Stack, stop: threading.Event) -> threading.Thread:
    def run() -> None:
        while not stop.is_set():
            stack.watch()
            time.sleep(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def serving_again(stack: Stack, old: int) -> float:
    """Wait until another engine than `old` is ready; return how long that took."""
    started = time.monotonic()
    status = stack.temp / "status" / "live.json"
    while time.monotonic() - started < PATIENCE_S:
        # Not asked whether it is there first: the stack takes the old engine's away.
        with suppress(FileNotFoundError):
            if json.loads(status.read_bytes())["pid"] != old:
                return time.monotonic() - started
        time.sleep(0.01)
    raise AssertionError("the engine did not come back")


def test_r8_kills_of_the_engine_lose_and_double_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    key = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")["server"]
    done = threading.Event()
    with Receipts(tmp_path / "receipts.jsonl", "test") as receipts, Outside(receipts) as outside:
        with Stack(data, WORKSPACE, channels=outside.channels) as stack:
            watching = watch(stack, done)
            load = Load(stack.url, key)
            recovered = []
            try:
                for _ in range(KILLS):
                    time.sleep(0.3)
                    pid = stack.children["live"].process.pid
                    os.kill(pid, signal.SIGKILL)
                    recovered.append(serving_again(stack, pid))
            finally:
                load.stop()
            expected = sum(load.accepted.values())
            users = len(load.accepted)
            messages = {"email": load.greeted, "webhook": users}
            eventually(lambda: counts(stack).get("applied", 0) >= expected)
            eventually(lambda: counts(stack).get("duplicate", 0) >= load.copies)
            eventually(lambda: all(delivered(data, c) >= n for c, n in messages.items()))
            time.sleep(1)  # what comes twice comes now
            found = counts(stack)
            restarts = stack.children["live"].restarts
            done.set()
            watching.join()
        assert restarts == KILLS
        assert found["applied"] == expected, "accepted = applied"
        assert found["duplicate"] == load.copies, "copies are counted, not applied"
        assert found["people"] == users
        assert found["entered:welcome"] == load.greeted
        for channel, number in messages.items():
            assert receipts.distinct(channel) == number, f"one {channel} each"
            assert receipts.twice(channel) == 0, f"nobody gets a second {channel}"
        assert outside.forged == 0
        assert max(recovered) <= 5, f"serves again in {max(recovered):.1f} s"
