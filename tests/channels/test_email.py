"""The e-mail channel against real SMTP servers: what each answer, loss and silence means."""

import asyncio
import email
import socket
from collections.abc import Callable
from email.policy import default as modern
from typing import Any

import pytest

from channels import email as channel_email
from channels.base import Delivered, Later, Message, Outcome, Refused, Unknown
from tests.channels.doubles import (
    Mails,
    free_port,
    smtp_dialogue,
    smtp_server,
    socket_server,
)

NOW = 1_772_452_800.0  # Monday 2 March 2026, 12:00 UTC


def message(to: str | None = "ana@shop.example", **changed: Any) -> Message:
    fields: dict[str, Any] = {
        "id": "0b60e56f61c32cf0576db310533ef66b",
        "channel": "email",
        "to": to,
        "subject": "Ihr Körbchen",
        "text": "Grüße\n.\n..\n.hidden",
        "html": "<p>Grüße</p>",
    }
    return Message(**(fields | changed))


def delivered(port: int, *messages: Message, timeout: float = 2.0) -> list[Outcome]:
    async def all_of_them() -> list[Outcome]:
        channel = channel_email.connect(
            {
                "url": f"smtp://127.0.0.1:{port}",
                "sender": "Shop <hello@shop.example>",
                "timeout": timeout,
                "now": lambda: NOW,
            }
        )
        try:
            return [await channel.deliver(m) for m in messages]
        finally:
            await channel.close()

    return asyncio.run(all_of_them())


def test_what_arrives_is_what_was_meant() -> None:
    mails = Mails()
    with smtp_server(mails) as port:
        assert delivered(port, message()) == [Delivered(provider_id="smtp 250 2.0.0")]
    [(to, content)] = mails.accepted
    mail = email.message_from_bytes(content, policy=modern)
    assert to == mail["To"] == "ana@shop.example"
    assert mail["From"] == "Shop <hello@shop.example>"
    assert mail["Subject"] == "Ihr Körbchen"
    assert mail["Message-ID"] == "<0b60e56f61c32cf0576db310533ef66b@shop.example>"
    assert mail["Date"] == "Mon, 02 Mar 2026 12:00:00 -0000"
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert text.get_content().rstrip("\r\n").splitlines() == ["Grüße", ".", "..", ".hidden"]
    assert html.get_content().strip() == "<p>Grüße</p>"
    assert content.isascii()


def test_a_plain_body_with_dots_survives() -> None:
    mails = Mails()
    with smtp_server(mails) as port:
        delivered(port, message(text=".\n..a\nb", html=""))
    body = mails.accepted[0][1].split(b"\r\n\r\n", 1)[1]
    assert body == b".\r\n..a\r\nb\r\n"


def test_one_connection_serves_many_messages() -> None:
    mails = Mails()
    with smtp_server(mails) as port:
        outcomes = delivered(port, message(), message("rcpt550@x.example"), message(), message())
    assert [type(o) for o in outcomes] == [Delivered, Refused, Delivered, Delivered]
    assert len(mails.sessions) == 1


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    mails = Mails()
    port = free_port()

    async def across_a_restart() -> list[Outcome]:
        options = {"url": f"smtp://127.0.0.1:{port}", "sender": "hello@shop.example"}
        channel = channel_email.connect(options)
        outcomes = []
        for _ in range(2):
            with smtp_server(mails, port):
                outcomes.append(await channel.deliver(message()))
        await channel.close()
        return outcomes

    assert [type(o) for o in asyncio.run(across_a_restart())] == [Delivered, Delivered]
    assert len(mails.accepted) == 2


def test_a_server_that_says_421_to_a_used_connection_gets_a_new_one() -> None:
    count = 0

    def one_message_each(connection: socket.socket) -> None:
        nonlocal count
        connection.sendall(b"220 stand-in\r\n")
        in_data = served = False
        for line in connection.makefile("rb"):
            if in_data:
                if line == b".\r\n":
                    in_data, served, count = False, True, count + 1
                    connection.sendall(b"250 OK\r\n")
                continue
            if served:
                connection.sendall(b"421 4.3.2 one is enough\r\n")
                return
            in_data = line.upper().startswith(b"DATA")
            connection.sendall(b"354 go\r\n" if in_data else b"250 OK\r\n")

    with socket_server(one_message_each) as port:
        assert [type(o) for o in delivered(port, message(), message())] == [Delivered, Delivered]
    assert count == 2


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("rcpt450@x.example", Later(after=5.0, reason="smtp 450 5.1.1")),
        ("rcpt550@x.example", Refused(reason="smtp 550 5.1.1", whose="address")),
        ("data452@x.example", Later(after=5.0, reason="smtp 452 5.6.0")),
        ("data554@x.example", Refused(reason="smtp 554 5.6.0")),
        (None, Refused(reason="no address", whose="address")),
        (
            "a@x.example, b@x.example",
            Refused(reason="address: one mailbox was expected", whose="address"),
        ),
        ("Ana <a@x.example>", Refused(reason="address: one mailbox was expected", whose="address")),
        (
            "a@x.example> SIZE=1",
            Refused(reason="address: one mailbox was expected", whose="address"),
        ),
        ("ana", Refused(reason="address: one mailbox was expected", whose="address")),
        (
            "ünal@x.example",
            Refused(reason="address: a local part in ASCII was expected", whose="address"),
        ),
        (
            "a@" + "x" * 64 + ".example",
            Refused(reason="address: a domain was expected", whose="address"),
        ),
    ],
)
def test_what_an_answer_means(to: str | None, outcome: Outcome) -> None:
    mails = Mails()
    with smtp_server(mails) as port:
        assert delivered(port, message(to)) == [outcome]
    assert mails.accepted == []


