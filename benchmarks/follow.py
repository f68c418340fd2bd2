"""Where does one event spend its time, from HTTP to the mail server?

    python -m benchmarks.follow

Starts the embedded stack with a mail server beside it, lets one person sign up, and prints
when each part had it in hand. Instants are read from what the parts themselves keep: the
record in the log, the stream entry of its activation, the row in the delivery ledger, and the
mail server's own receipt.
"""

import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec

from collector.keys import first_keys
from events import record
from events.record import Event
from events.sources.base import Log
from flows.open import open_log
from kairos.demo.outside import Outside
from kairos.demo.receipts import Receipts
from kairos.embedded.stack import Stack
from kairos.settings import activations
from triggers import activation

WORKSPACE = Path(__file__).parents[1] / "examples" / "shop"
PATIENCE_S = 10.0


class Step(NamedTuple):
    """Something that happened, at an instant in ms since 1970."""

    at: float
    what: str


def main() -> int:
    """Follow one event, and print its way."""
    with tempfile.TemporaryDirectory(prefix="kairos-follow-") as folder:
        data = Path(folder)
        key = first_keys(data / "keys.json", "2026-11-25T00:00:00Z")["server"]
        with (
            Receipts(data / "receipts.jsonl", "follow") as receipts,
            Outside(receipts) as outside,
            Stack(data, WORKSPACE, channels=outside.channels) as stack,
            httpx.Client(base_url=stack.url, auth=(key, "")) as client,
        ):
            _sign_up(client, "warm-up")  # connections are made, templates read
            time.sleep(1)
            sent, answered = _sign_up(client, "ana")
            steps = [
                Step(sent, "client sends POST /v1/track"),
                Step(answered, "client has its 200"),
            ]
            steps += _in_the_log(open_log(stack.settings.log))
            name, entry = _in_the_stream(open_log(activations(stack.settings)))
            steps.append(entry)
            steps += _in_the_ledger(data / "deliveries", name)
            steps.append(_at_the_mail_server(data / "receipts.jsonl", name))
    for step in sorted(steps):
        print(f"{step.at - sent:8.2f} ms  {step.what}")
    return 0


def _now_ms() -> float:
    return time.time_ns() / 1e6


def _sign_up(client: httpx.Client, user: str) -> tuple[float, float]:
    traits = {"email": f"{user}@shop.example", "firstName": user.title()}
    client.post("/v1/identify", json={"userId": user, "traits": traits}).raise_for_status()
    sent = _now_ms()
    client.post("/v1/track", json={"userId": user, "event": "Signed Up"}).raise_for_status()
    return sent, _now_ms()


def _in_the_log(log: Log) -> list[Step]:
    for entry in log.read(0, -1, 10_000, 0):
        for event in record.decode(entry.payload):
            if (
                isinstance(event, Event)
                and event.leaf == "user_id:ana"
                and event.name == "signed_up"
            ):
                return [
                    Step(event.accepted_us / 1000, "collector has the whole request"),
                    Step(entry.time, "log takes the entry (append time, whole ms)"),
                ]
    raise LookupError("the event is not in the log")


def _in_the_stream(stream: Log) -> tuple[str, Step]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        for entry in stream.read(0, -1, 10_000, 100):
            for one in activation.decode(entry.payload):
                if one.address == "ana@shop.example":
                    return one.id, Step(
                        entry.time, "engine's activation is in the stream (whole ms)"
                    )
    raise LookupError("nothing was decided")


def _in_the_ledger(folder: Path, name: str) -> list[Step]:
    slot = folder / f"slot-{activation.slot_of(name):02}.db"
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with sqlite3.connect(f"file:{slot}?mode=ro", uri=True) as rows:
            query = "SELECT taken, changed FROM activation WHERE id = ? AND state = 'delivered'"
            row = rows.execute(query, (name,)).fetchone()
        if row is not None:
            return [
                Step(row[0], "worker has it, delivery ledger fsyncs it (whole ms)"),
                Step(row[1], "outcome `delivered` is in the ledger (whole ms)"),
            ]
        time.sleep(0.01)
    raise LookupError("it was not delivered")


def _at_the_mail_server(receipts: Path, name: str) -> Step:
    for line in receipts.read_bytes().splitlines():
        row = msgspec.json.decode(line)
        if name in row["id"]:
            return Step(row["at"], f"mail server has {row['subject']!r} for {row['to']} (whole ms)")
    raise LookupError("the mail server has no such mail")


if __name__ == "__main__":
    sys.exit(main())
