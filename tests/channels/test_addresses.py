"""Which addresses may be called: the list, and what IPv6 carries."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.delivery.addresses import carried, refused

PUBLIC = "93.184.215.14"
REFUSED = {
    "0.0.0.0": "unspecified",  # noqa: S104 - nothing binds to it
    "0.1.2.3": "unspecified",
    "10.255.255.255": "private",
    "100.64.0.1": "a carrier's",
    "100.100.100.200": "a carrier's",  # where one cloud tells credentials
    "127.0.0.1": "loopback",
    "127.255.255.255": "loopback",
    "168.63.129.16": "a cloud's own",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "for protocols",  # where another does
    "192.0.2.1": "for documents",
    "192.88.99.1": "for protocols",
    "192.168.0.1": "private",
    "198.18.0.1": "for benchmarks",
    "198.19.255.255": "for benchmarks",
    "198.51.100.1": "for documents",
    "203.0.113.1": "for documents",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "not given out",
    "::ffff:0:7f00:1": "not given out",
    "64:ff9b:1::7f00:1": "not given out",
    "100::1": "not given out",
    "2001:2::1": "for protocols",
    "2001:20::1": "for protocols",
    "2001:db8::1": "for documents",
    "3fff::1": "for documents",
    "4000::1": "not given out",
    "5f00::1": "not given out",
    "fd00:ec2::254": "private",  # and another
    "fe80::1": "link-local",
    "fe80::1%1": "link-local",
    "2606:2800:21f::1%1": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
    "ff0e::1": "multicast",
}
BESIDE = [  # the last before and the first behind a block
    "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255",
    "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255",
    "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
    "203.0.112.255", "203.0.114.0", "223.255.255.255", "2001:200::1", "2001:db7:ffff::1",
    "2001:db9::1", "2003::1", "2606:4700::1111", "3ffe::1",
]  # fmt: skip
NOT_ADDRESSES = [
    "127.1", "0x7f.1", "2130706433", "017700000001", "0x7f000001", "127.0.0.1.", "127.0.0.01",
    "１２７.0.0.1", "localhost", "", " 8.8.8.8", "8.8.8.8/32", "[::1]",
]  # fmt: skip

v4 = st.integers(0, 2**32 - 1).map(IPv4Address) | st.sampled_from(
    [IPv4Address(a) for a in (*REFUSED, *BESIDE) if ":" not in a]
)


def carrying(inner: IPv4Address) -> list[str]:
    """An IPv4 address in each of the ways in which IPv6 carries one."""
    value = int(inner)
    public = int(IPv4Address(PUBLIC))
    return [
        f"::ffff:{inner}",
        str(IPv6Address((0x64_FF9B << 96) + value)),
        str(IPv6Address((0x2002 << 112) + (value << 80) + 1)),
        str(IPv6Address((0x2001_0000 << 96) + (value << 64) + (public ^ 0xFFFF_FFFF))),
        str(IPv6Address((0x2001_0000 << 96) + (public << 64) + (value ^ 0xFFFF_FFFF))),
    ]


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_what_is_refused_is_named(address: str, kind: str) -> None:
    assert refused(address) == kind


@pytest.mark.parametrize("address", BESIDE)
def test_what_stands_beside_a_refused_block_may_be_called(address: str) -> None:
    assert refused(address) is None


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_only_some_systems_read_as_an_address_is_none(text: str) -> None:
    assert refused(text) == "no address"


@settings(deadline=None)
@given(v4)
def test_an_address_is_judged_alike_however_ipv6_carries_it(inner: IPv4Address) -> None:
    for outer in carrying(inner):
        assert inner in carried(IPv6Address(outer))
        assert refused(outer) == refused(str(inner)), outer


@settings(deadline=None)
@given(v4 | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_nothing_may_be_called_that_the_standard_library_calls_not_global(
    address: IPv4Address | IPv6Address,
) -> None:
    if refused(str(address)) is None and not (address.version == 6 and carried(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved


def test_the_standard_library_would_let_these_through() -> None:
    """Should it ever refuse them all, our list may go."""
    through = ["64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "::7f00:1", "168.63.129.16"]
    assert all(refused(address) for address in through)
    assert any(ip_address(address).is_global for address in through)