def test_an_international_domain_is_written_as_the_network_knows_it() -> None:
    mails = Mails()
    with smtp_server(mails) as port:
        delivered(port, message("ana@bücher.example"))
    assert mails.accepted[0][0] == "ana@xn--bcher-kva.example"


def until(command: bytes, then: bytes | None) -> Callable[[socket.socket], None]:
    return lambda connection: smtp_dialogue(connection, command, then)


LOST = Later(after=5.0, reason="connection lost", whose="provider")


@pytest.mark.parametrize(
    ("command", "then", "outcome"),
    [
        (b"EHLO", None, LOST),
        (
            b"EHLO",
            b"421 4.3.2 busy\r\n",
            Later(after=5.0, reason="smtp 421 4.3.2", whose="provider"),
        ),
        (b"MAIL", None, LOST),
        (b"MAIL", b"550 5.7.1 no\r\n", Refused(reason="smtp 550 5.7.1")),
        (
            b"MAIL",
            b"421 4.3.2 closing\r\n",
            Later(after=5.0, reason="smtp 421 4.3.2", whose="provider"),
        ),
        (b"RCPT", None, LOST),
        (b"DATA", None, LOST),
        (b"DATA", b"451 4.3.0 not now\r\n", Later(after=5.0, reason="smtp 451 4.3.0")),
        (b"DATA", b"554 5.0.0 never\r\n", Refused(reason="smtp 554 5.0.0")),
        (b"DATA", b"354 go\r\n", None),
        (b"DOT", None, Unknown(reason="connection lost after the final dot")),
        (b"DOT", b"nonsense\r\n", Unknown(reason="connection lost after the final dot")),
        (
            b"DOT",
            b"421 4.3.2 closing\r\n",
            Later(after=5.0, reason="smtp 421 4.3.2", whose="provider"),
        ),
        (b"DOT", b"250 OK\r\n", Delivered(provider_id="smtp 250")),
    ],
)
def test_what_a_loss_means(command: bytes, then: bytes | None, outcome: Outcome | None) -> None:
    """Before the final dot the server cannot have it; after it, only its answer tells."""
    with socket_server(until(command, then)) as port:
        [found] = delivered(port, message())
    if outcome is None:  # the server left while the message was written: a race, and both are safe
        assert isinstance(found, Later | Unknown)
    else:
        assert found == outcome


def test_a_server_that_does_not_like_us_says_nothing_about_the_message() -> None:
    def hostile(connection: socket.socket) -> None:
        connection.sendall(b"220 stand-in\r\n")
        for _ in connection.makefile("rb"):
            connection.sendall(b"550 5.7.1 you are blocked\r\n")

    with socket_server(hostile) as port:
        assert delivered(port, message()) == [
            Later(after=5.0, reason="smtp 550 5.7.1", whose="provider")
        ]


def test_a_large_message_that_was_cut_before_its_dot_surely_did_not_arrive() -> None:
    def cut_in_the_middle(connection: socket.socket) -> None:
        smtp_dialogue(connection, b"DATA", b"354 go\r\n")
        connection.recv(1000)

    with socket_server(cut_in_the_middle) as port:
        [outcome] = delivered(port, message(text=("x" * 76 + "\n") * 100_000))
    assert outcome == LOST


@pytest.mark.parametrize(
    ("wait_after", "outcome"),
    [
        (b"RCPT", Later(after=5.0, reason="time-out", whose="provider")),
        (b"DOT", Unknown(reason="time-out after the final dot")),
    ],
)
def test_what_a_silence_means(wait_after: bytes, outcome: Outcome) -> None:
    def silent(connection: socket.socket) -> None:
        smtp_dialogue(connection, wait_after, None)
        connection.settimeout(1.5)
        connection.recv(100_000)

    with socket_server(silent) as port:
        assert delivered(port, message(), timeout=0.3) == [outcome]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "http://x", "sender": "a@b.example"}, "found 'http'"),
        ({"url": "smtp://", "sender": "a@b.example"}, "no host"),
        ({"url": "smtp://u:secret@mail.example", "sender": "a@b.example"}, "in the clear"),
        ({"url": "smtp://h", "sender": "Shop"}, "sender: one mailbox"),
        ({"url": "smtp://h", "sender": "a@b.example\r\nBcc: x@y"}, "sender: a line break"),
        ({"url": "smtp://h", "sender": "a@b.example", "timout": 3}, "Did you mean 'timeout'"),
        ({"url": "smtp://h"}, "sender"),
        ({"url": "smtps://h:99999", "sender": "a@b.example"}, "not a URL"),
        ({"url": "smtps://[h", "sender": "a@b.example"}, "not a URL"),
        ({"url": "smtp://h", "sender": "a@b.example", "provider": "sesame"}, "provider"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error) as raised:
        channel_email.connect(options)
    assert "secret" not in str(raised.value)


def test_a_password_is_not_shown() -> None:
    url = "smtps://user:hidden@mail.example"
    assert "hidden" not in repr(channel_email.connect({"url": url, "sender": "a@b.example"}))
