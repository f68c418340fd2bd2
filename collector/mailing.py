"""What mail providers post: verified, read, judged, and made into events of whose message it is.

What it keeps in memory: which calls were taken, and what happened to messages lately.
"""

from collections.abc import Mapping
from functools import partial

import msgspec

from collector.mail.base import (
    Confirmation,
    Provider,
    Reading,
    Refused,
    Replays,
    Secret,
    Told,
    Verified,
    Wanted,
)
from collector.mail.common.activity import BURST, Activity
from collector.messages import CHANNEL, UNSUBSCRIBED, event_of, happened, withdrawn
from collector.once import repeated, settle
from collector.outcome import Accepted, Fetch, Outcome, Pause
from collector.request import Request, Response
from collector.respond import failure, success
from events.addresses.email import normal
from events.record import ADDRESS_LOST, WORKER, Event
from events.sealed import Link, Seal, Sealed

SOURCE = "kairos:mail"  # of these events; no key can have that name
_CERTIFICATES = 8  # kept; SNS has one at a time for a region
_REASONS = 10  # of events that could not be read, in an answer
_EVENT_BYTES = 512  # that one takes while it waits for the log, roughly


class Mailbox:
    """One provider that may post.

    Args:
        name: as in the path and in `collector/mail/`.
        provider: its module.
        secret: what it signs with.
    """

    def __init__(self, name: str, provider: Provider, secret: Secret) -> None:
        self.name = name
        self._provider = provider
        self._secret = secret
        self._replays = Replays()
        self._certificates: dict[str, str] = {}

    def answer(self, request: Request, mail: "Mail", now_us: int) -> Outcome:
        """Answer one call, whose body is as it came."""
        return self._verified(request, mail, now_us, self._secret)

    def _verified(self, request: Request, mail: "Mail", now_us: int, secret: Secret) -> Outcome:
        verified = self._provider.verify(request, secret, now_us // 1000)
        match verified:
            case Wanted(url=url):
                return self._with_certificate(request, mail, now_us, url)
            case Refused(reason=reason):
                return failure(403, "webhook_refused", reason)
        known = repeated(self._replays, verified, now_us // 1000)
        if known is not None:
            return known
        read = self._provider.read(request.body)
        match read:
            case Refused(reason=reason):
                self._replays.give_back(verified)
                return failure(400, "webhook_unreadable", reason)
            case Confirmation(url=url):
                return Fetch(url, lambda body, _now: self._confirmed(verified, body))
        return self._told(read, verified, mail, now_us)

    def _with_certificate(self, request: Request, mail: "Mail", now_us: int, url: str) -> Outcome:
        def fetched(body: bytes | None, now_us: int) -> Outcome:
            if body is None:
                return failure(
                    503, "certificate_unavailable", "SigningCertURL could not be fetched"
                )
            while len(self._certificates) >= _CERTIFICATES:
                del self._certificates[next(iter(self._certificates))]
            self._certificates[url] = body.decode("latin-1")
            return self._with_certificate(request, mail, now_us, url)

        known = self._certificates.get(url)
        if known is None:
            return Fetch(url, fetched)
        secret = msgspec.structs.replace(self._secret, certificate=known, certificate_url=url)
        return self._verified(request, mail, now_us, secret)

    def _confirmed(self, call: Verified, body: bytes | None) -> Response:
        if body is None:
            self._replays.give_back(call)
            return failure(503, "confirmation_failed", "the subscription could not be confirmed")
        self._replays.keep(call)
        return success(confirmed=True)

    def _told(self, read: Reading, call: Verified, mail: "Mail", now_us: int) -> Outcome:
        named = [(told, mail.whose(told)) for told in read.told]
        for told, whose in named:
            if whose is not None and whose.activation:
                mail.activity.note(whose.activation, told)

        end = partial(settle, self._replays, call)

        def then(now_us: int) -> Outcome:
            records = [
                event
                for told, whose in named
                if whose is not None
                for event in self._events(
                    mail.activity.judged(whose.activation, told), whose, now_us
                )
            ]
            answer = success(
                accepted=len(records),
                unknown=sum(whose is None for _, whose in named),
                ignored=len(read.ignored),
                malformed=read.malformed[:_REASONS],
            )
            if records:
                return Accepted(records, answer, len(records) * _EVENT_BYTES, settle=end)
            end(True)
            return answer

        # A machine is known by what else it does, so its first click waits for the second.
        if any(told.kind in ("opened", "clicked") for told, _ in named):
            return Pause(BURST / 1000, then)
        return then(now_us)

    def _events(self, told: Told, whose: Sealed, now_us: int) -> list[Event]:
        """Return what is said of a person's message, and what that says of their consent."""
        message_id, source = f"{self.name}:{told.id}", SOURCE
        if told.kind == "sent" and whose.activation:
            message_id, source = f"{whose.activation}/sent", WORKER  # who sent it says so too

        def left(message_id: str) -> Event:
            return event_of(
                whose, UNSUBSCRIBED, message_id, withdrawn(whose), now_us,
                source=source, time=min(told.time_ms, now_us // 1000),
            )  # fmt: skip

        if told.kind == "unsubscribed":
            return [left(message_id)]
        found = [happened(whose, told, message_id, now_us, source=source)]
        if told.kind == "complained":
            found.append(left(message_id + "/consent"))
        address = normal(told.address)
        if address and (told.kind == "complained" or told.permanent):
            lost = {"kind": CHANNEL, "address": address, "reason": told.kind}
            found.append(
                event_of(
                    whose, ADDRESS_LOST, message_id + "/lost", lost, now_us,
                    source=source, time=min(told.time_ms, now_us // 1000),
                )
            )  # fmt: skip
        return found


class Mail:
    """All that providers may post to.

    Args:
        boxes: by the provider's name.
        seal: opens what went out with our messages; None where we have no key.

    >>> Mail({}, None).whose(Told(kind="opened", id="e1", time_ms=5, address="Ana@Shop.example")).leaf
    'email:ana@shop.example'
    """

    def __init__(self, boxes: Mapping[str, Mailbox], seal: Seal | None) -> None:
        self.boxes = boxes
        self.activity = Activity()
        self._seal = seal

    def answer(self, name: str, request: Request, now_us: int) -> Outcome:
        """Answer a call of a provider."""
        box = self.boxes.get(name)
        if box is None:
            return failure(404, "not_found", "no mail provider of that name is set up here")
        return box.answer(request, self, now_us)

    def opened(self, token: str) -> Sealed | None:
        """Return what a token of ours says, None where it is none."""
        return self._seal.open(token) if self._seal else None

    def led(self, token: str) -> Link | None:
        """Return where the token of a link leads, None where it is none of ours."""
        return self._seal.open_link(token) if self._seal else None

    def whose(self, told: Told) -> Sealed | None:
        """Return the message and the person that something is told of, None where nobody knows.

        Of a message that did not go out from here it is whoever has the address.
        """
        ours = self.opened(told.token)
        if ours is not None:
            return ours
        address = normal(told.address)
        return Sealed("", CHANNEL, "", f"email:{address}") if address else None
