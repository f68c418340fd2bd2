"""The battery: every file in channels/ passes it from the day it lands.

A new channel adds a `Provider` to PROVIDERS: how to reach a stand-in for its remote end that is
good, hangs, or fails. One that has several ways out adds one for each, a word behind its name. Below
the battery, planted faults show that each check can fail.
"""

import asyncio
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
import redis

from channels.base import Channel, Delivered, Later, Message, Outcome, Refused, Unknown
from kairos.discovery import found_in
from tests.channels.doubles import Mails, free_port, smtp_server, socket_server
from tests.conftest import valkey_server

TIMEOUT = 0.3  # seconds, given to each channel as its own limit
FAILURES = ("closed", "cut", "garbage")  # nobody listens, hangs up, talks nonsense
PRIVATE = ("very-private", "Nadja")


class Remote(Protocol):
    """A stand-in for the remote end."""

    options: dict[str, Any]

    def received(self) -> list[bytes]:
        """What arrived, one item a message, as near to the wire as can be."""
        ...


class Provider(Protocol):
    def __call__(self, mood: str) -> AbstractContextManager[Remote]: ...


class _Remote:
    def __init__(self, options: dict[str, Any], messages: list[bytes] | None = None) -> None:
        self.options = options | {"timeout": TIMEOUT}
        self.messages = messages if messages is not None else []

    def received(self) -> list[bytes]:
        return self.messages


@contextmanager
def sockets(mood: str) -> Iterator[int]:
    """A port that hangs or fails, whatever the protocol."""

    def nonsense(connection: socket.socket) -> None:
        connection.sendall(b"\xff\xfe 999 nonsense\r\n\r\n" * 3)
        time.sleep(0.02)

    if mood == "closed":
        yield free_port()
        return
    serve = {"hanging": None, "cut": lambda _: None, "garbage": nonsense}[mood]
    with socket_server(serve) as port:
        yield port


@contextmanager
def email(mood: str) -> Iterator[Remote]:
    def options(port: int) -> dict[str, Any]:
        return {"url": f"smtp://127.0.0.1:{port}", "sender": "Shop <hello@shop.example>"}

    if mood == "good":
        mails = Mails()
        with smtp_server(mails) as port:
            remote = _Remote(options(port))
            remote.received = lambda: [content for _, content in mails.accepted]  # type: ignore[method-assign]
            yield remote
        return
    with sockets(mood) as port:
        yield _Remote(options(port))


@contextmanager
def web(mood: str) -> Iterator[Remote]:
    if mood == "good":
        with valkey_server() as socket_path:
            remote = _Remote({"url": f"unix://{socket_path}"})
            remote.received = lambda: shelved(socket_path)  # type: ignore[method-assign]
            yield remote
        return
    with sockets(mood) as port:
        yield _Remote({"url": f"redis://127.0.0.1:{port}"})


def shelved(socket_path: Path) -> list[bytes]:
    """What waits for any browser, one item a message and browser."""
    with closing(redis.Redis(unix_socket_path=str(socket_path), decode_responses=True)) as client:
        asked: Any = client  # whose annotations are those of its asynchronous sister too
        return [
            str(asked.hget(f"onsite:of:{message}", "message")).encode()
            for key in asked.scan_iter("onsite:to:*")
            for message in asked.zrange(key, 0, -1)
        ]


@contextmanager
def posted(
    mood: str, answer: bytes, path: str = "", start: str = "http://", **also: Any
) -> Iterator[Remote]:
    """A server that takes JSON over HTTP, and closes each connection behind its answer."""

    def options(port: int) -> dict[str, Any]:
        return {"url": f"{start}127.0.0.1:{port}{path}", **also}

    if mood == "good":
        messages: list[bytes] = []

        def accept(connection: socket.socket) -> None:
            request = b""
            while b"\r\n\r\n" not in request or not request.endswith(b"}"):
                got = connection.recv(65536)
                if not got:
                    return
                request += got
            messages.append(request)
            connection.sendall(answer)

        with socket_server(accept) as port:
            yield _Remote(options(port), messages)
        return
    with sockets(mood) as port:
        yield _Remote(options(port))


@contextmanager
def webhook(mood: str) -> Iterator[Remote]:
    answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with posted(mood, answer, "/hook", secret=secret) as remote:
        yield remote


