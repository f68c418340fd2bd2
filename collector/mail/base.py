"""What a mail provider is: a call that is verified, and a body that is read.

A provider's module offers

    EVENTS     what each of its events becomes, by its own word: a `Meaning`
    NEEDS      the fields of `Secret` that it looks at
    verify(call: Request, secret: Secret, now_ms: int) -> Verified | Refused
    read(body: bytes) -> Reading | Confirmation | Refused

No I/O, no clock, and no exception whatever the bytes: a call comes from anybody. `read` trusts
its body, so it is for calls that were verified. Who calls both bounds the size of the body, holds
a `Replays` for each provider, and drops what the log has under the same `Told.id`.
"""

from collections import OrderedDict
from typing import Literal, Protocol, get_args

import msgspec

from collector.request import Request

Kind = Literal[
    "sent",  # the provider took the message from us
    "delivered",  # the recipient's server took it
    "deferred",  # not yet; the provider goes on trying
    "bounced",  # the recipient's server will not have it
    "dropped",  # the provider did not try
    "opened",
    "clicked",
    "complained",
    "unsubscribed",
    "resubscribed",
]
KINDS: tuple[str, ...] = get_args(Kind)

HELD = 60_000  # ms; whoever took a call and said nothing since died over it
TOLERANCE = 300_000  # ms; how far a signed time may lie from our clock, either way


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator sets for one provider; each looks at the fields in its `NEEDS`.

    Prints which fields are set, and nothing that is in them.

    >>> Secret(bearer="very secret", topic="arn:aws:sns:eu-central-1:1:mail")
    Secret(bearer=…, topic=…)
    """

    public_key: str = ""  # base64 of the DER form, as SendGrid shows it
    signing_key: str = ""  # Mailgun's "HTTP webhook signing key"
    user: str = ""  # of HTTP Basic; may be empty where the password is not
    password: str = ""  # of HTTP Basic
    bearer: str = ""  # the token behind `Authorization: Bearer`
    header: str = ""  # what the header `X-Kairos-Secret` must say
    topic: str = ""  # the ARN of the one SNS topic that may post
    certificate: str = ""  # PEM; what the caller fetched from `certificate_url`
    certificate_url: str = ""
    tolerance_ms: int = TOLERANCE  # wider, and a provider's late retries of old calls are taken

    def __repr__(self) -> str:
        fields = msgspec.structs.fields(self)
        given = [f.name for f in fields if getattr(self, f.name) != f.default]
        return f"Secret({', '.join(f'{name}=…' for name in given)})"


class Verified(msgspec.Struct, frozen=True):
    """The call is the provider's.

    `nonce` is the same for whatever carries the same signed words, and `""` where nothing is
    signed; from `expires_ms` on the call would be too old, so nobody need remember it longer.
    """

    nonce: str = ""
    expires_ms: int = 0


class Refused(msgspec.Struct, frozen=True):
    """Not the provider's call, or a body that no provider sends; `reason` repeats none of it."""

    reason: str


class Wanted(Refused, frozen=True, kw_only=True):
    """Refused for want of a certificate alone, which the caller may fetch and verify the call with.

    Over TLS, without following a redirect; it is `certificate` of the secret then.
    """

    url: str  # `certificate_url` of the secret


