"""Building one e-mail: headers that nothing can be injected into, and its two alternatives."""

import re
import unicodedata
from collections.abc import Mapping
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from functools import lru_cache

from channels.base import Message
from channels.delivery import mime

# 7bit: a relay without 8BITMIME must not have to convert, which would break a signature.
_POLICY = SMTP.clone(cte_type="7bit")
_SHORT = 60  # characters of a subject that fits a line
_PRINTABLE = re.compile(r"[!-~]([ -~]*[!-~])?")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_ATOM}(\.{_ATOM})*@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")  # RFC 5322 3.4.1
_LONGEST = 900  # characters of a header that is one line; a line may have 998, its name included
_URL = re.compile(r"https?://[!-;=?-~]+")  # printable ASCII but the < and > that stand around it
_MAILBOX = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{1,255}")


class AddressError(ValueError):
    """Not one plain mailbox, or one that this server cannot be told."""


def breaks_header(value: str) -> bool:
    r"""Tell whether a text could end a header line, for us or for any server on the way.

    >>> breaks_header("Hi\r\nBcc: all@shop.example"), breaks_header("Hi\u2028"), breaks_header("Hi")
    (True, True, False)
    """
    return any(unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} for c in value)


def mailbox(text: str) -> str:
    """Return the one mailbox that a text names, its domain as the network writes it.

    >>> mailbox("ana@bücher.example")
    'ana@xn--bcher-kva.example'

    Raises:
        AddressError: when it names none, or several, or one that needs SMTPUTF8.
    """
    if not _MAILBOX.fullmatch(text):
        raise AddressError("one mailbox was expected")
    local, domain = text.rsplit("@", 1)
    if not local.isascii():
        raise AddressError("a local part in ASCII was expected")
    try:
        found = f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise AddressError("a domain was expected") from error
    if not _ADDRESS.fullmatch(found):
        raise AddressError("one mailbox was expected")
    return found


def sender(text: str) -> Address:
    """Read a sender, such as `Shop <hello@shop.example>`.

    >>> sender("Shop <hello@shop.example>").domain
    'shop.example'

    Raises:
        AddressError: when it is no mailbox.
    """
    if breaks_header(text):
        raise AddressError("a line break or control character")
    name, address = parseaddr(text)
    return Address(display_name=name, addr_spec=mailbox(address))


def unsubscribing(url: str) -> dict[str, str]:
    """Return the headers of a one-click unsubscription (RFC 8058), none where there is no URL.

    Raises:
        ValueError: the URL cannot stand in a header.

    >>> unsubscribing("https://shop.example/u/t1")["List-Unsubscribe"], unsubscribing("")
    ('<https://shop.example/u/t1>', {})
    """
    if not url:
        return {}
    if not _URL.fullmatch(url):
        raise ValueError("a URL in ASCII was expected")
    return {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def compose(
    message: Message, to: str, origin: Address, at: float, headers: Mapping[str, str]
) -> bytes:
    """Build the e-mail as lines that end with CRLF, ready for DATA but for the doubled dots.

    The Message-ID follows from the activation alone: a second copy, should one ever come to
    be, is known as such by the mail programs that look.

    Args:
        message: what to say; its subject was checked with `breaks_header`.
        to: from `mailbox`.
        origin: the sender.
        at: seconds since 1970, for the Date.
        headers: further ones, in ASCII.

    Raises:
        ValueError: something of it cannot stand in an e-mail.
    """
    subject, short = message.subject, len(message.subject) <= _SHORT
    plain = short and _PRINTABLE.fullmatch(subject) and "=?" not in subject
    head = [
        _folded("From", str(origin)),
        _line("To", to),
        _line("Subject", subject) if plain else _folded("Subject", subject),
        _line("Date", formatdate(at)),
        _line("Message-ID", f"<{message.id}@{origin.domain}>"),
    ]
    further = {**unsubscribing(message.unsubscribe), **headers}
    head += [_line(name, value) for name, value in further.items()]
    return "".join(head).encode("ascii") + mime.body(message.text, message.html)


def _line(name: str, value: str) -> str:
    """Return a header that is never folded: readers put a subject together again, but not a URL.

    Raises:
        ValueError: it would be more than one line, longer than a line may be, or no ASCII.
    """
    if len(value) > _LONGEST or not _PRINTABLE.fullmatch(value):
        raise ValueError(f"a header of at most {_LONGEST} characters of ASCII was expected")
    return f"{name}: {value}\r\n"


@lru_cache(maxsize=256)  # one sender, and subjects that many are sent
def _folded(name: str, value: str) -> str:
    """Return a header as the library writes it: encoded, and in lines of a fit length.

    Raises:
        ValueError: it would be more than one header.
    """
    if breaks_header(value):
        raise ValueError("no line break was expected")
    return str(_POLICY.header_store_parse(name, value)[1].fold(policy=_POLICY))
