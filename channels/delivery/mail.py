"""Building one e-mail: headers that nothing can be injected into, and its two alternatives."""

import re
import unicodedata
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

from channels.base import Message

# 7bit: a relay without 8BITMIME must not have to convert, which would break a signature.
_POLICY = SMTP.clone(cte_type="7bit")
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


def compose(message: Message, to: str, origin: Address, at: float) -> bytes:
    """Build the e-mail, ready for DATA but for the doubled dots.

    The Message-ID follows from the activation alone: a second copy, should one ever come to
    be, is known as such by the mail programs that look.

    Args:
        message: what to say; its subject was checked with `breaks_header`.
        to: from `mailbox`.
        origin: the sender.
        at: seconds since 1970, for the Date.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = origin
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(at)
    mail["Message-ID"] = f"<{message.id}@{origin.domain}>"
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()
