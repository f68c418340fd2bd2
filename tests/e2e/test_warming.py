"""A real stack is edited: the past comes from archive and log, by a process that may be killed."""

import os
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import redis

from kairos.commands.triggers import command
from kairos.embedded.stack import Stack
from kairos.figures import Gauge
from kairos.settings import Settings
from profile_state.stores.redis import RedisStore
from tests.e2e.stacks import eventually, post, server_key, watched, workspace

FILES = {"workspace.yaml": "workspace: shop\npurposes: {product: {default: allowed}}\n"}
LATER = FILES | {
    "segments/large.yaml": "segment: large\nif: ['sum(order_completed.total) >= 100']\n",
    "triggers/third.yaml": """
trigger: third
when: {event: order_completed}
if: ['count(order_completed, last 30d) >= 3']
do: [{send: {channels: [log]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
USERS, BATCHES, PER_BATCH = 400, 20, 200
PATIENCE_S = 90


def order(n: int) -> dict[str, Any]:
    """The n-th order; the n-th user of 400 has few or many of them, and cheap or dear ones."""
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": f"u{n * n % USERS}",
        "messageId": f"m{n}",
        "properties": {"total": n % 97},
    }


def readers(stack: Stack) -> list[int]:
    """The processes of `kairos archive warm` that the archive part has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if b"warm" in words and parent == stack.children["archive"].process.pid:
            found.append(int(path.name))
    return found


def warm(settings: Settings) -> bool:
    with closing(RedisStore(settings.ledger)) as store:
        mark = store.peek()
        return bool(mark.files) and "triggers/third.yaml" in mark.files and not mark.history.gaps


def test_an_edit_counts_what_happened_before_it_also_over_kills(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folder = workspace(tmp_path / "workspace", FILES)
    key = server_key(data)
    orders = [order(n) for n in range(BATCHES * PER_BATCH)]
    count: dict[str, int] = {}
    total: dict[str, int] = {}
    for one in orders:
        user, worth = str(one["userId"]), int(one["properties"]["total"])
        count[user] = count.get(user, 0) + 1
        total[user] = total.get(user, 0) + worth
    with Stack(data, folder) as stack, watched(stack):
        for nth in range(BATCHES):
            batch = orders[nth * PER_BATCH : (nth + 1) * PER_BATCH]
            assert post(stack, key, batch).json()["accepted"] == PER_BATCH
            assert post(stack, key, batch[:50]).status_code == 200, "copies count once"
    workspace(folder, LATER)
    with Stack(data, folder) as stack, watched(stack):
        assert eventually(lambda: bool(readers(stack)) or warm(stack.settings), PATIENCE_S)
        for process in readers(stack):
            os.kill(process, signal.SIGKILL)
        os.kill(stack.children["live"].process.pid, signal.SIGKILL)
        os.kill(stack.children["archive"].process.pid, signal.SIGKILL)
        assert eventually(lambda: warm(stack.settings), PATIENCE_S)
        with closing(redis.Redis.from_url(stack.settings.ledger)) as ledger:
            large = sum(worth >= 100 for worth in total.values())
            assert eventually(
                lambda: int(ledger.hget("counts:{p0}", "segment:large") or 0) == large
            )
        fresh = [{**order(n), "messageId": f"again{n}"} for n in range(USERS)]
        for one in fresh:
            count[one["userId"]] = count.get(one["userId"], 0) + 1
        assert post(stack, key, fresh).json()["accepted"] == USERS
        third = sum(count[user] >= 3 for user in {one["userId"] for one in fresh})
        with closing(Gauge(stack.settings)) as gauge:

            def entered() -> int:
                found = gauge.read().triggers().get("third")
                return 0 if found is None else found.entered

            assert eventually(lambda: entered() == third)
        assert command("third", data=data) == 0
