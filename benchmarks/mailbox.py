"""A mail server that takes everything, and notes what came when: python -m benchmarks.mailbox PORT NOTES."""

import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

_ID = re.compile(rb"^Message-ID: <([0-9a-f]{32})@", re.MULTILINE)


class Mailbox:
    """Writes a line for each mail: us since 1970, and the activation's id."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes.open("a", buffering=1, encoding="ascii")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        """Take a mail."""
        found = _ID.search(envelope.content)
        self._notes.write(f"{time.time_ns() // 1000} {found[1].decode() if found else '?'}\n")
        return "250 2.0.0 queued"

    def close(self) -> None:
        """Write the last lines."""
        self._notes.close()


def received(notes: Path) -> list[tuple[int, str]]:
    """Read the notes of a mailbox that has ended: (us since 1970, id)."""
    lines = (line.split() for line in notes.read_text("ascii").splitlines())
    return [(int(at), name) for at, name in lines]


if __name__ == "__main__":
    mailbox = Mailbox(Path(sys.argv[2]))
    controller = Controller(mailbox, hostname="127.0.0.1", port=int(sys.argv[1]))
    controller.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()
    mailbox.close()
