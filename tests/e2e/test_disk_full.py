"""R11: a disk that fills up under load costs no accepted event, and nobody's hand to recover from."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from channels.delivery.beside import summary
from kairos.embedded.stack import Stack
from tests.e2e.stacks import eventually, server_key, watched, workspace
from tests.full import Filled, Limits, SmallDisk, small_disk
from tests.shared import LONG
from tests.shop import WORKSPACE

GREETED = """
trigger: greeted
when: {event: signed_up}
reentry: always
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
"""
FILES = {"workspace.yaml": WORKSPACE, "triggers/greeted.yaml": GREETED}
DISK_MB, LEAST_MB = 400, 24  # the delivery ledgers alone may take 256
FULL_S = 2  # for which it is full to the last byte


class Client:
    """Sends one event after the other, each again until it is accepted, and notes the answers."""

    def __init__(self, stack: Stack, key: str) -> None:
        self.accepted = 0
        self.answers: Counter[tuple[int, str]] = Counter()
        self._client = httpx.Client(base_url=stack.url, auth=(key, ""), timeout=20)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stop.wait(0.002):
            user = f"u{self.accepted}"
            event = {"type": "track", "event": "Signed Up", "userId": user, "messageId": user}
            answer = self._client.post("/v1/batch", json={"batch": [event]})
            code = answer.json().get("code", "")
            self.answers[answer.status_code, code] += 1
            assert answer.status_code == 200 or int(answer.headers["retry-after"]) <= 300
            self.accepted += answer.status_code == 200

    def answered(self, *codes: str) -> bool:
        return any(self.answers[503, code] for code in codes)

    def goes_on(self) -> bool:
        """Whether another event is accepted from now on."""
        before = self.accepted
        return eventually(lambda: self.accepted > before, 20)


def handled(deliveries: Path) -> int:
    """How many sends are settled: delivered, or held where the answer found no room on the disk."""
    found = Counter(summary(deliveries).get("log", {}))
    return found["delivered"] + found["unknown"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk | None]:
    with small_disk(tmp_path / "disk", DISK_MB) as found:
        yield found


def counts(ledger: Any) -> dict[str, int]:
    """What the ledger counts; nothing while it is away."""
    try:
        found = ledger.hgetall("counts:{p0}")
    except redis.ConnectionError:
        return {}
    return {name.decode(): int(n) for name, n in found.items()}


@LONG
def test_r11_a_full_disk_under_load_loses_nothing_accepted_and_recovers_unaided(
    tmp_path: Path, disk: SmallDisk | None
) -> None:
    data = (tmp_path if disk is None else disk.folder) / "data"
    ours = disk or SmallDisk(tmp_path)
    # On a disk that is shared, what we write must not hide in what others write.
    least = LEAST_MB if disk is not None else int(ours.free_mb) - 2_000
    key = server_key(data)
    folder = workspace(tmp_path / "workspace", FILES)
    with ExitStack() as around:
        stack = around.enter_context(Stack(data, folder, disk_free_mb=least))
        around.enter_context(watched(stack))
        ledger = around.enter_context(redis.Redis.from_url(stack.settings.ledger))
        filled: Filled = disk or around.enter_context(Limits(stack))
        client = around.enter_context(Client(stack, key))
        assert client.goes_on()
        assert set(client.answers) == {(200, "")}

        # It fills up slowly: the door closes while the engine still has room to work.
        ours.fill(leave_mb=least / 2 if disk is not None else least - 1_000)
        assert eventually(lambda: client.answered("disk_full"))
        assert httpx.get(f"{stack.url}/readyz").status_code == 503
        time.sleep(0.5)
        accepted = client.accepted
        assert eventually(lambda: counts(ledger).get("applied") == accepted)
        assert client.accepted == accepted, "it stays closed"
        ours.empty()
        assert client.goes_on()

        # It fills up at once, to the last byte, in the middle of load.
        client.answers.clear()
        filled.fill()
        assert eventually(lambda: client.answered("disk_full", "log_unavailable"))
        time.sleep(FULL_S)
        filled.empty()
        assert client.goes_on()
        time.sleep(0.3)
        client.__exit__()
        assert {status for status, _ in client.answers} == {200, 503}
        accepted = client.accepted
        assert eventually(lambda: counts(ledger).get("applied") == accepted), counts(ledger)
        assert counts(ledger)["entered:greeted"] == accepted
        assert eventually(lambda: handled(data / "deliveries") == accepted, pause_s=0.2)
