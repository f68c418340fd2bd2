"""Mails over SMTP: one mailbox a message, connections kept open.

What came of a message depends on one instant: the writing of the final dot. Before it, the
server cannot have taken the message, whatever happens; after it, only its answer tells.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from email.headerregistry import Address
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec
from aiosmtplib.protocol import SMTPProtocol

from channels.base import Delivered, Later, Message, Outcome, Refused, Unknown
from channels.delivery import mail, mail_tokens
from channels.delivery.dkim import Signer
from channels.delivery.urls import is_loopback

PAUSE = 5.0  # seconds; the worker's back-off comes on top
LONGER = 3  # times the time-out; servers look at a whole message for longer than at a command
CLOSING = 421  # says a server that has enough of us, whatever it was asked
SCHEMES = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
# No such mailbox, domain or form of it, moved away, takes no mail (RFC 3463, 7505), switched off.
_NOBODY = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
_UNKNOWN = {"550", "551", "553"}  # the same from a server that says no more, where it is asked for
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where to send, from the URL."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"Server({self.at!r})"

    @property
    def at(self) -> str:
        """Return it as it is shown: without the password."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def client(self, timeout: float) -> aiosmtplib.SMTP:
        """Return a client that is not connected yet."""
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user,
            password=self.password,
            use_tls=self.scheme == "smtps",
            start_tls=self.scheme == "smtp+starttls",
            timeout=timeout,
        )


class Smtp:
    """A pool of connections to one server.

    Args:
        server: where to send.
        origin: the sender.
        provider: whose relay the server is, None where it is none that tells what became of mails.
        signer: None where the server signs.
        timeout: seconds until the final dot; its answer may take LONGER.
        now: seconds since 1970.
    """

    def __init__(
        self,
        server: Server,
        origin: Address,
        *,
        provider: str | None,
        signer: Signer | None,
        timeout: float,
        now: Callable[[], float],
    ) -> None:
        self.at = server.at
        self._server = server
        self._origin = origin
        self._provider = provider
        self._signer = signer
        self._timeout = timeout
        self._now = now
        self._idle: list[aiosmtplib.SMTP] = []

    async def send(self, message: Message, to: str) -> Outcome:
        """Send a message.

        Args:
            message: that was checked to break no header.
            to: from `mail.mailbox`.
        """
        at = self._now()
        try:
            headers = mail_tokens.headers(self._provider, message.token)
            body = mail.compose(message, to, self._origin, at, headers)
        except (ValueError, UnicodeError) as error:
            return Refused(reason=f"cannot be written as an e-mail: {type(error).__name__}")
        if self._signer is not None:
            body = self._signer.signature(body, at) + body
        return await self._send(_Sending(self._origin.addr_spec, to, _dotted(body)))

    async def close(self) -> None:
        """Say good-bye on every connection."""
        idle, self._idle = self._idle, []
        for client in idle:
            try:
                async with asyncio.timeout(1.0):
                    await client.quit()
            except (aiosmtplib.SMTPException, OSError, TimeoutError):
                client.close()

    async def _send(self, sending: "_Sending") -> Outcome:
        client: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(self._timeout) as limit:
                client = await self._greet(sending)
                await sending.hand_over(client)
                limit.reschedule(asyncio.get_running_loop().time() + self._timeout * LONGER)
                await sending.hear(client)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            outcome = sending.failed(error)
        else:
            outcome = Delivered(provider_id=sending.reply)
        finally:
            self._give_back(client, reusable=sending.clean)
        return outcome

    async def _greet(self, sending: "_Sending") -> aiosmtplib.SMTP:
        """Return a connection on which MAIL was accepted.

        A server may have closed an idle connection, or says so (421) when we use it again.
        Nothing of the message was sent then, so a new connection is tried at once.
        """
        while self._idle:
            client = self._idle.pop()
            try:
                if client.is_connected:
                    await client.mail(sending.sender)
                    sending.connected = True
                    return client
            except aiosmtplib.SMTPServerDisconnected:
                pass
            except aiosmtplib.SMTPSenderRefused as error:
                if error.code != CLOSING:
                    sending.connected = True
                    client.close()
                    raise
            except BaseException:
                client.close()
                raise
            client.close()
        client = self._server.client(self._timeout)
        try:
            await client.connect()
            sending.connected = True
            await client.mail(sending.sender)
        except BaseException:
            client.close()
            raise
        return client

    def _give_back(self, client: aiosmtplib.SMTP | None, *, reusable: bool) -> None:
        if client is None:
            return
        if reusable and client.is_connected:
            self._idle.append(client)
        else:
            client.close()


