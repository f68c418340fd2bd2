"""Which IP addresses may be called: global unicast, by a list of our own.

The standard library's `is_global` answers another question. It is true of multicast, and of
`64:ff9b::7f00:1` and `2002:7f00:1::`, which a gateway may turn into 127.0.0.1. So an address
that carries another one is judged by what it carries, IPv6 is refused but for what is given
out, and of IPv4, all of which is given out, what serves a purpose of its own is refused.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_V4 = {
    "unspecified": ("0.0.0.0/8",),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
    "a carrier's": ("100.64.0.0/10",),
    "loopback": ("127.0.0.0/8",),
    "link-local": ("169.254.0.0/16",),  # clouds tell a machine its credentials in here
    "a cloud's own": ("168.63.129.16/32",),  # Azure's agent; the block around it is public
    "for protocols": ("192.0.0.0/24", "192.88.99.0/24"),
    "for documents": ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    "for benchmarks": ("198.18.0.0/15",),
    "multicast": ("224.0.0.0/4",),
    "reserved": ("240.0.0.0/4",),
}
_V6 = {
    "unspecified": ("::/128",),
    "loopback": ("::1/128",),
    "link-local": ("fe80::/10",),
    "private": ("fc00::/7", "fec0::/10"),
    "multicast": ("ff00::/8",),
    "for protocols": ("2001::/23",),
    "for documents": ("2001:db8::/32", "3fff::/20"),
}
_GIVEN_OUT = IPv6Network("2000::/3")  # the whole of IPv6 global unicast, by now

_REFUSED_V4 = [(kind, IPv4Network(block)) for kind, blocks in _V4.items() for block in blocks]
_REFUSED_V6 = [(kind, IPv6Network(block)) for kind, blocks in _V6.items() for block in blocks]

# Where IPv6 carries IPv4: how far from the end, and what is exclusive-ored with it. Teredo
# carries its server, and its client with every bit turned.
_CARRIED = (
    (IPv6Network("::ffff:0:0/96"), ((0, 0),)),  # v4-mapped
    (IPv6Network("64:ff9b::/96"), ((0, 0),)),  # NAT64
    (IPv6Network("2002::/16"), ((80, 0),)),  # 6to4
    (IPv6Network("2001::/32"), ((64, 0), (0, 0xFFFF_FFFF))),  # Teredo
)


def refused(address: str) -> str | None:
    """Say what kind of address must not be called; None means that it may be.

    Args:
        address: IPv4 or IPv6, as the standard library reads it.

    >>> refused("93.184.215.14"), refused("2606:2800:21f:cb07::1")
    (None, None)
    >>> refused("64:ff9b::7f00:1"), refused("2002:a9fe:a9fe::"), refused("::ffff:10.0.0.1")
    ('loopback', 'link-local', 'private')
    >>> refused("127.1")
    'no address'
    """
    try:
        read = ip_address(address)
    except ValueError:
        return "no address"
    if isinstance(read, IPv4Address):
        return _refused_v4(read)
    if read.scope_id is not None:
        return "link-local"  # nothing that is global has a zone
    inside = carried(read)
    if inside:
        return next((kind for one in inside if (kind := _refused_v4(one))), None)
    return _refused_v6(read)


def is_loopback(address: str) -> bool:
    """Tell whether an address is this machine itself, and says so in the plain way.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("::ffff:127.0.0.1")
    (True, True, False)
    """
    try:
        read = ip_address(address)
    except ValueError:
        return False
    own = IPv4Network("127.0.0.0/8") if read.version == 4 else IPv6Network("::1/128")
    return read in own


def carried(address: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address leads to.

    >>> carried(IPv6Address("2001:0:808:808::f5ff:fffe"))
    [IPv4Address('8.8.8.8'), IPv4Address('10.0.0.1')]
    """
    for network, places in _CARRIED:
        if address in network:
            return [
                IPv4Address((int(address) >> shift & 0xFFFF_FFFF) ^ turned)
                for shift, turned in places
            ]
    return []


def _refused_v4(address: IPv4Address) -> str | None:
    return next((kind for kind, network in _REFUSED_V4 if address in network), None)


def _refused_v6(address: IPv6Address) -> str | None:
    kind = next((kind for kind, network in _REFUSED_V6 if address in network), None)
    return kind or (None if address in _GIVEN_OUT else "not given out")
