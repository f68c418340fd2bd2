"""F1: two workers share 1,000 sends, one is killed in the middle: each once, or listed as unknown."""

import os
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

import msgspec
import orjson
import redis

from channels.delivery.beside import listed, summary
from events.sources.valkey import connect
from kairos.demo.outside import Outside
from kairos.demo.receipts import Receipts
from kairos.parts.base import REPLACED
from kairos.settings import Collector, Log, Settings
from profile_state.stores.redis import RedisStore
from tests.channels.doubles import activation
from tests.e2e.stacks import eventually, part
from triggers.activation import encode

SENDS = int(os.environ.get("KAIROS_SENDS", "1000"))
HALVES = ((0, 31), (32, 63))
OPEN_CALLS = 64  # of one channel and worker, which a kill may leave open


class Workers:
    """`kairos run workers` for a range of slots each, over one folder of delivery ledgers."""

    def __init__(self, folder: Path, socket: Path, outside: Outside) -> None:
        self._folder = folder
        self._settings = Settings(
            log=Log(f"valkey://{socket}?name=log"),
            ledger=f"unix://{socket}",
            collector=Collector(seal=folder / "seal.key"),
            deliveries=folder / "deliveries",
            channels=outside.channels,
        )
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, slots: tuple[int, int]) -> subprocess.Popen[bytes]:
        settings = msgspec.structs.replace(self._settings, slots=slots)
        process = part("workers", settings, self._folder / f"worker{len(self.started)}.log")
        self.started.append(process)
        return process

    def states(self) -> dict[str, dict[str, int]]:
        return summary(self._settings.deliveries)

    def unknown(self) -> set[str]:
        return {row.id for row in listed(self._settings.deliveries, "unknown")}

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


def arrived(path: Path) -> dict[str, Counter[str]]:
    """Which activations arrived, and how often, by channel."""
    found: dict[str, Counter[str]] = {"email": Counter(), "webhook": Counter()}
    for line in path.read_bytes().splitlines():
        row = orjson.loads(line)
        [activation_id] = re.findall(r"[0-9a-f]{32}", row["id"])
        found[row["channel"]][activation_id] += 1
    return found


def test_f1_of_two_workers_one_is_killed_and_each_send_happens_once_or_is_unknown(
    valkey: Path, tmp_path: Path
) -> None:
    now = time.time_ns() // 1_000_000
    some = {
        channel: [
            activation(n, channel=channel, template=template, decided=now)
            for n in range(SENDS // 2)
        ]
        for channel, template in (("email", "hi"), ("webhook", None))
    }
    stream = connect(f"valkey://{valkey}?name=activations", 1)
    receipts = tmp_path / "receipts.jsonl"
    with (
        redis.Redis(unix_socket_path=str(valkey)) as server,
        Receipts(receipts, "f1") as seen,
        Outside(seen) as outside,
    ):
        owner = RedisStore(f"unix://{valkey}")
        owner.own()
        owner.vouch()
        owner.close()
        server.set("workspace:v1", msgspec.msgpack.encode({"templates/hi.email.liquid": "Hi"}))
        workers = Workers(tmp_path, valkey, outside)
        try:
            killed, other = (workers.start(half) for half in HALVES)
            for first in range(0, SENDS // 2, 50):
                group = [a for each in some.values() for a in each[first : first + 50]]
                stream.append(0, encode(group))
            assert eventually(lambda: seen.distinct("email") >= SENDS // 10)
            overlapping = workers.start((16, 47))
            killed.kill()
            sent = seen.distinct("email")
            assert sent < SENDS // 2, "it was killed in the middle"
            # Whoever comes while a slot of theirs is served leaves, and sends nothing.
            assert overlapping.wait(20) == REPLACED
            assert other.poll() is None
            again = workers.start(HALVES[0])

            def settled() -> bool:
                states = workers.states()
                final = ("delivered", "unknown")
                return sum(states[c].get(s, 0) for c in some for s in final) == SENDS

            assert eventually(settled, pause_s=0.2), workers.states()
            for worker in (other, again):
                worker.terminate()
                assert worker.wait(20) == 0
            states, unknown = workers.states(), workers.unknown()
        finally:
            workers.close()
            stream.close()

    found = arrived(receipts)
    mails, hooks = ({a.id for a in some[channel]} for channel in ("email", "webhook"))
    # A mail server knows no keys: nobody gets a mail twice, and what may be missing is listed.
    assert set(found["email"].values()) == {1}
    assert found["email"].keys() | unknown == mails
    assert states["email"].get("unknown", 0) == len(unknown) <= OPEN_CALLS
    # A receiver of webhooks drops the second of a key, so all of them are sent to the end.
    assert found["webhook"].keys() == hooks
    assert states["webhook"] == {"delivered": len(hooks)}
    assert sum(found["webhook"].values()) - len(hooks) <= OPEN_CALLS
    assert outside.forged == 0
    print(f"{SENDS} sends, {len(unknown)} unknown")
