"""The transport: where it connects, what it says there, and how far a request got."""

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from channels.delivery.pinned import ForbiddenError, NotSentError
from channels.delivery.transport import Answer, MaybeSentError, Transport
from tests.channels.doubles import free_port, socket_server
from tests.channels.network import PUBLIC, Dialler, answering, certified

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: One\r\n\r\nok"
URL = "https://hooks.example/kairos"


def posted(url: str, *bodies: bytes, timeout: float = 2.0, **options: Any) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        transport = Transport(timeout, **options)
        try:
            return [await transport.post(url, {"x-own": "1"}, body) for body in bodies or (b"{}",)]
        finally:
            await transport.close()

    return asyncio.run(all_of_them())


def request(connection: socket.socket) -> bytes:
    """Read one request whose body is `{}`."""
    got = b""
    while not got.endswith(b"\r\n\r\n{}"):
        more = connection.recv(65536)
        if not more:
            break
        got += more
    return got


@contextmanager
def server(requests: list[bytes], answer: bytes = ANSWER, each: int = 1) -> Iterator[int]:
    """Answer `each` requests a connection, then close it."""

    def serve(connection: socket.socket) -> None:
        for _ in range(each):
            if not (got := request(connection)):
                return
            requests.append(got)
            connection.sendall(answer)

    with socket_server(serve) as port:
        yield port


def test_an_answer_is_its_status_its_headers_and_its_body() -> None:
    requests: list[bytes] = []
    with server(requests) as port:
        [answer] = posted(f"http://127.0.0.1:{port}/a/b?c=d")
    assert answer == Answer(200, {"content-length": "2", "x-kind": "One"}, b"ok")
    [sent] = requests
    line, *headers = sent.decode().partition("\r\n\r\n")[0].split("\r\n")
    assert line == "POST /a/b?c=d HTTP/1.1"
    assert sorted(headers) == [
        "content-length: 2",
        f"host: 127.0.0.1:{port}",
        "user-agent: kairos",
        "x-own: 1",
    ]


def test_the_host_of_an_ipv6_keeps_its_brackets() -> None:
    requests: list[bytes] = []
    with server(requests) as port:
        dialler = Dialler(port)
        posted("http://[::1]:8080/", through=dialler)
    assert dialler.dialled == [("::1", 8080)]
    assert b"host: [::1]:8080\r\n" in requests[0]


def test_a_connection_serves_again_and_its_name_is_resolved_once() -> None:
    requests: list[bytes] = []
    resolve, asked = answering(["127.0.0.1"])
    with server(requests, each=3) as port:
        dialler = Dialler(port)
        url = f"http://localhost:{port}/"
        posted(url, b"{}", b"{}", b"{}", resolve=resolve, through=dialler)
    assert len(requests) == 3
    assert asked == ["localhost"]
    assert dialler.dialled == [("127.0.0.1", port)]


def test_what_was_judged_is_dialled_and_tls_and_host_keep_the_name(tmp_path: Path) -> None:
    ours, trust = certified(tmp_path, "hooks.example")
    names: list[str | None] = []
    requests: list[bytes] = []

    def named(_connection: Any, name: str | None, _context: Any) -> None:
        names.append(name)

    def serve(connection: socket.socket) -> None:
        with ours.wrap_socket(connection, server_side=True) as tls:
            requests.append(request(tls))
            tls.sendall(ANSWER)

    ours.sni_callback = named
    resolve, _ = answering([PUBLIC])
    with socket_server(serve) as port:
        dialler = Dialler(port)
        [answer] = posted(URL, resolve=resolve, through=dialler, trust=trust)
    assert answer.body == b"ok"
    assert dialler.dialled == [(PUBLIC, 443)]
    assert names == ["hooks.example"]
    assert b"host: hooks.example\r\n" in requests[0]


def test_a_certificate_of_another_name_is_sent_nothing(tmp_path: Path) -> None:
    ours, trust = certified(tmp_path, "other.example")
    requests: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        try:
            with ours.wrap_socket(connection, server_side=True) as tls:
                requests.append(request(tls))
        except ssl.SSLError:
            pass  # the client turned us down

    resolve, _ = answering([PUBLIC])
    with socket_server(serve) as port, pytest.raises(NotSentError, match="ConnectError"):
        posted(URL, resolve=resolve, through=Dialler(port), trust=trust)
    assert requests in ([], [b""])


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    requests: list[bytes] = []
    resolve, _ = answering(["127.0.0.99", "127.0.0.1"])
    with server(requests) as port:
        [answer] = posted(f"http://localhost:{port}/", resolve=resolve)
    assert answer.status == 200


