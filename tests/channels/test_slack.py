"""The Slack channel: what is posted, what each answer means, and that the URL stays a secret."""

import asyncio
import logging
import socket
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from channels import slack
from channels.base import Delivered, Later, Message, Outcome, Refused, Unknown
from tests.channels.doubles import free_port, socket_server

SECRET = "/services/T0/B0/bXlzZWNyZXQ"
MESSAGE = Message(id="m1", channel="slack", to=None, subject="A new customer", text="Ana, Lyon")


def delivered(url: str, message: Message = MESSAGE, **options: Any) -> Outcome:
    async def once() -> Outcome:
        channel = slack.connect({"url": url, "timeout": 2.0, "now": lambda: 0.0} | options)
        try:
            return await channel.deliver(message)
        finally:
            await channel.close()

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("subject", "text", "posted"),
    [
        ("A new customer", "Ana, Lyon", "*A new customer*\nAna, Lyon"),
        ("", "Ana, Lyon", "Ana, Lyon"),
        ("A new customer", "", "*A new customer*"),
        ("Two\r\nlines", "Ana\nLyon", "*Two lines*\nAna\nLyon"),
        ("<!here>", "<@U1> & <https://a.example|b>", "*&lt;!here&gt;*\n&lt;@U1&gt; &amp; &lt;https://a.example|b&gt;"),
        ("", "Zoë 🎂", "Zoë 🎂"),
    ],
)  # fmt: skip
def test_what_is_posted(httpserver: HTTPServer, subject: str, text: str, posted: str) -> None:
    httpserver.expect_oneshot_request(
        SECRET,
        method="POST",
        json={"text": posted},
        headers={"Content-Type": "application/json"},
    ).respond_with_data("ok")
    message = Message(id="m1", channel="slack", to=None, subject=subject, text=text)
    assert delivered(httpserver.url_for(SECRET), message) == Delivered()
    httpserver.check_assertions()


@pytest.mark.parametrize(
    ("status", "body", "headers", "outcome"),
    [
        (200, "ok", {}, Delivered()),
        (200, "ok\n", {}, Delivered()),
        (200, "<html>", {}, Unknown(reason="http 200")),
        (204, "", {}, Unknown(reason="http 204")),
        (302, "", {"Location": SECRET}, Refused(reason="http 302")),
        (400, "invalid_payload", {}, Refused(reason="http 400 invalid_payload")),
        (403, "action_prohibited", {}, Refused(reason="http 403 action_prohibited")),
        (404, "channel_not_found", {}, Refused(reason="http 404 channel_not_found")),
        (410, "channel_is_archived", {}, Refused(reason="http 410 channel_is_archived")),
        (400, "no ana@shop.example", {}, Refused(reason="http 400")),
        (400, "x" * 41, {}, Refused(reason="http 400")),
        (408, "", {}, Unknown(reason="http 408")),
        (413, "", {}, Refused(reason="http 413")),
        (429, "", {}, Later(after=5.0, reason="http 429", whose="pace")),
        (429, "rate_limited", {"Retry-After": "7"}, Later(after=7.0, reason="http 429 rate_limited", whose="pace")),
        (503, "", {"Retry-After": "60"}, Later(after=60.0, reason="http 503", whose="provider")),
        (503, "", {}, Unknown(reason="http 503")),
        (500, "rollup_error", {}, Unknown(reason="http 500 rollup_error")),
        (502, "", {}, Unknown(reason="http 502")),
        (504, "", {}, Unknown(reason="http 504")),
    ],
)  # fmt: skip
def test_what_an_answer_means(
    httpserver: HTTPServer, status: int, body: str, headers: dict[str, str], outcome: Outcome
) -> None:
    httpserver.expect_request(SECRET).respond_with_data(body, status, headers)
    assert delivered(httpserver.url_for(SECRET)) == outcome
    assert len(httpserver.log) == 1, "a redirect was not followed"


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def test_no_answer_is_held_and_no_connection_is_tried_again() -> None:
    with socket_server(None) as port:
        hung = delivered(f"http://127.0.0.1:{port}{SECRET}", timeout=0.2)
    assert hung == Unknown(reason="time-out after the request")
    with socket_server(hang_up) as port:
        cut = delivered(f"http://127.0.0.1:{port}{SECRET}")
    assert isinstance(cut, Unknown)
    closed = delivered(f"http://127.0.0.1:{free_port()}{SECRET}")
    assert closed == Later(after=5.0, reason="ConnectError", whose="provider")


@pytest.mark.parametrize(("subject", "text"), [("", ""), (" ", "\n"), ("\u2028", "")])
def test_nothing_to_say_is_refused(httpserver: HTTPServer, subject: str, text: str) -> None:
    message = Message(id="m1", channel="slack", to=None, subject=subject, text=text)
    assert delivered(httpserver.url_for(SECRET), message) == Refused(reason="no text")
    assert httpserver.log == []


def test_what_is_no_unicode_is_refused(httpserver: HTTPServer) -> None:
    message = Message(id="m1", channel="slack", to=None, text="\ud800")
    assert delivered(httpserver.url_for(SECRET), message) == Refused(reason="text is not Unicode")


def test_the_url_is_in_no_log_no_reason_and_no_repr(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request(SECRET).respond_with_data(SECRET, 404)
    url = httpserver.url_for(SECRET)
    with caplog.at_level(logging.DEBUG):
        said = [str(delivered(url)), repr(slack.connect({"url": url}))]
        with socket_server(None) as port:
            said.append(str(delivered(f"http://127.0.0.1:{port}{SECRET}", timeout=0.1)))
    with pytest.raises(ValueError, match="url: https was expected") as caught:
        slack.connect({"url": f"http://hooks.slack.com{SECRET}"})
    said += [str(caught.value), *(r.getMessage() for r in caplog.records if r.name != "werkzeug")]
    assert any("send_request_headers" in line for line in said), "the library's log was read"
    assert not [line for line in said if "bXlzZWNyZXQ" in line]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, "missing required field `url`"),
        ({"url": "https://hooks.slack.com/x", "uri": "x"}, "unknown option 'uri'"),
        ({"url": "https://10.0.0.1/x"}, "channel slack: url: the address is private"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        slack.connect(options)