@contextmanager
def slack(mood: str) -> Iterator[Remote]:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    with posted(mood, answer, "/services/T0/B0/very-private") as remote:
        yield remote


@contextmanager
def sendgrid(mood: str) -> Iterator[Remote]:
    answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    start = "sendgrid+http://very-private@"
    with posted(mood, answer, start=start, sender="Shop <hello@shop.example>") as remote:
        yield remote


@contextmanager
def log(mood: str) -> Iterator[Remote]:
    released = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if mood == "hanging":
                released.wait(30)
            if mood == "cut":
                raise BrokenPipeError("the reader went away")
            return super().write(text)

    stream = Stream()
    if mood in {"closed", "garbage"}:
        stream.close()
    remote = _Remote({"stream": stream})
    if mood == "good":
        remote.received = lambda: [  # type: ignore[method-assign]
            line.encode() for line in stream.getvalue().splitlines()
        ]
    try:
        yield remote
    finally:
        released.set()


PROVIDERS: dict[str, Provider] = {
    "email": email,
    "email sendgrid": sendgrid,
    "log": log,
    "slack": slack,
    "web": web,
    "webhook": webhook,
}

# Over HTTP a request is written before the other end says a word. Where nobody drops copies, one
# that hangs up or talks nonsense then may have taken it.
UNCLEAR: dict[Provider, set[str]] = {slack: {"cut", "garbage"}, sendgrid: {"cut", "garbage"}}


def message(name: str, **changed: Any) -> Message:
    fields: dict[str, Any] = {
        "id": "0b60e56f61c32cf0576db310533ef66b",
        "channel": name,
        "to": "very-private@shop.example",
        "subject": "Nadja, your cart",
        "text": "Dear Nadja",
        "html": "<p>Dear Nadja</p>",
        "payload": {"trigger": "welcome", "facts": {"first_name": "Nadja"}},
    }
    return Message(**(fields | changed))


def delivered(module: Any, options: Mapping[str, Any], what: Message) -> Outcome:
    """Deliver one message through a fresh channel."""

    async def once() -> Outcome:
        channel: Channel = module.connect(options)
        try:
            return await channel.deliver(what)
        finally:
            await channel.close()

    return asyncio.run(once())


def check_named_after_its_file(name: str, module: Any, _provider: Provider) -> None:
    assert module.__name__ == f"channels.{name}"
    assert module.ADDRESS in {"email", "phone", "anonymous_id", None}
    assert isinstance(module.KEYED, bool)
    assert module.__doc__


def check_delivers_once(name: str, module: Any, provider: Provider) -> None:
    with provider("good") as remote:
        assert isinstance(delivered(module, remote.options, message(name)), Delivered)
        assert len(remote.received()) == 1


def check_drops_copies_if_it_says_so(name: str, module: Any, provider: Provider) -> None:
    """A worker that died in the middle of a call to a keyed channel makes it again."""
    if module.KEYED and module.ADDRESS is not None:  # a webhook's receiver does it, by the id
        with provider("good") as remote:
            for _ in range(2):
                assert isinstance(delivered(module, remote.options, message(name)), Delivered)
            assert len(remote.received()) == 1


def check_keeps_its_time_limit(name: str, module: Any, provider: Provider) -> None:
    with provider("hanging") as remote:
        start = time.perf_counter()
        outcome = delivered(module, remote.options, message(name))
        assert time.perf_counter() - start < TIMEOUT + 1.0
        assert isinstance(outcome, Later | Unknown)


def check_turns_failure_into_an_outcome(name: str, module: Any, provider: Provider) -> None:
    for mood in FAILURES:
        with provider(mood) as remote:
            outcome = delivered(module, remote.options, message(name))
            if mood in UNCLEAR.get(provider, ()):
                assert isinstance(outcome, Unknown), mood
            else:
                assert isinstance(outcome, Later), mood  # nobody took it: it is tried again


def check_refuses_injected_headers(name: str, module: Any, provider: Provider) -> None:
    for end in ("\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x0b", "\x85"):
        for field in ("to", "subject", "id"):
            evil = {field: f"a@shop.example{end}X-Injected: 1"}
            with provider("good") as remote:
                outcome = delivered(module, remote.options, message(name, **evil))
                for raw in remote.received():
                    lines = raw.decode("utf-8", "replace").splitlines()
                    assert not any(line.startswith("X-Injected") for line in lines), (end, field)
                if module.ADDRESS == "email" and field != "id":
                    assert isinstance(outcome, Refused)
                    assert remote.received() == []