def test_an_address_that_is_silent_takes_its_share_of_the_time_only() -> None:
    resolve, _ = answering(["::1", "127.0.0.1"])
    with server([]) as port:
        dialler = Dialler(port, silent=["::1"])
        [answer] = posted(f"http://localhost:{port}/", resolve=resolve, through=dialler)
    assert [address for address, _ in dialler.dialled] == ["::1", "127.0.0.1"]
    assert answer.status == 200


async def _no_name(_host: str, _port: int) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "no such name")


async def _no_label(_host: str, _port: int) -> Sequence[str]:
    return [str(("a" * 64 + ".example").encode("idna"))]


async def _silence(_host: str, _port: int) -> Sequence[str]:
    await asyncio.sleep(30)
    return []


async def _nothing(_host: str, _port: int) -> Sequence[str]:
    return []


@pytest.mark.parametrize(
    ("resolve", "reason"),
    [
        (_no_name, "the name has no address"),
        (_no_label, "the name has no address"),
        (_nothing, "the name has no address"),
        (_silence, "time-out"),
    ],
)
def test_a_name_that_leads_nowhere_is_sent_nothing(
    resolve: Callable[[str, int], Awaitable[Sequence[str]]], reason: str
) -> None:
    dialler = Dialler()
    with pytest.raises(NotSentError, match=reason) as caught:
        posted(URL, timeout=0.2, resolve=resolve, through=dialler)
    assert not isinstance(caught.value, ForbiddenError)
    assert dialler.dialled == []


def test_a_closed_port_is_sent_nothing() -> None:
    with pytest.raises(NotSentError, match="ConnectError"):
        posted(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize(
    "greeting", [None, b"220 no TLS here\r\n"], ids=["silent", "another protocol"]
)
def test_a_handshake_that_fails_is_sent_nothing(greeting: bytes | None) -> None:
    serve = greeting and (lambda connection: connection.sendall(greeting))
    with socket_server(serve or None) as port, pytest.raises(NotSentError):
        posted(f"https://127.0.0.1:{port}/", timeout=0.3)
    gc.collect()  # a socket that is still open would fail this test here


def test_a_header_that_cannot_be_written_is_sent_nothing() -> None:
    async def once() -> None:
        transport = Transport(2.0)
        try:
            await transport.post(f"http://127.0.0.1:{port}/", {"x": "a\r\nb: c"}, b"{}")
        finally:
            await transport.close()

    with socket_server(None) as port, pytest.raises(NotSentError, match="LocalProtocolError"):
        asyncio.run(once())


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nha"


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200", b"\xff 999 nonsense\r\n\r\n", HALF], ids=repr
)
def test_who_has_the_request_and_hangs_up_may_have_taken_it(answer: bytes) -> None:
    with server([], answer) as port, pytest.raises(MaybeSentError, match="Error"):
        posted(f"http://127.0.0.1:{port}/")


def test_who_has_the_request_and_says_nothing_may_have_taken_it() -> None:
    with socket_server(None) as port, pytest.raises(MaybeSentError, match="time-out"):
        posted(f"http://127.0.0.1:{port}/", timeout=1.0)


def test_a_body_that_was_written_in_part_may_have_been_taken() -> None:
    with socket_server(None) as port, pytest.raises(MaybeSentError, match="time-out"):
        posted(f"http://127.0.0.1:{port}/", b"x" * 30_000_000, timeout=0.5)


def test_one_time_limit_holds_for_an_answer_in_drops() -> None:
    def drip(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.05)

    start = time.perf_counter()
    with socket_server(drip) as port, pytest.raises(MaybeSentError, match="time-out"):
        posted(f"http://127.0.0.1:{port}/", timeout=0.5)
    assert time.perf_counter() - start < 5, "the drops alone take 50 s"


def test_an_answer_without_end_is_read_to_the_limit() -> None:
    def pour(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with socket_server(pour) as port:
        answers = posted(f"http://127.0.0.1:{port}/", b"{}", b"{}", limit=1000)
    assert [answer.body for answer in answers] == [b"x" * 1000] * 2


def test_a_redirect_is_an_answer_like_any_other(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", 307, {"Location": "/elsewhere"})
    [answer] = posted(httpserver.url_for("/"))
    assert (answer.status, answer.headers["location"]) == (307, "/elsewhere")
    assert len(httpserver.log) == 1


def test_headers_alone_are_no_request_of_ours() -> None:
    with pytest.raises(ValueError, match="a body was expected"):
        posted("http://127.0.0.1:1/", b"")
