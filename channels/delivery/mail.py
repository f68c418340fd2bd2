"""Building one e-mail: headers that nothing can be injected into, and its two alternatives."""

import re
import unicodedata
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import formatdate, parseaddr
from typing import Self

from channels.base import Message

# 7bit: a relay without 8BITMIME must not have to convert, which would break a signature.
_POLICY = SMTP.clone(cte_type="7bit")
_LINE_END = re.compile(rb"\r\n|\r|\n")
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
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise AddressError("a domain was expected") from error


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
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = origin
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(at)
    mail["Message-ID"] = f"<{message.id}@{origin.domain}>"
    for name, value in {**unsubscribing(message.unsubscribe), **headers}.items():
        mail[name] = _OneLine(name, value)
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    # Some servers end a line at a lone CR or LF and others do not: whoever writes a text could have
    # the second part of it taken for commands.
    return _LINE_END.sub(b"\r\n", mail.as_bytes()).removesuffix(b"\r\n") + b"\r\n"


class _OneLine(str):
    """The value of a header that is never folded.

    `email` encodes what is too long for a line and has no spaces. Readers decode the words of a
    subject, but a URL or a provider's JSON would be lost to them.
    """

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str, value: str) -> Self:
        made = super().__new__(cls, value)
        made.name = name
        return made

    def fold(self, *, policy: Policy) -> str:
        """Return the line, as the library asks for it.

        Raises:
            ValueError: it would be longer than a line may be.
        """
        if len(self) > _LONGEST:
            raise ValueError(f"a header of at most {_LONGEST} characters was expected")
        return f"{self.name}: {self}{policy.linesep}"
