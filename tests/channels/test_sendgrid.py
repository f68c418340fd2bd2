"""SendGrid's API behind the channel `email`: what is posted, what each answer and loss means."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from channels import email
from channels.base import Delivered, Later, Message, Outcome, Refused, Unknown
from collector.mail import sendgrid as events
from collector.mail.base import Reading
from events.sealed import Seal, Sealed
from tests.channels.doubles import free_port, socket_server

NOW = 1_772_452_800.0  # Monday 2 March 2026, 12:00 UTC
KEY = "SG.bXlzZWNyZXQ.a-b_c"
PATH = "/v3/mail/send"
TOKEN = Seal(bytes(range(32))).close(
    Sealed("0b60e56f61c32cf0576db310533ef66b", "email", "news", "user_id:" + "u" * 240)
)
LINK = "https://shop.example/u/" + "aB3_-" * 60


def message(**changed: Any) -> Message:
    fields: dict[str, Any] = {
        "id": "0b60e56f61c32cf0576db310533ef66b",
        "channel": "email",
        "to": "ana@shop.example",
        "subject": "Ihr Körbchen 🎂",
        "text": "Grüße\n.\n",
        "html": "<p>Grüße</p>",
    }
    return Message(**(fields | changed))


def delivered(port: int, *messages: Message, **options: Any) -> list[Outcome]:
    async def all_of_them() -> list[Outcome]:
        url = f"sendgrid+http://{KEY}@127.0.0.1:{port}"
        given = {"url": url, "sender": "Shöp <hello@shop.example>", "timeout": 2.0}
        channel = email.connect({**given, "now": lambda: NOW, **options})
        try:
            return [await channel.deliver(m) for m in messages or [message()]]
        finally:
            await channel.close()

    return asyncio.run(all_of_them())


def test_what_is_posted(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH, method="POST").respond_with_data(
        "", 202, {"X-Message-Id": "x1"}
    )
    said = message(token=TOKEN, unsubscribe=LINK)
    assert delivered(httpserver.port, said) == [Delivered(provider_id="x1")]
    [(request, _)] = httpserver.log
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.get_json() == {
        "personalizations": [{"to": [{"email": "ana@shop.example"}]}],
        "from": {"email": "hello@shop.example", "name": "Shöp"},
        "subject": "Ihr Körbchen 🎂",
        "content": [
            {"type": "text/plain", "value": "Grüße\n.\n"},
            {"type": "text/html", "value": "<p>Grüße</p>"},
        ],
        "custom_args": {"kairos_token": TOKEN},
        "headers": {
            "List-Unsubscribe": f"<{LINK}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    }


def test_what_a_message_lacks_is_left_out(httpserver: HTTPServer) -> None:
    httpserver.expect_request(PATH).respond_with_data("", 202)
    plain = message(html="", to="ana@bücher.example")
    assert delivered(httpserver.port, plain, sender="a@b.example") == [Delivered()]
    assert httpserver.log[0][0].get_json() == {
        "personalizations": [{"to": [{"email": "ana@xn--bcher-kva.example"}]}],
        "from": {"email": "a@b.example"},
        "subject": "Ihr Körbchen 🎂",
        "content": [{"type": "text/plain", "value": "Grüße\n.\n"}],
    }


def test_the_token_comes_home_in_the_providers_events(httpserver: HTTPServer) -> None:
    """Custom arguments stand among the fields of each event."""
    httpserver.expect_request(PATH).respond_with_data("", 202)
    delivered(httpserver.port, message(token=TOKEN))
    arguments = httpserver.log[0][0].get_json()["custom_args"]
    event = {"event": "open", "timestamp": NOW, "email": "ana@shop.example", **arguments}
    read = events.read(json.dumps([event]).encode())
    assert isinstance(read, Reading)
    assert read.told[0].token == TOKEN


ADDRESSED = {"message": "ana@shop.example is no address", "help": None}


def errors(field: str | None) -> str:
    return json.dumps({"errors": [{"field": field, **ADDRESSED}, {"field": "other", **ADDRESSED}]})


def later(reason: str, after: float = 5.0) -> Later:
    return Later(after=after, reason=reason, whose="provider")


def too_fast(after: float) -> Later:
    return Later(after=after, reason="http 429", whose="pace")


@pytest.mark.parametrize(
    ("status", "body", "headers", "outcome"),
    [
        (202, "", {"X-Message-Id": "14c5.a-B_9"}, Delivered(provider_id="14c5.a-B_9")),
        (202, "", {}, Delivered()),
        (202, "", {"X-Message-Id": "ana@shop.example"}, Delivered()),
        (200, "", {}, Unknown(reason="http 200")),
        (302, "", {"Location": PATH}, later("http 302", 900.0)),
        (400, errors("personalizations.0.to.0.email"), {}, Refused(reason="http 400 personalizations.0.to.0.email")),
        (400, errors(None), {}, Refused(reason="http 400")),
        (400, errors("ana@shop.example"), {}, Refused(reason="http 400")),
        (400, '{"errors":[]}', {}, Refused(reason="http 400")),
        (400, '{"errors":[7]}', {}, Refused(reason="http 400")),
        (400, "<html>", {}, Refused(reason="http 400")),
        (401, errors(None), {}, later("http 401", 900.0)),
        (403, errors("from"), {}, later("http 403", 900.0)),
        (404, "", {}, later("http 404", 900.0)),
        (413, errors(None), {}, Refused(reason="http 413")),
        (429, "", {}, too_fast(5.0)),
        (429, "", {"X-RateLimit-Reset": str(int(NOW) + 30)}, too_fast(30.0)),
        (429, "", {"X-RateLimit-Reset": str(int(NOW) - 30)}, too_fast(1.0)),
        (429, "", {"X-RateLimit-Reset": "9" * 12}, too_fast(86_400.0)),
        (429, "", {"X-RateLimit-Reset": "soon"}, too_fast(5.0)),
        (429, "", {"X-RateLimit-Reset": "9" * 400}, too_fast(5.0)),
        (429, "", {"Retry-After": "7", "X-RateLimit-Reset": str(int(NOW) + 30)}, too_fast(7.0)),
        (500, "", {}, later("http 500")),
        (503, "", {"Retry-After": "60"}, later("http 503", 60.0)),
        (502, "", {}, Unknown(reason="http 502")),
        (504, "", {}, Unknown(reason="http 504")),
        (408, "", {}, Unknown(reason="http 408")),
    ],
)  # fmt: skip
def test_what_an_answer_means(
    httpserver: HTTPServer, status: int, body: str, headers: dict[str, str], outcome: Outcome
) -> None:
    httpserver.expect_request(PATH).respond_with_data(body, status, headers)
    assert delivered(httpserver.port) == [outcome]
    assert len(httpserver.log) == 1, "a redirect was not followed"


def test_one_connection_serves_many_messages(httpserver: HTTPServer) -> None:
    ports = set()

    def accept(request: Request) -> Response:
        ports.add(request.environ["REMOTE_PORT"])
        return Response(status=202)

    httpserver.expect_request(PATH).respond_with_handler(accept)
    assert delivered(httpserver.port, *[message()] * 3) == [Delivered()] * 3
    assert len(httpserver.log) == 3


def to_the_body(connection: socket.socket) -> bytes:
    """Read the head of a request, and what came of its body with it."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(1)
    return got


