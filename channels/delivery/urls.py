"""Which URLs we call, as far as their text tells; `pinned` judges where a name leads."""

import re
from urllib.parse import urlsplit

from channels.delivery import addresses

# What one reader of URLs takes for a host, another may take for something else, so only what all
# of them read alike is a host here. Names of other scripts are written as `xn--…`.
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PLACE = re.compile(rf"(?P<host>{_LABEL}(\.{_LABEL})*\.?|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def refused(url: str) -> str | None:
    """Say why a URL must not be called; None means that it may.

    https only; plain http may stay on this machine. An address in place of a name is judged, and
    must be written in full: systems read `127.1` and `0x7f.1` as 127.0.0.1.

    >>> refused("https://hooks.example/kairos")
    >>> refused("http://127.0.0.1:8080/hook")
    >>> refused("http://hooks.example/kairos")
    'https was expected, found http'
    >>> refused("https://[::ffff:169.254.169.254]/")
    'the address is link-local'
    >>> refused("https://127.1/")
    'an address must be written in full'
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
    if _PLACE.fullmatch(parts.netloc.lower()) is None:
        return "not a URL"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return f"https was expected, found {parts.scheme or 'nothing'}"
    return None if is_loopback(host) else _refused_address(host)


def is_loopback(host: str) -> bool:
    """Tell whether a host, as written, is this machine itself.

    >>> is_loopback("::1"), is_loopback("localhost"), is_loopback("127.0.0.1.example")
    (True, True, False)
    """
    return host.lower() == "localhost" or addresses.is_loopback(host)


def _refused_address(host: str) -> str | None:
    """Say why a host that is an address must not be called; None for a name."""
    kind = addresses.refused(host)
    if kind == "no address":
        last = host.removesuffix(".").rpartition(".")[2]
        return "an address must be written in full" if _NUMBER.fullmatch(last) else None
    return kind and f"the address is {kind}"
