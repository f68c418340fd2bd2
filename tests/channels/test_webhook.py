"""The webhook channel: the standard's own check vector, and what each answer means."""

import asyncio
import base64
from typing import Any

import orjson
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from channels import webhook
from channels.base import Delivered, Later, Message, Outcome, Refused
from tests.channels.doubles import socket_server

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Message(id="msg_p5jXN8AQM9LWM0D4loKWxJek", channel="webhook", to=None, payload={"a": "ü"})


def delivered(url: str, message: Message = MESSAGE, **options: Any) -> Outcome:
    async def once() -> Outcome:
        channel = webhook.connect(
            {"url": url, "secret": SECRET, "timeout": 2.0, "now": lambda: 1_614_265_330.9} | options
        )
        try:
            return await channel.deliver(message)
        finally:
            await channel.close()

    return asyncio.run(once())


def test_the_standards_check_vector() -> None:
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    body = b'{"test": 2432232314}'
    signed = webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_posted_is_what_is_signed(httpserver: HTTPServer) -> None:
    seen: list[Request] = []

    def accept(request: Request) -> Response:
        seen.append(request)
        return Response("thanks")

    httpserver.expect_request("/hook", method="POST").respond_with_handler(accept)
    assert delivered(httpserver.url_for("/hook")) == Delivered()
    [request] = seen
    body = request.get_data()
    assert orjson.loads(body) == {"a": "ü"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == MESSAGE.id
    assert request.headers["webhook-timestamp"] == "1614265330"
    secret = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = webhook.signature(secret, MESSAGE.id, 1_614_265_330, body)
    assert request.headers["webhook-signature"] == expected


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Delivered()),
        (202, {}, Delivered()),
        (302, {"Location": "/hook"}, Refused(reason="http 302")),
        (400, {}, Refused(reason="http 400")),
        (410, {}, Refused(reason="http 410")),
        (408, {}, Later(after=5.0, reason="http 408", whose="provider")),
        (425, {}, Later(after=5.0, reason="http 425", whose="provider")),
        (429, {"Retry-After": "7"}, Later(after=7.0, reason="http 429", whose="pace")),
        (500, {}, Later(after=5.0, reason="http 500", whose="provider")),
        (
            503,
            {"Retry-After": "1000000"},
            Later(after=86_400.0, reason="http 503", whose="provider"),
        ),
        (503, {"Retry-After": "whenever"}, Later(after=5.0, reason="http 503", whose="provider")),
        (503, {"Retry-After": "Thu, 25 Feb 2021 15:03:10 GMT"}, None),
    ],
)
def test_what_an_answer_means(
    httpserver: HTTPServer, status: int, headers: dict[str, str], outcome: Outcome | None
) -> None:
    httpserver.expect_request("/hook").respond_with_data("x" * 10, status, headers)
    found = delivered(httpserver.url_for("/hook"))
    if outcome is None:  # the header's date is 60 s after the clock of this test
        assert isinstance(found, Later)
        assert found.after == pytest.approx(59.1)
    else:
        assert found == outcome
    answered = [response.status_code for _, response in httpserver.log]
    assert answered.count(status) == 1  # a redirect was not followed


def test_an_answer_without_end_does_not_hold_us(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data(b"x" * 5_000_000)
    assert delivered(httpserver.url_for("/hook")) == Delivered()


def test_a_lost_answer_is_asked_for_again() -> None:
    with socket_server(None) as port:
        found = delivered(f"http://127.0.0.1:{port}/hook", timeout=0.1)
    assert found == Later(after=5.0, reason="time-out", whose="provider")


def test_what_json_cannot_say_is_refused(httpserver: HTTPServer) -> None:
    bad = Message(id="1", channel="webhook", to=None, payload={"a": 2**70})
    assert delivered(httpserver.url_for("/"), bad) == Refused(reason="payload is not JSON")


def test_a_proxy_of_the_environment_is_not_used(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    httpserver.expect_request("/hook").respond_with_data("")
    assert delivered(httpserver.url_for("/hook")) == Delivered()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "http://hooks.example/x"}, "https was expected, found http"),
        ({"url": "http://127.0.0.1.example/x"}, "https was expected, found http"),
        ({"url": "https://user:pw@hooks.example/x"}, "must not carry a user name"),
        ({"url": "ftp://hooks.example"}, "https was expected, found ftp"),
        ({"url": "https://"}, "no host"),
        ({"url": "https://hooks.example/\nx"}, "not a URL"),
        ({"url": "https://[::1"}, "not a URL"),
        ({"secret": "abc"}, "secret: `whsec_`"),
        ({"secret": "whsec_!!!"}, "secret: `whsec_`"),
        ({"secret": "whsec_c2hvcnQ="}, "found 5 bytes"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        webhook.connect({"url": "https://hooks.example/x", "secret": SECRET} | options)