def whole(connection: socket.socket) -> None:
    left = int(to_the_body(connection).lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while left:
        left -= len(connection.recv(left))


def hang_up_before_the_body(connection: socket.socket) -> None:
    to_the_body(connection)


def hang_up_behind_it(connection: socket.socket) -> None:
    whole(connection)


def answer_in_half(connection: socket.socket) -> None:
    whole(connection)
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Le")


def answer_without_end(connection: socket.socket) -> None:
    whole(connection)
    connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b".")
        time.sleep(0.02)


@pytest.mark.parametrize(
    "serve", [hang_up_before_the_body, hang_up_behind_it, answer_in_half, answer_without_end]
)
def test_an_answer_that_is_lost_may_have_been_a_yes(
    serve: Callable[[socket.socket], None],
) -> None:
    with socket_server(serve) as port:
        start = time.perf_counter()
        [found] = delivered(port, message(text="x" * 3_000_000), timeout=0.4)
        assert time.perf_counter() - start < 1.5
    assert isinstance(found, Unknown)
    assert found.reason.endswith("after the request")


def test_a_server_that_hangs_is_left_in_time() -> None:
    with socket_server(None) as port:
        start = time.perf_counter()
        assert delivered(port, timeout=0.3) == [Unknown(reason="time-out after the request")]
        assert time.perf_counter() - start < 1.3


