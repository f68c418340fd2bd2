"""A worker process for test_kill: sends the activations of a file by e-mail until stopped.

Usage: python -m tests.channels.mailing_worker STREAM_FILE LEDGER_FOLDER SMTP_PORT
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

from channels.delivery.configured import connect, keyed
from channels.delivery.gate import InMemoryWithdrawals
from channels.delivery.ledger import Ledger
from channels.delivery.worker import Delivery, Worker
from channels.delivery.workspaces import InMemoryWorkspaces
from tests.channels.doubles import NOW, InMemoryLog
from triggers.activation import decode


async def main(payload: bytes, folder: Path, port: int) -> None:
    started = time.monotonic()

    def now() -> int:
        return NOW + int((time.monotonic() - started) * 1000)

    stream = InMemoryLog()
    for activation in decode(payload):
        stream.send(activation)
    email = {"url": f"smtp://127.0.0.1:{port}", "sender": "hello@shop.example", "timeout": 5.0}
    options = {"email": email}
    ledger = Ledger.open(folder, keyed=keyed(options), now=now())
    channels = connect(options)
    worker = Worker(
        stream,
        ledger,
        channels,
        keyed=keyed(options),
        withdrawals=InMemoryWithdrawals(),
        workspaces=InMemoryWorkspaces({"v1": {"templates/hi.email.liquid": "Hi {{ first_name }}"}}),
        now=now,
        delivery=Delivery(calls_of={"email": 8}, wait_ms=20, tick=0.01),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.run(stop)
    for channel in channels.values():
        await channel.close()
    ledger.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), int(sys.argv[3])))
