"""Stand-ins for what is around a worker: a log, channels, an SMTP server, raw sockets."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiosmtpd.smtp
from aiosmtpd.controller import Controller

from channels.base import Delivered, Message, Outcome
from events.sources.base import Entry
from events.sources.memory import MemoryLog
from triggers.activation import Activation, activation_id, encode

NOW = 1_772_452_800_000  # ms; Monday 2 March 2026, 12:00 UTC


class InMemoryLog(MemoryLog):
    """A log in memory whose `append` wakes those who read."""

    def __init__(self, partitions: int = 1) -> None:
        super().__init__(lambda: NOW, partitions)
        self._grown = threading.Condition()

    def append(self, partition: int, payload: bytes) -> int:
        with self._grown:
            entry = super().append(partition, payload)
            self._grown.notify_all()
            return entry

    def read(self, partition: int, after: int, limit: int, wait_ms: int) -> Sequence[Entry]:
        with self._grown:
            self._grown.wait_for(lambda: self.last(partition) > after, wait_ms / 1000)
            return super().read(partition, after, limit, 0)

    def send(self, *activations: Activation, partition: int = 0) -> None:
        self.append(partition, encode(list(activations)))


def activation(n: int = 0, **changed: Any) -> Activation:
    """Make the n-th activation, with what a test cares about changed."""
    channel = changed.get("channel", "log")
    fields: dict[str, Any] = {
        "id": activation_id("welcome", "0", f"web/user_id:u{n}/m{n}", 0, channel),
        "trigger": "welcome",
        "version": "v1",
        "step": "0",
        "channel": channel,
        "purpose": "marketing",
        "template": None,
        "person": f"p{n}",
        "leaf": f"user_id:u{n}",
        "address": f"ana{n}@shop.example",
        "facts": {"first_name": "Ana"},
        "event": {"cart_id": "c1"},
        "decided": NOW,
        "valid_until": None,
        "accepted_us": None,
    }
    return Activation(**(fields | changed))


class RecordingChannel:
    """Remembers messages and answers as told: with the next of `answers`, else Delivered."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.messages: list[Message] = []
        self.answers = list(answers)
        self.gate: asyncio.Event | None = None  # calls wait here where there is one
        self.at_once = 0
        self._open = 0

    async def deliver(self, message: Message) -> Outcome:
        self.messages.append(message)
        self._open += 1
        self.at_once = max(self.at_once, self._open)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self._open -= 1
        answer = self.answers.pop(0) if self.answers else Delivered()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        pass

    @property
    def ids(self) -> list[str]:
        return [m.id for m in self.messages]


class Mails:
    """A handler for aiosmtpd: keeps what it accepts, refuses by the address's local part."""

    def __init__(self, wait: float = 0.0) -> None:
        self.accepted: list[tuple[str, bytes]] = []
        self.sessions: set[int] = set()
        self.wait = wait  # seconds until a message is answered

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        local = address.split("@", maxsplit=1)[0]
        if local.startswith("rcpt"):
            return f"{local[4:7]} 5.1.1 <{address}> no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        [to] = envelope.rcpt_tos
        local = to.split("@")[0]
        if local.startswith("data"):
            return f"{local[4:7]} 5.6.0 <{to}> no"
        self.accepted.append((to, envelope.content))
        self.sessions.add(id(session))
        await asyncio.sleep(self.wait)
        return "250 2.0.0 queued"


class _Controller(Controller):
    """Our tests close servers under clients; aiosmtpd warns about that on its own stream."""

    def factory(self) -> aiosmtpd.smtp.SMTP:
        return aiosmtpd.smtp.SMTP(self.handler, ident="stand-in")


@contextmanager
def smtp_server(handler: Mails, port: int = 0) -> Iterator[int]:
    """Run a real SMTP server on loopback; yields its port."""
    controller = _Controller(handler, hostname="127.0.0.1", port=port or free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def socket_server(serve: Callable[[socket.socket], None] | None) -> Iterator[int]:
    """Accept connections and hand each to `serve`; None takes them and never says a word."""
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # a sender soon has to wait
        server.settimeout(0.02)

        def accept() -> None:
            open_: list[socket.socket] = []
            while not stopping.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                open_.append(connection)
                if serve is not None:
                    connection.settimeout(5)
                    try:
                        serve(connection)
                    except OSError:
                        pass  # the client left first
                    finally:
                        connection.close()
            for connection in open_:
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stopping.set()
            thread.join()


def smtp_dialogue(connection: socket.socket, until: bytes, then: bytes | None) -> None:
    """Speak SMTP up to a command, answer that with `then` (None: nothing), and leave.

    The command `DOT` stands for the final dot.
    """
    connection.sendall(b"220 stand-in\r\n")
    lines = connection.makefile("rb")
    in_data = False
    for line in lines:
        word = b"DOT" if line == b".\r\n" else b"" if in_data else line.split()[0].upper()
        if not word:
            continue
        if word == until:
            if then is not None:
                connection.sendall(then)
            return
        in_data = word == b"DATA"
        connection.sendall(b"354 go\r\n" if in_data else b"250 OK\r\n")
