"""Mails through SendGrid's v3 API: one request a mail.

SendGrid drops no copies, so what was written and not answered is held, not sent again.
"""

import re
from collections.abc import Callable
from email.headerregistry import Address
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import orjson

from channels.base import Delivered, Later, Message, Outcome, Refused, Unknown
from channels.delivery import mail, urls
from channels.delivery.mail_tokens import KEY
from channels.delivery.pinned import NotSentError, Resolve
from channels.delivery.retry_after import DAY, PAUSE, TOO_MANY, later
from channels.delivery.transport import Answer, MaybeSentError, Transport

SCHEMES = {"sendgrid": "https", "sendgrid+http": "http"}  # the second for this machine alone

_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_FIELD = re.compile(r"[a-z0-9_.\[\]]{1,80}")  # such as personalizations.0.to
_RESET = re.compile(r"[0-9]{1,12}")
_REFUSING = {400, 413}  # it is about this message
_MENDING = 900.0  # seconds that an operator is given between two calls
_UNCLEAR = {408, *range(500, 600)} - {500, 503}  # a proxy's words; SendGrid says 500 and 503


class Account(msgspec.Struct, frozen=True):
    """Where to post and with which key, from the URL."""

    url: str
    at: str  # as it is shown: without the key
    key: str

    def __repr__(self) -> str:
        return f"Account({self.at!r})"


class SendGrid:
    """One account, its connections kept open.

    Args:
        account: of SendGrid's.
        origin: the sender.
        timeout: seconds, for everything together.
        now: seconds since 1970.
        resolve: from a name and a port to addresses.
    """

    def __init__(
        self,
        account: Account,
        origin: Address,
        *,
        timeout: float,
        now: Callable[[], float],
        resolve: Resolve,
    ) -> None:
        self.at = account.at
        self._account = account
        self._sender = {"email": origin.addr_spec}
        if origin.display_name:
            self._sender["name"] = origin.display_name
        self._now = now
        self._transport = Transport(timeout, resolve=resolve)

    async def send(self, message: Message, to: str) -> Outcome:
        """Send a message.

        Args:
            message: that was checked to break no header.
            to: from `mail.mailbox`.
        """
        try:
            body = orjson.dumps(self._request(message, to))
        except (ValueError, TypeError) as error:
            return Refused(reason=f"cannot be written as an e-mail: {type(error).__name__}")
        headers = {
            "authorization": f"Bearer {self._account.key}",
            "content-type": "application/json",
            "accept": "application/json",
        }
        try:
            answer = await self._transport.post(self._account.url, headers, body)
        except NotSentError as error:  # where a name leads is no fault of the mail's either
            return Later(after=PAUSE, reason=str(error), whose="provider")
        except MaybeSentError as error:
            return Unknown(reason=f"{error} after the request")
        return outcome(answer, self._now())

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _request(self, message: Message, to: str) -> dict[str, Any]:
        said = (("text/plain", message.text), ("text/html", message.html))
        request: dict[str, Any] = {
            "personalizations": [{"to": [{"email": to}]}],
            "from": self._sender,
            "subject": message.subject,
            "content": [{"type": kind, "value": value} for kind, value in said if value],
        }
        if message.token:
            request["custom_args"] = {KEY: message.token}
        if headers := mail.unsubscribing(message.unsubscribe):
            request["headers"] = headers
        return request


def outcome(answer: Answer, now: float) -> Outcome:
    """Say what an answer means.

    A key that is not taken, or a sender that is not verified, is no fault of the message. Only an
    operator can mend that, so nothing is gained by asking again soon.

    Args:
        answer: of SendGrid.
        now: seconds since 1970.

    >>> outcome(Answer(202, {"x-message-id": "14c5d75ce93"}), 0.0)
    Delivered(provider_id='14c5d75ce93')
    >>> outcome(Answer(429, {"x-ratelimit-reset": "130"}), 100.0)
    Later(after=30.0, reason='http 429', whose='pace')
    >>> outcome(Answer(400, body=b'{"errors":[{"field":"subject","message":"no"}]}'), 0.0)
    Refused(reason='http 400 subject', whose='message')
    >>> outcome(Answer(401), 0.0), outcome(Answer(502), 0.0)
    (Later(after=900.0, reason='http 401', whose='provider'), Unknown(reason='http 502'))
    """
    reason = f"http {answer.status}"
    if answer.status == 202:
        told = answer.headers.get("x-message-id", "")
        return Delivered(provider_id=told if _ID.fullmatch(told) else "")
    if answer.status in _REFUSING:
        return Refused(reason=f"{reason} {_field(answer.body)}".rstrip())
    if answer.status < 300 or answer.status in _UNCLEAR:
        return Unknown(reason=reason)
    if answer.status < 500 and answer.status != TOO_MANY:
        return Later(after=_MENDING, reason=reason, whose="provider")
    retry_after = answer.headers.get("retry-after")
    reset = answer.headers.get("x-ratelimit-reset", "")
    if answer.status == TOO_MANY and retry_after is None and _RESET.fullmatch(reset):
        # At least a second: a clock that goes fast would ask again and again.
        return Later(after=min(max(float(reset) - now, 1.0), DAY), reason=reason, whose="pace")
    return later(answer.status, retry_after, now, reason)


class _Error(msgspec.Struct):
    field: str | None = None


class _Errors(msgspec.Struct):
    errors: list[_Error]


_errors = msgspec.json.Decoder(_Errors)


def _field(body: bytes) -> str:
    """Return which field the first error names; its message may repeat the address."""
    try:
        first = _errors.decode(body).errors[0].field or ""
    except (msgspec.DecodeError, IndexError):
        return ""
    return first if _FIELD.fullmatch(first) else ""


def account(url: str) -> Account:
    """Read a URL of one of SCHEMES.

    Raises:
        ValueError: naming the option, and never what is in it: the key is.

    >>> account("sendgrid://SG.key@api.sendgrid.com")
    Account('sendgrid://api.sendgrid.com')
    """
    parts = urlsplit(url)
    key = unquote(parts.username or "")
    if not key or not key.isascii() or not key.isprintable() or parts.password is not None:
        raise ValueError("channel email: url: sendgrid://API_KEY@api.sendgrid.com was expected")
    place = parts.netloc.rpartition("@")[2]
    where = f"{SCHEMES[parts.scheme]}://{place}/v3/mail/send"
    if problem := urls.refused(where):
        raise ValueError(f"channel email: url: {problem}")
    return Account(where, f"{parts.scheme}://{place}", key)
