"""Which URLs we call: the one place to ask before a request leaves the machine."""

import ipaddress
from urllib.parse import urlsplit


def refused(url: str) -> str | None:
    """Say why a URL must not be called; None means that it may.

    https only; plain http may stay on this machine.

    >>> refused("https://hooks.example/kairos")
    >>> refused("http://127.0.0.1:8080/hook")
    >>> refused("http://hooks.example/kairos")
    'https was expected, found http'
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return "not a URL"  # urlsplit would drop line breaks in silence
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "not a URL"
    if not host:
        return "no host"
    if parts.username is not None or parts.password is not None:
        return "a URL must not carry a user name or a password"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return None
    return f"https was expected, found {parts.scheme or 'nothing'}"


def is_loopback(host: str) -> bool:
    """Tell whether a host, as written, is this machine itself.

    >>> is_loopback("::1"), is_loopback("localhost"), is_loopback("127.0.0.1.example")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
