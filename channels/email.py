"""The e-mail channel: one mailbox a message, over SMTP or through SendGrid's API."""

import time
from collections.abc import Mapping
from email.headerregistry import Address
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from channels.base import Channel, Message, Outcome, Refused
from channels.delivery import mail, sendgrid, smtp
from channels.delivery.dkim import Signer
from channels.delivery.options import read
from channels.delivery.pinned import resolved

ADDRESS = "email"
KEYED = False  # a server takes a second message with the same Message-ID, and SendGrid has no key


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `connect` takes."""

    url: str  # smtp://, smtp+starttls:// or smtps:// [user:password@]host[:port], sendgrid://key@host
    sender: str  # Shop <hello@shop.example>
    # Whose relay the mail server is, so that tokens go the way that comes home from there.
    provider: Literal["brevo", "mailgun", "postmark", "sendgrid", "ses"] | None = None
    dkim_key: str = ""  # PEM of an RSA key, where the mail server does not sign
    dkim_selector: str = ""
    timeout: float = 10.0  # seconds; of SMTP until the final dot, whose answer may take longer
    now: Any = time.time  # seconds since 1970
    resolve: Any = resolved  # from a name and a port to addresses; for HTTP


def connect(options: Mapping[str, Any]) -> Channel:
    """Return the channel; the server is first asked at the first message.

    Raises:
        ValueError: when an option is missing or wrong.

    >>> connect({"url": "smtp://127.0.0.1:2525", "sender": "hello@shop.example"})
    Email('smtp://127.0.0.1:2525', sender='hello@shop.example')
    >>> connect({"url": "sendgrid://SG.key@api.sendgrid.com", "sender": "hello@shop.example"})
    Email('sendgrid://api.sendgrid.com', sender='hello@shop.example')
    """
    chosen = read("email", options, Options)
    try:
        origin = mail.sender(chosen.sender)
    except mail.AddressError as error:
        raise ValueError(f"channel email: sender: {error}") from error
    return Email(_way(chosen, origin), origin)


class Email:
    """Checks that a message can be an e-mail to one mailbox, and sends it on its way."""

    def __init__(self, way: "smtp.Smtp | sendgrid.SendGrid", origin: Address) -> None:
        self._way = way
        self._origin = origin

    def __repr__(self) -> str:
        return f"Email({self._way.at!r}, sender={str(self._origin)!r})"

    async def deliver(self, message: Message) -> Outcome:
        """Send the message to its one mailbox."""
        if message.to is None:
            return Refused(reason="no address", whose="address")
        headers = (message.to, message.subject, message.token, message.unsubscribe)
        if any(map(mail.breaks_header, headers)):
            return Refused(reason="line break or control character in a header")
        try:
            to = mail.mailbox(message.to)
        except mail.AddressError as error:
            return Refused(reason=f"address: {error}", whose="address")
        return await self._way.send(message, to)

    async def close(self) -> None:
        """Close the connections."""
        await self._way.close()


def _way(options: Options, origin: Address) -> "smtp.Smtp | sendgrid.SendGrid":
    try:
        scheme = urlsplit(options.url).scheme
    except ValueError as error:
        raise ValueError("channel email: url: not a URL") from error
    if scheme in smtp.SCHEMES:
        return smtp.Smtp(
            smtp.server(options.url),
            origin,
            provider=options.provider,
            signer=_signer(options, origin.domain),
            timeout=options.timeout,
            now=options.now,
        )
    if scheme in sendgrid.SCHEMES:
        for name in ("provider", "dkim_key", "dkim_selector"):
            if getattr(options, name):
                raise ValueError(f"channel email: {name}: is for SMTP; {scheme}:// needs none")
        return sendgrid.SendGrid(
            sendgrid.account(options.url),
            origin,
            timeout=options.timeout,
            now=options.now,
            resolve=options.resolve,
        )
    known = ", ".join(f"{s}://" for s in (*smtp.SCHEMES, *sendgrid.SCHEMES))
    raise ValueError(f"channel email: url: {known} was expected, found {scheme!r}")


def _signer(options: Options, domain: str) -> Signer | None:
    if not options.dkim_key and not options.dkim_selector:
        return None
    return Signer(options.dkim_key, options.dkim_selector, domain)
