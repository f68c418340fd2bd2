"""Which URLs are called, from the text to the packet: nobody is reached who must not be."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from channels import slack, webhook
from channels.base import Message, Outcome, Refused
from channels.delivery.pinned import ForbiddenError, NotSentError, Pinned
from channels.delivery.transport import Transport
from tests.channels.network import PUBLIC, Dialler, answering, listening

WEBHOOK = {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
CHANNELS = pytest.mark.parametrize(
    ("channel", "options"), [(webhook, WEBHOOK), (slack, {})], ids=["webhook", "slack"]
)

LITERALS = [
    "127.1",
    "0x7f.1",
    "0X7F.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "127.0.0.1.",
    "127.1.",
    "10.0.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "0.0.0.0",  # noqa: S104 - nothing binds to it
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::FFFF:A9FE:A9FE]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::f7f7:f7f7]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
]
UNREADABLE = ["[fe80::1%25eth0]", "１２７.0.0.1", "127。0。0。1", "%31%32%37.0.0.1", "localhost\\", "a@b", "a..b", "-a.b", "[v1.a]"]  # fmt: skip
PRIVATE = [
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "10.0.0.1",
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "224.0.0.1",
    "0.0.0.0",  # noqa: S104 - nothing binds to it
    "fe80::1%1",
]


def delivered(channel: Any, options: dict[str, Any]) -> Outcome:
    async def once() -> Outcome:
        out = channel.connect({"timeout": 2.0} | options)
        try:
            done: Outcome = await out.deliver(
                Message(id="m1", channel="x", to=None, text="Hello", payload={"a": 1})
            )
            return done
        finally:
            await out.close()

    return asyncio.run(once())


@CHANNELS
def test_the_sensor_sees_who_is_called(channel: Any, options: dict[str, Any]) -> None:
    with listening() as target:
        delivered(channel, options | {"url": f"http://127.0.0.1:{target.port}/", "timeout": 0.1})
        assert target.connections() == 1


@CHANNELS
@pytest.mark.parametrize("host", LITERALS)
def test_r54_an_address_is_refused_when_the_channel_connects(
    channel: Any, options: dict[str, Any], host: str
) -> None:
    with listening() as target:
        for scheme in ("https", "http"):
            with pytest.raises(ValueError, match=r"url: (an|the) address|url: https was expected"):
                delivered(channel, options | {"url": f"{scheme}://{host}:{target.port}/"})
        assert target.connections() == 0


@CHANNELS
@pytest.mark.parametrize("host", UNREADABLE)
def test_r54_what_readers_of_urls_disagree_on_is_no_url(
    channel: Any, options: dict[str, Any], host: str
) -> None:
    with pytest.raises(ValueError, match=r"url: (not a URL|a URL must not carry)"):
        delivered(channel, options | {"url": f"https://{host}:8080/"})


@CHANNELS
@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.parametrize(
    "name", ["hooks.example", "HOOKS.Example.", "xn--bcher-kva.example", "localhost."]
)
def test_r54_a_name_that_leads_here_is_refused_for_good_when_a_message_is_sent(
    channel: Any, options: dict[str, Any], name: str, address: str
) -> None:
    for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
        resolve, asked = answering(answer)
        with listening() as target:
            url = f"https://{name}:{target.port}/"
            outcome = delivered(channel, options | {"url": url, "resolve": resolve})
            assert target.connections() == 0
        assert len(asked) == 1
        assert isinstance(outcome, Refused)
        assert outcome.reason.startswith("url: the name leads to an address that is ")
        assert address not in outcome.reason


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "2130706433", "017700000001", "::ffff:127.0.0.1"]
)
def test_r54_what_the_system_reads_as_an_address_is_judged_by_where_it_leads(host: str) -> None:
    """Should the text ever get past the first look: `getaddrinfo` makes 127.0.0.1 of each."""

    async def connect() -> None:
        await Pinned().connect_tcp(host, target.port, 1.0)

    with listening() as target:
        with pytest.raises(ForbiddenError, match="that is loopback"):
            asyncio.run(connect())
        assert target.connections() == 0


def test_r54_a_name_that_is_public_and_then_private_leads_nowhere_private() -> None:
    """What was judged is what is dialled; the next connection is judged anew."""
    resolve, asked = answering([PUBLIC], ["127.0.0.1"])
    dialler = Dialler()

    async def twice(url: str) -> Sequence[BaseException]:
        transport = Transport(1.0, resolve=resolve, through=dialler)
        try:
            return [
                error
                for _ in range(2)
                for error in await asyncio.gather(
                    transport.post(url, {}, b"{}"), return_exceptions=True
                )
                if isinstance(error, BaseException)
            ]
        finally:
            await transport.close()

    with listening() as target:
        first, second = asyncio.run(twice(f"https://hooks.example:{target.port}/"))
        assert target.connections() == 0
        assert dialler.dialled == [(PUBLIC, target.port)]
    assert type(first) is NotSentError, "nobody is there"
    assert type(second) is ForbiddenError
    assert len(asked) == 2, "once a connection"


@CHANNELS
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_r54_a_redirect_to_what_must_not_be_called_is_not_followed(
    httpserver: HTTPServer, channel: Any, options: dict[str, Any], status: int
) -> None:
    with listening() as target:
        place = f"http://127.0.0.1:{target.port}/latest/meta-data/"
        httpserver.expect_request("/hook").respond_with_data("", status, {"Location": place})
        outcome = delivered(channel, options | {"url": httpserver.url_for("/hook")})
        assert outcome == Refused(reason=f"http {status}")
        assert target.connections() == 0
    assert len(httpserver.log) == 1


def test_plain_http_to_this_machine_cannot_leave_it() -> None:
    resolve, _ = answering([PUBLIC])
    outcome = delivered(webhook, WEBHOOK | {"url": "http://localhost:1/", "resolve": resolve})
    assert outcome == Refused(reason="url: the name leads off this machine")