class _Sending:
    """One message on its way, and how far it got."""

    def __init__(self, sender: str, to: str, body: bytes) -> None:
        self.sender = sender
        self.to = to
        self.body = body
        self.connected = False
        self.dotted = False  # the final dot was written: the server may have taken it
        self.clean = False  # the connection is between two messages
        self.reply = ""

    async def hand_over(self, client: aiosmtplib.SMTP) -> None:
        """Say the rest of the dialogue, MAIL being accepted.

        Raises:
            SMTPException, OSError: as the server or the network has it.
        """
        try:
            await client.rcpt(self.to)
        except aiosmtplib.SMTPRecipientRefused:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.rset()
                self.clean = True
            raise
        start = await client.execute_command(b"DATA")
        if start.code != 354:
            raise aiosmtplib.SMTPDataError(start.code, start.message)
        protocol = _protocol(client)
        protocol.write(self.body)
        await self._written(client)
        protocol.write(b".\r\n")
        self.dotted = True

    async def hear(self, client: aiosmtplib.SMTP) -> None:
        """Wait for the answer to the whole message.

        Raises:
            SMTPException, OSError: as the server or the network has it.
        """
        answer = await _protocol(client).read_response()  # the time-out around us holds
        if not 200 <= answer.code < 300:
            self.clean = True
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        self.clean = True
        self.reply = _reason(answer.code, answer.message)

    async def _written(self, client: aiosmtplib.SMTP) -> None:
        """Wait until the message has left, so that a loss before the dot is known as one."""
        while isinstance(client.transport, asyncio.WriteTransport):
            if client.transport.is_closing() or not client.transport.get_write_buffer_size():
                return
            await asyncio.sleep(0.002)

    def failed(self, error: Exception) -> Outcome:
        """Say what came of it."""
        code = error.code if isinstance(error, aiosmtplib.SMTPResponseException) else 0
        if code >= 400:
            reason = _reason(code, str(getattr(error, "message", "")))
            # Before MAIL it is about us (a wrong password, a blocked host), not the message.
            about_us = not self.connected or isinstance(error, aiosmtplib.SMTPHeloError)
            about_us = about_us or code == CLOSING
            if code >= 500 and not about_us:
                at_rcpt = isinstance(error, aiosmtplib.SMTPRecipientRefused)
                return Refused(reason=reason, whose=_whose(reason, at_rcpt=at_rcpt))
            return Later(after=PAUSE, reason=reason, whose="provider" if about_us else "message")
        timed_out = isinstance(error, TimeoutError)
        reason = "time-out" if timed_out else "connection lost" if self.connected else "no server"
        if self.dotted:
            return Unknown(reason=f"{reason} after the final dot")
        return Later(after=PAUSE, reason=reason, whose="provider")


def _protocol(client: aiosmtplib.SMTP) -> SMTPProtocol:
    if client.protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    return client.protocol


def _whose(reason: str, *, at_rcpt: bool) -> Literal["message", "address"]:
    """Say whether the server knows nobody there (RFC 3463), or will not have this message.

    >>> _whose("smtp 550 5.1.1", at_rcpt=False), _whose("smtp 550 5.7.1", at_rcpt=True)
    ('address', 'message')
    >>> _whose("smtp 550", at_rcpt=True), _whose("smtp 550", at_rcpt=False)
    ('address', 'message')
    """
    _, code, *enhanced = reason.split()
    nobody = enhanced[0] in _NOBODY if enhanced else at_rcpt and code in _UNKNOWN
    return "address" if nobody else "message"


def _reason(code: int, message: str) -> str:
    """Keep the codes of a reply and nothing else: its text often repeats the address.

    >>> _reason(550, "5.1.1 <ana@shop.example>: no such user")
    'smtp 550 5.1.1'
    """
    enhanced = _ENHANCED.match(message)
    return f"smtp {code} {enhanced.group(1)}" if enhanced else f"smtp {code}"


def _dotted(body: bytes) -> bytes:
    r"""Double the dots at the beginnings of lines (RFC 5321 4.5.2).

    >>> _dotted(b".a\r\n.b\r\n")
    b'..a\r\n..b\r\n'
    """
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n..").removeprefix(b"\r\n")


def server(url: str) -> Server:
    """Read a URL of one of SCHEMES.

    Raises:
        ValueError: naming the option, and never what is in it: a password is.

    >>> server("smtps://user:password@mail.example")
    Server('smtps://mail.example:465')
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("channel email: url: not a URL") from error
    if not host:
        raise ValueError("channel email: url: no host")
    if parts.scheme == "smtp" and parts.username is not None and not is_loopback(host):
        raise ValueError(
            "channel email: url: smtp:// would send the password in the clear; "
            "use smtp+starttls:// or smtps://"
        )
    return Server(
        scheme=parts.scheme,
        host=host,
        port=port or SCHEMES[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
