"""The driver: as patient as an SDK, and never silent about a refusal."""

import asyncio
from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as WerkzeugRequest
from werkzeug import Response

from kairos.demo.drive import DriveError, Driver, Tally
from kairos.demo.request import Request, Truth


def request(body: bytes = b"{}", truth: Truth | None = None, path: str = "/v1/track") -> Request:
    return Request(0.0, "browser", path, "text/plain", body, truth or Truth(distinct=1))


def driven(server: HTTPServer, *requests: Request) -> Tally:
    driver = Driver(server.url_for(""), {"browser": "b", "server": "s"})
    asyncio.run(driver.run(iter(requests), asyncio.Event()))
    return driver.tally


def test_what_is_not_answered_is_sent_again_as_it_was(httpserver: HTTPServer) -> None:
    bodies: list[bytes] = []
    answers = iter((503, 500, 200))

    def answer(sent: WerkzeugRequest) -> Response:
        bodies.append(sent.get_data())
        return Response('{"success":true,"accepted":1}', next(answers))

    # A path of its own: the server outlives each test, and may still hold another one's requests.
    httpserver.expect_request("/v1/page", method="POST").respond_with_handler(answer)
    tally = driven(httpserver, request(b"the same", path="/v1/page"))
    assert bodies == [b"the same"] * 3
    assert (tally.accepted, tally.rejected, tally.retries, tally.uncertain) == (1, 0, 2, 2)
    assert tally.trouble == {"http 503": 1, "http 500": 1}


def test_what_the_door_refuses_is_counted(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/track").respond_with_data('{"code":"no_identifier"}', 400)
    tally = driven(httpserver, request(truth=Truth(bad=1)))
    assert (tally.accepted, tally.rejected, tally.taken) == (0, 1, 1)
    assert tally.truth == Truth(bad=1)


@pytest.mark.parametrize(
    ("status", "body"), [(401, '{"code":"unknown_write_key"}'), (200, '{"accepted":7}')]
)
def test_an_answer_that_cannot_be_ends_the_drive(
    httpserver: HTTPServer, status: int, body: str
) -> None:
    httpserver.expect_request("/v1/track").respond_with_data(body, status)

    def endless() -> Iterator[Request]:
        while True:
            yield request()

    driver = Driver(httpserver.url_for(""), {"browser": "b", "server": "s"})
    with pytest.raises(DriveError, match=f"was answered {status}"):
        asyncio.run(driver.run(endless(), asyncio.Event()))
