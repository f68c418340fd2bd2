"""How many messages does a worker hand over, and does a provider that hangs hold up the others?

    python -m benchmarks.delivery --seconds 20

A real worker over real ledgers (SQLite, each step fsynced) and a ledger's Valkey, with a mail
server and a receiver that never answers as processes of their own. First as many messages as are
there, to the log and then to the mail server; then mails at a rate, alone and while thousands of
messages wait for the receiver that hangs. Open loop: a mail is late from when it was due.
"""

import argparse
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import redis

from benchmarks.bed import BenchError, free_port
from benchmarks.child import program
from benchmarks.mailbox import received
from benchmarks.quantiles import Quantiles, hiccups, quantiles
from channels.delivery.beside import summary
from events.sources.base import Log
from flows.open import open_log
from kairos.embedded import servers
from kairos.embedded.children import end, spawn
from kairos.settings import Log as EventLog
from kairos.settings import Settings, activations
from profile_state.stores.keys import Keys
from triggers.activation import Activation, activation_id, encode

START_S, PATIENCE_S, LOOK_S = 30.0, 120.0, 0.05
ENTRY = 100  # activations
RATE = 100  # mails a second, of the open loop
HANGING = 5_000  # messages for the receiver that hangs
WORKSPACE = "v1"
MAIL = """---
subject: Your order, {{ first_name }}
---
<p>Hello {{ first_name | default: "there" }},</p><p>{{ event.product }} is back.</p>
"""


class Bed(NamedTuple):
    """A worker that serves."""

    settings: Settings
    stream: Log
    notes: Path  # of the mailbox

    def send(self, made: list[Activation]) -> None:
        """Give activations to the worker."""
        for first in range(0, len(made), ENTRY):
            self.stream.append(0, encode(made[first : first + ENTRY]))

    def settled(self, channel: str) -> int:
        """Return how many messages of a channel have been handed over."""
        return summary(self.settings.deliveries).get(channel, {}).get("delivered", 0)

    def wait(self, channel: str, count: int) -> None:
        """Wait until so many have been.

        Raises:
            BenchError: they are not.
        """
        until = time.monotonic() + PATIENCE_S
        while (found := self.settled(channel)) < count:
            if time.monotonic() > until:
                raise BenchError(f"{found} of {count} messages were handed over to {channel}")
            time.sleep(LOOK_S)


def made(channel: str, count: int, kind: str) -> list[Activation]:
    """Make messages that are due now."""
    now = time.time_ns() // 1_000_000
    return [
        Activation(
            id=activation_id(kind, "0", f"web/user_id:u{n}/m{n}", 0, channel),
            trigger=kind,
            version=WORKSPACE,
            step="0",
            channel=channel,
            purpose="transactional",
            template="order" if channel == "email" else None,
            person=f"p{n}",
            leaf=f"user_id:u{n}",
            address=f"u{n}@shop.example" if channel == "email" else None,
            facts={"first_name": "Ana"},
            event={"product": "The tent"},
            decided=now,
            valid_until=None,
            accepted_us=None,
        )
        for n in range(count)
    ]


@contextmanager
def serving() -> Iterator[Bed]:
    """Run a worker with all that it needs.

    Raises:
        BenchError: it does not serve.
    """
    with (
        tempfile.TemporaryDirectory(prefix="kairos-bench-") as name,
        socket.create_server(("127.0.0.1", 0), backlog=1024) as silent,
    ):
        folder, port = Path(name), free_port()
        ledger = folder / "ledger.sock"
        settings = Settings(
            log=EventLog(f"valkey://{ledger}?name=log"),  # which hears what became of mails
            ledger=f"unix://{ledger}",
            deliveries=folder / "deliveries",
            status=folder / "status",
            channels={
                "email": {"url": f"smtp://127.0.0.1:{port}", "sender": "Shop <a@shop.example>"},
                "webhook": {
                    "url": f"http://127.0.0.1:{silent.getsockname()[1]}/",
                    "secret": "whsec_" + "a2tr" * 8,
                },
            },
        )
        (folder / "status").mkdir()
        notes = folder / "mails"
        valkey = servers.start(servers.LEDGER, folder / "ledger", ledger)
        children = [spawn(program("mailbox", str(port), str(notes)))]
        try:
            servers.wait_for("ledger", valkey, ledger, folder / "ledger")
            _prepare(settings)
            ours = {n: v for n, v in os.environ.items() if not n.startswith("KAIROS_")}
            command = [sys.executable, "-m", "kairos", "run", "workers"]
            with (folder / "workers.log").open("wb") as output:
                children.append(spawn(command, output=output, env={**ours, **settings.to_env()}))
            until = time.monotonic() + START_S
            while not (settings.deliveries / "cursor.db").exists():
                if time.monotonic() > until:
                    raise BenchError(f"no worker: {(folder / 'workers.log').read_text()}")
                time.sleep(LOOK_S)
            with closing(open_log(activations(settings))) as stream:
                yield Bed(settings, stream, notes)
        finally:
            for child in reversed(children):
                end(child)
            end(valkey)


def _prepare(settings: Settings) -> None:
    """Do what an engine does before it sends: vouch for the ledger, and write the workspace."""
    files = {"templates/order.email.liquid": MAIL}
    with redis.Redis.from_url(settings.ledger) as client:
        run = str(client.info("server")["run_id"])
        client.set(Keys(0).vouched, run)
        client.set(f"workspace:{WORKSPACE}", msgspec.msgpack.encode(files))


def most(channel: str, count: int) -> float:
    """Return how many messages a second are handed over while there are enough."""
    with serving() as bed:
        messages = made(channel, count, "campaign")
        began = time.monotonic()
        bed.send(messages)
        bed.wait(channel, count)
        return count / (time.monotonic() - began)


def steadily(seconds: float, *, hanging: bool) -> tuple[Quantiles, Quantiles]:
    """Return what mails took from when they were due, in ms, and the machine's hiccups."""
    with serving() as bed:
        if hanging:
            bed.send(made("webhook", HANGING, "campaign"))
            time.sleep(1.0)
        mails = made("email", int(RATE * seconds), "reminder")
        due: dict[str, float] = {}

        def send() -> None:
            began = time.time()
            for nth, mail in enumerate(mails):
                due[mail.id] = began + nth / RATE
                time.sleep(max(0.0, due[mail.id] - time.time()))
                bed.send([msgspec.structs.replace(mail, decided=time.time_ns() // 1_000_000)])

        sender = threading.Thread(target=send)
        sender.start()
        machine = hiccups(lambda: not sender.is_alive())
        bed.wait("email", len(mails))
        late = [at / 1000 - due[name] * 1000 for at, name in received(bed.notes)]
        return quantiles(late), quantiles(machine)


def main(arguments: list[str]) -> int:
    """Run all of it once, and print what came of it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=50_000, help="to the log; mails a fifth")
    options.add_argument("--seconds", type=float, default=20, help="of mails at a rate")
    chosen = options.parse_args(arguments)
    print(f"to the log: {most('log', chosen.messages):,.0f} messages/s", flush=True)
    print(f"to SMTP: {most('email', chosen.messages // 5):,.0f} messages/s", flush=True)
    for name, hanging in (("alone", False), ("beside a receiver that hangs", True)):
        took, machine = steadily(chosen.seconds, hanging=hanging)
        print(
            f"{RATE} mails/s {name}: {took.count:,} mails, p50 {took.p50:.1f} ms, "
            f"p99 {took.p99:.1f}, at most {took.max:.1f}; hiccups p99 {machine.p99:.1f} ms",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
