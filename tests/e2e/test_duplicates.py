"""R2: the same batch at the real door, five times at once."""

import threading
import time
from pathlib import Path

import httpx

from collector.keys import KeyRing, create
from kairos.embedded.stack import Stack
from kairos.example import example
from kairos.figures import Gauge

EVENTS, TIMES = 500, 5
PATIENCE_S = 60


def test_r2_the_same_batch_five_times_in_parallel_counts_once(tmp_path: Path) -> None:
    text, key = create("server", "server", "2026-11-25T00:00:00Z")
    KeyRing([key]).save(tmp_path / "keys.json")
    batch = [
        {"type": "track", "event": "Seen", "userId": f"u{n % 50}", "messageId": f"m{n}"}
        for n in range(EVENTS)
    ]
    statuses = []
    with Stack(tmp_path, example()) as stack:

        def post() -> None:
            answer = httpx.post(
                f"{stack.url}/v1/batch", json={"batch": batch}, auth=(text, ""), timeout=30
            )
            statuses.append(answer.status_code)

        threads = [threading.Thread(target=post) for _ in range(TIMES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gauge = Gauge(stack.settings)
        until = time.monotonic() + PATIENCE_S
        while (found := gauge.read()).settled < EVENTS * TIMES and time.monotonic() < until:
            time.sleep(0.2)
        gauge.close()
    assert statuses == [200] * TIMES
    assert found.counts["applied"] == EVENTS
    assert found.counts["duplicate"] == EVENTS * (TIMES - 1) == 2000
    assert found.counts["people"] == 50