def check_logs_nothing_personal(name: str, module: Any, provider: Provider) -> None:
    written: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith("mail."):  # that is the stand-in's own log
                written.append(record.getMessage())

    collect, root = Collect(), logging.getLogger()
    level = root.level
    root.addHandler(collect)
    root.setLevel(logging.DEBUG)
    try:
        for mood in ("good", "cut"):
            with provider(mood) as remote:
                outcome = delivered(module, remote.options, message(name))
                written += [str(outcome), repr(module.connect(remote.options))]
                if name == "log":
                    written += [raw.decode() for raw in remote.received()]
    finally:
        root.removeHandler(collect)
        root.setLevel(level)
    assert not [line for line in written if any(word in line for word in PRIVATE)]


CHECKS = [
    check_named_after_its_file,
    check_delivers_once,
    check_drops_copies_if_it_says_so,
    check_keeps_its_time_limit,
    check_turns_failure_into_an_outcome,
    check_refuses_injected_headers,
    check_logs_nothing_personal,
]


def test_every_channel_has_a_stand_in() -> None:
    assert set(found_in("channels")) == {words.split()[0] for words in PROVIDERS}


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("words", PROVIDERS)
def test_every_channel(words: str, check: Any) -> None:
    name = words.split(maxsplit=1)[0]
    check(name, found_in("channels")[name], PROVIDERS[words])


# Planted faults: a toy channel that is right, and one fault at a time. The toy writes mails as
# lines into a list.


class Toy:
    ADDRESS = "email"

    def __init__(self, fault: str) -> None:
        self.__name__ = "channels.other" if fault == "name" else "channels.toy"
        self.__doc__ = "" if fault == "undocumented" else "A toy."
        self.KEYED: Any = {"keyed": None, "forgetful": True}.get(fault, False)
        self._fault = fault

    def connect(self, options: Mapping[str, Any]) -> Any:
        fault, mood, out = self._fault, options["mood"], options["out"]

        async def deliver(what: Message) -> Outcome:
            clean = (what.to or "") + what.subject
            if fault != "injection" and clean.isprintable() is False:
                return Refused(reason="header")
            if fault == "chatty":
                logging.getLogger("toy").debug("sending to %s", what.to)
            if mood == "hanging":
                await asyncio.sleep(TIMEOUT + 1.2 if fault == "patient" else 0)
                return Later(after=1.0, reason="time-out")
            if mood != "good":
                if fault == "raises":
                    raise ConnectionError
                if fault == "lies":
                    return Delivered()
                return Later(after=1.0, reason="gone" if fault != "reason" else f"no {what.to}")
            if fault != "loses":
                out.append(f"To: {what.to}\nSubject: {what.subject}\n".encode())
            if fault == "doubles":
                out.append(b"again")
            return Delivered()

        async def close() -> None:
            pass

        return SimpleNamespace(deliver=deliver, close=close)


@contextmanager
def toy_provider(mood: str) -> Iterator[Remote]:
    out: list[bytes] = []
    yield _Remote({"mood": mood, "out": out}, out)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
def test_the_toy_without_a_fault_passes(check: Any) -> None:
    check("toy", Toy("none"), toy_provider)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("name", check_named_after_its_file),
        ("undocumented", check_named_after_its_file),
        ("keyed", check_named_after_its_file),
        ("doubles", check_delivers_once),
        ("forgetful", check_drops_copies_if_it_says_so),
        ("loses", check_delivers_once),
        ("patient", check_keeps_its_time_limit),
        ("raises", check_turns_failure_into_an_outcome),
        ("lies", check_turns_failure_into_an_outcome),
        ("injection", check_refuses_injected_headers),
        ("chatty", check_logs_nothing_personal),
        ("reason", check_logs_nothing_personal),
    ],
)
def test_each_check_finds_its_fault(fault: str, check: Any) -> None:
    with pytest.raises((AssertionError, ConnectionError)):
        check("toy", Toy(fault), toy_provider)