class Meaning(msgspec.Struct, frozen=True):
    """What a provider's word says.

    >>> str(Meaning("bounced", permanent=True)), str(Meaning("opened", machine=True))
    ('bounced, permanent', 'opened, by a machine')
    """

    kind: Kind
    permanent: bool | None = None  # the address is no good, and not just this message
    machine: bool | None = None  # where the word itself says who it was

    def __str__(self) -> str:
        lasting = {True: ", permanent", False: ", not permanent", None: ""}[self.permanent]
        who = {True: ", by a machine", False: ", by a person", None: ""}[self.machine]
        return f"{self.kind}{lasting}{who}"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider tells about one message to one recipient."""

    kind: Kind
    id: str  # the provider's for the event, else a hash; the same when it is told again
    time_ms: int  # when it happened, by the provider's clock
    token: str = ""  # ours, under which the message went out
    address: str = ""  # the recipient as written there; "" where the provider cannot tell
    machine: bool | None = None  # whether a machine opened or clicked; None: it does not say
    reason: str = ""  # what says so
    permanent: bool | None = None  # of a bounce: the address is no good; None: it does not say
    url: str = ""  # of a click; http or https
    agent: str = ""  # the user agent of an open or a click, as sent
    detail: str = ""  # what a server said or a person chose; short, may name the address


class Reading(msgspec.Struct, frozen=True):
    """What a body tells, and what in it became nothing."""

    told: tuple[Told, ...] = ()
    ignored: tuple[str, ...] = ()  # the provider's word for each event that means nothing to us
    malformed: tuple[str, ...] = ()  # why, for each event that could not be read


class Confirmation(msgspec.Struct, frozen=True):
    """The provider asks whether it may post here: yes is a GET of `url`, which was checked."""

    url: str


class Provider(Protocol):
    """A mail provider; in a module of its own, so these are its functions."""

    EVENTS: dict[str, Meaning]
    NEEDS: tuple[str, ...]

    def verify(self, call: Request, secret: Secret, now_ms: int) -> Verified | Refused:
        """Say whether the provider made this call, at `now_ms` of our clock."""
        ...

    def read(self, body: bytes) -> Reading | Confirmation | Refused:
        """Say what a verified body tells."""
        ...


Turn = Literal[
    "new",  # it is yours: keep what it tells, then `keep` or `give_back`
    "busy",  # the same is being kept at this moment, and may fail: have it sent again (503)
    "kept",  # the same was kept: nothing to do, and the provider may stop (200)
]


class Replays:
    """Which calls were taken, so that none is taken twice: bounded by `room`, and by time.

    A call is kept or given back. To answer 200 to its copy while it may yet fail would lose it:
    that copy is the provider's second try, and its last.

    When there is no room the oldest is forgotten. Only verified calls come here, so nobody can
    push others out without the secret; what is then taken twice has ids that the log knows.

    >>> replays = Replays(room=1000)
    >>> call = Verified(nonce="n1", expires_ms=300_000)
    >>> replays.take(call, 1_000), replays.take(call, 1_001)
    ('new', 'busy')
    >>> replays.keep(call)
    >>> replays.take(call, 2_000), replays.take(call, 300_000)  # nobody verifies it any more
    ('kept', 'new')
    >>> replays.take(Verified("n2", 900_000), 300_000), replays.take(Verified("n2", 900_000), 360_000)
    ('new', 'new')
    """

    def __init__(self, room: int = 100_000) -> None:
        self._room = room
        self._until: OrderedDict[str, int] = OrderedDict()  # ms, in the order taken
        self._busy: dict[str, int] = {}  # those neither kept nor given back; since when, ms

    def __len__(self) -> int:
        return len(self._until)

    def take(self, call: Verified, now_ms: int) -> Turn:
        """Say whose turn it is; a call without a nonce is always new."""
        # One that is due behind one that is not waits for it: kept for too long, never too short.
        while self._until and next(iter(self._until.values())) <= now_ms:
            self._forget_first()
        if not call.nonce:
            return "new"
        since = self._busy.get(call.nonce)
        if call.nonce in self._until and (since is None or now_ms - since < HELD):
            return "kept" if since is None else "busy"
        self._until[call.nonce] = call.expires_ms
        self._busy[call.nonce] = now_ms
        if len(self._until) > self._room:
            self._forget_first()
        return "new"

    def keep(self, call: Verified) -> None:
        """Note that what a new call tells is on disk."""
        self._busy.pop(call.nonce, None)

    def give_back(self, call: Verified) -> None:
        """Forget a new call that could not be kept."""
        self._busy.pop(call.nonce, None)
        self._until.pop(call.nonce, None)

    def _forget_first(self) -> None:
        nonce, _ = self._until.popitem(last=False)
        self._busy.pop(nonce, None)