def test_where_nobody_listens_nothing_was_sent() -> None:
    assert delivered(free_port()) == [later("ConnectError")]


def test_a_name_that_leads_inside_is_not_called_and_nothing_is_lost() -> None:
    async def inside(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1"]

    async def once() -> Outcome:
        url = f"sendgrid://{KEY}@api.sendgrid.com"
        channel = email.connect({"url": url, "sender": "a@b.example", "resolve": inside})
        return await channel.deliver(message())

    assert asyncio.run(once()) == later("the name leads to an address that is private")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"to": None}, "no address"),
        ({"to": "a@x.example, b@x.example"}, "address: one mailbox was expected"),
        ({"subject": "a\nb"}, "line break or control character in a header"),
        ({"token": "a\nb"}, "line break or control character in a header"),
        ({"unsubscribe": "https://shop.example/\u2028"}, "line break or control character in a header"),
        ({"unsubscribe": "https://shop.example/ä"}, "cannot be written as an e-mail: ValueError"),
        ({"text": "\ud800"}, "cannot be written as an e-mail: TypeError"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_mail_is_refused(
    httpserver: HTTPServer, changed: dict[str, Any], reason: str
) -> None:
    whose: Literal["message", "address"] = "address" if "address" in reason else "message"
    assert delivered(httpserver.port, message(**changed)) == [Refused(reason, whose)]
    assert httpserver.log == []


def test_the_key_is_in_no_log_no_reason_and_no_repr(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request(PATH).respond_with_data(KEY, 401)
    with caplog.at_level(logging.DEBUG):
        said = [str(delivered(httpserver.port))]
        with socket_server(None) as port:
            said.append(str(delivered(port, timeout=0.1)))
    url = f"sendgrid://{KEY}@api.sendgrid.com"
    said.append(repr(email.connect({"url": url, "sender": "a@b.example"})))
    assert said[-1] == "Email('sendgrid://api.sendgrid.com', sender='a@b.example')"
    said += [r.getMessage() for r in caplog.records if r.name != "werkzeug"]
    assert any("send_request_headers" in line for line in said), "the library's log was read"
    assert not [line for line in said if "bXlzZWNyZXQ" in line]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "sendgrid://api.sendgrid.com"}, "sendgrid://API_KEY@api.sendgrid.com was expected"),
        ({"url": "sendgrid://user:hidden@api.sendgrid.com"}, "API_KEY@api"),
        ({"url": "sendgrid://hid%0Aden@api.sendgrid.com"}, "API_KEY@api"),
        ({"url": "sendgrid://hid%C3%A4den@api.sendgrid.com"}, "API_KEY@api"),
        ({"url": "sendgrid+http://hidden@api.sendgrid.com"}, "https was expected, found http"),
        ({"url": "sendgrid://hidden@10.0.0.1"}, "the address is private"),
        ({"url": "sendgrid://hidden@"}, "no host"),
        ({"url": "sendgird://hidden@x"}, "sendgrid://, sendgrid\\+http:// was expected"),
        ({"provider": "ses"}, "provider: is for SMTP"),
        ({"dkim_selector": "k1"}, "dkim_selector: is for SMTP"),
        ({"dkim_key": "hidden"}, "dkim_key: is for SMTP"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(options: dict[str, str], error: str) -> None:
    given = {"url": "sendgrid://hidden@api.sendgrid.com", "sender": "a@b.example"}
    with pytest.raises(ValueError, match=error) as raised:
        email.connect(given | options)
    assert "hid" not in str(raised.value)
