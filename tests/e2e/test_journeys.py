"""Journeys on a stack of real processes: a catalogue, scores, calls, and a provider that refuses."""

import base64
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import redis

from kairos.embedded.stack import Stack
from tests.e2e.stacks import eventually, post, server_key, watched, workspace
from tests.shared import LONG
from triggers import activation
from triggers.activation import Activation

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
DELIVER = "deliver: {purpose: product, quiet_hours: off%s}"
WORKSPACE = """
workspace: shop
catalog: catalog.csv
purposes: {product: {default: allowed}}
bands: {ltv: {high: top 20%}}
"""
CHEAPER = f"""
trigger: cheaper
when: {{item: price_drop 10%, seen: product_viewed}}
do: [{{send: {{channels: [log]}}}}]
{DELIVER % ""}
"""
REFUSED = f"""
trigger: refused
when: {{api: true}}
do:
  - send: {{channels: [webhook, log]}}
  - wait: 1s
  - send: {{channels: [log]}}
{DELIVER % ", on_error: next_channel"}
"""
BEST = "segment: best\nif: [ltv is high]\n"
FILES = {
    "workspace.yaml": WORKSPACE,
    "catalog.csv": "id,price,name\np1,100,Shoe\np2,50,Sock\n",
    "triggers/cheaper.yaml": CHEAPER,
    "triggers/refused.yaml": REFUSED,
    "segments/best.yaml": BEST,
}
USERS = 40


@contextmanager
def refusing() -> Iterator[str]:
    """A receiver of webhooks that will never take any; yields its URL."""

    class Gone(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(410)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gone) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def decided(ledger: Any, trigger: str) -> list[Activation]:
    rows: Any = ledger.xrange("activations:{p0}")
    found = [one for _, row in rows for one in activation.decode(row[b"r"])]
    return list({one.id: one for one in found if one.trigger == trigger}.values())


@LONG
def test_journeys_run_on_a_whole_stack_also_over_kills(tmp_path: Path) -> None:
    data = tmp_path / "data"
    folder = workspace(tmp_path / "workspace", FILES)
    key = server_key(data)
    with (
        refusing() as url,
        Stack(data, folder, channels={"webhook": {"url": url, "secret": SECRET}}) as stack,
        watched(stack),
        httpx.Client(base_url=stack.url, auth=(key, ""), timeout=20) as door,
        closing(redis.Redis.from_url(stack.settings.ledger)) as ledger,
    ):
        users = [f"u{n}" for n in range(USERS)]
        viewed = [
            {
                "type": "track",
                "event": "Product Viewed",
                "userId": user,
                "messageId": user,
                "properties": {"product_id": f"p{1 + n % 2}"},
            }
            for n, user in enumerate(users)
        ]
        assert post(stack, key, viewed).json()["accepted"] == USERS
        scores = [
            {"userId": u, "scores": {"ltv": 10 + n}, "messageId": f"s{u}"}
            for n, u in enumerate(users)
        ]
        assert door.post("/v1/scores", json={"batch": scores}).json()["accepted"] == USERS

        start = [{"trigger": "refused", "userId": "u0", "messageId": "go"}]
        assert door.post("/v1/start", json={"batch": start}).status_code == 200
        assert eventually(lambda: len(decided(ledger, "refused")) == 3), "D10"
        assert sorted(one.channel for one in decided(ledger, "refused")) == [
            "log",
            "log",
            "webhook",
        ]

        os.kill(stack.children["live"].process.pid, signal.SIGKILL)
        drop = {"items": [{"id": "p1", "price": 80}]}
        assert door.post("/v1/catalog", json=drop).json()["accepted"] == 1
        assert eventually(lambda: len(decided(ledger, "cheaper")) == USERS // 2)
        told = decided(ledger, "cheaper")
        assert {one.leaf for one in told} == {f"user_id:u{n}" for n in range(0, USERS, 2)}
        assert told[0].facts["item"] == {
            "id": "p1",
            "price": 80,
            "name": "Shoe",
            "was": {"price": 100, "name": "Shoe"},
        }
        size = USERS // 5
        assert eventually(lambda: int(ledger.hget("counts:{p0}", "segment:best") or 0) == size)
