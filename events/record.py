"""Records: every fact that can change behaviour, as the log carries it.

A log entry holds the records that one group commit made durable together. The encoding is
MessagePack arrays behind a version byte; code reads its own version and the one before.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

VERSION = 1  # of the encoding, the first byte of each entry

CLAIMED, VERIFIED, OPERATOR = 0, 1, 2  # how far an identity statement is trusted


class Offset(NamedTuple):
    """A record's place in its partition: the entry's id, and the place within the entry."""

    entry: int
    nth: int


START = Offset(-1, -1)  # before every record


class Event(msgspec.Struct, frozen=True, array_like=True, tag="event", gc=False):
    """What a person did, parsed once at the door; nothing behind the door parses again.

    Name the fields; only the door, which makes nearly all of them, goes by their order.

    Identifiers are written `type:value`, such as `user_id:u1`, `anonymous_id:a1` or
    `email:ana@shop.example`.
    """

    message_id: str
    source: str  # the group of write keys that it came through; duplicates are told apart in it
    trust: int  # CLAIMED for a browser's key, VERIFIED for a server's
    kind: str  # track, identify, page, screen, group or alias
    name: str  # the slug: "Product Viewed", "productViewed" -> "product_viewed"
    leaf: str  # the identifier that all its facts belong to
    ids: tuple[str, ...]  # every identifier that it ties together, `leaf` first
    time: int  # ms; when it happened, the client's clock corrected
    accepted_us: int  # us; when the collector took it
    key: bytes  # 16 bytes over (source, leaf, message_id)
    digest: bytes  # 8 bytes over what it says: the same key with another digest is a conflict
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    addresses: dict[str, str] = {}  # email, phone: vouched for, and in normal form
    context: dict[str, Any] = {}
    flags: tuple[str, ...] = ()  # clock_future, clock_skew, clock_missing, machine, blocked_id
    import_id: str = (
        ""  # of the import that it is part of: it counts at any age, and starts nothing
    )
    chain: tuple[str, ...] = ()  # triggers that led to it, where one of them sent it


_key = blake2b(digest_size=16).copy  # takes two thirds of what a new one does


def event_key(source: str, leaf: str, message_id: str) -> bytes:
    """Return what copies of an event are known by, 16 bytes.

    >>> event_key("web", "user_id:u1", "m1") != event_key("web", "user_id:u2", "m1")
    True
    """
    # A line feed is a control character, which none of the three can contain.
    hashed = _key()
    hashed.update(f"{source}\n{leaf}\n{message_id}".encode())
    return hashed.digest()


def own_event(source: str, leaf: str, message_id: str, name: str, time: int, **said: Any) -> Event:
    """Make an event that we say ourselves; said again, the first one counts, whatever a copy says.

    Args:
        source: one of OURS.
        leaf: whose it is.
        message_id: which follows from what caused it.
        name: a slug.
        time: ms.
        said: other fields, such as `properties`.

    >>> own_event(WORKER, "user_id:u1", "m1", "delivery_failed", 5).accepted_us
    5000
    """
    fields = {"kind": "track", "accepted_us": time * 1000, **said}
    return Event(
        message_id=message_id,
        source=source,
        trust=VERIFIED,
        name=name,
        leaf=leaf,
        ids=(leaf,),
        time=time,
        key=event_key(source, leaf, message_id),
        digest=bytes(8),
        **fields,
    )


OWN = "kairos:journey"  # the source of what triggers send; no key can have that name
BEGIN, EXIT = "start", "exit"  # kinds of events by which an API call starts and ends runs
STARTS, EXITS = (
    "start:",
    "exit:",
)  # before the trigger's name; no SDK can send an event of such a name
WORKER = "kairos:worker"  # the source of what workers tell; the same
OPERATOR_SOURCE = "kairos:operator"  # the source of events that operators' commands say; the same
OURS = frozenset({OWN, WORKER, OPERATOR_SOURCE})  # events that nobody sent us; "own" counts them
DELIVERY_FAILED = "delivery_failed"  # {message, channel, reason}: that a message never will arrive
# {message, id, at, offer, probability, among, features, made_for}: see `models.runtime.draws.Draw`
OFFER_DRAWN = "offer_drawn"
ADDRESS_LOST, ADDRESS_RESTORED = "address_lost", "address_restored"  # {kind, address, reason}
ABOUT_ADDRESSES = frozenset({ADDRESS_LOST, ADDRESS_RESTORED})
# Purposes of consent that mean something by themselves.
MARKETING = "marketing"  # what nobody may do unasked, and Global Privacy Control denies
TRANSACTIONAL_PURPOSE = "transactional"  # which needs no consent, so none can be taken back
REPLIES = frozenset({"sms_replied", "whatsapp_replied"})  # {text}, which may be a word that ends it
STATEMENTS = frozenset({"consent_updated", "unsubscribed"}) | REPLIES  # that say what is allowed
OPT_IN_CONFIRMED = "opt_in_confirmed"  # {message}: that a question was answered with yes
# Events that a browser's word is not enough for.
SERVERS_ONLY = ABOUT_ADDRESSES | {DELIVERY_FAILED, OPT_IN_CONFIRMED}
EVERYBODY = "~"  # behind every person's id


class Tick(msgspec.Struct, frozen=True, array_like=True, tag="tick"):
    """Time passes: whoever is due up to here, and by this record's own append time, is asked.

    So whether it concerns a person follows from that person alone. Were it the first so many who
    are due, it would follow from all the others too, of whom a ledger holds some as they became
    later.
    """

    due: int  # ms
    person: str = EVERYBODY  # the last one of those due at that instant


class Sweep(msgspec.Struct, frozen=True, array_like=True, tag="sweep"):
    """Bring everybody in a range of places up to date with the workspace in force.

    A person's place follows from their id, see `profile_state.identity.place_of`.
    """

    first: int
    last: int  # inclusive


class Version(msgspec.Struct, frozen=True, array_like=True, tag="version"):
    """A workspace comes into force, with its whole content."""

    hash: str
    files: dict[str, str]  # path below the workspace folder -> text
    tzdata: str  # release of the time zone rules, such as "2026.6"


class Build(msgspec.Struct, frozen=True, array_like=True, tag="build"):
    """From here on this release decides. The same log gives the same decisions within one build."""

    release: str  # of Kairos
    tzdata: str  # of the time zone rules


class Join(msgspec.Struct, frozen=True, array_like=True, tag="join"):
    """An operator's word: two identifiers belong to one person; or, as a cut, they do not."""

    id: str  # of the statement; a repetition changes nothing
    time: int  # ms; when it was said
    one: str  # identifier, `type:value`
    other: str
    cut: bool
    by: str  # who said so
    reason: str


class Erase(msgspec.Struct, frozen=True, array_like=True, tag="erase"):
    """A person is erased: everything about whoever this identifier belongs to."""

    identifier: str
    key: bytes  # 16; of the hash that stays of each identifier
    time: int  # ms; when it was said
    by: str  # who said so
    reason: str


class Learned(msgspec.Struct, frozen=True, array_like=True, tag="learned"):
    """What was worked out from all people: from here on it holds for each of them."""

    what: str  # such as "ranks"
    values: dict[str, float]


class Item(msgspec.Struct, frozen=True, array_like=True, tag="item"):
    """Something that can be bought is so from here on, or there no more."""

    id: str
    fields: dict[str, Any]
    time: int  # ms; when it was said
    origin: str  # "file" or "api"
    whole: bool  # the fields are all; otherwise those that are not named stay
    gone: bool = False


Beside = tuple[tuple[str, int], ...]  # items, and how much they go with one; the most first


class Related(msgspec.Struct, frozen=True, array_like=True, tag="related", gc=False):
    """What goes with an item is this from here on, as the model `recommended` has learnt it.

    It stays packed wherever it is kept: 400,000 pairs would be as many objects to look at whenever
    Python looks for cycles, and few of them are ever asked for.

    >>> Related.of("tee", (("hat", 790),)).others
    (('hat', 790),)
    """

    item: str  # "" for what most people take of whom nothing is known
    packed: bytes

    @classmethod
    def of(cls, item: str, others: Beside) -> "Related":
        """Make one."""
        return cls(item, _pack_beside(others))

    @property
    def others(self) -> Beside:
        """What goes with it."""
        return beside_of(self.packed)


_pack_beside = msgspec.msgpack.Encoder().encode
_unpack_beside = msgspec.msgpack.Decoder(Beside).decode


def beside_of(packed: bytes) -> Beside:
    """Unpack what goes with an item."""
    return _unpack_beside(packed) if packed else ()


class Spread(msgspec.Struct, frozen=True, array_like=True, tag="spread"):
    """Ask these people whether a change of an item's concerns them."""

    item: str
    at: tuple[int, int]  # offset of the record that changed it
    trigger: str
    leaves: list[str]  # in the order of their names
    last: bool  # there are no more


class Paused(msgspec.Struct, frozen=True, array_like=True, tag="paused"):
    """A version of a trigger failed again and again: from here on it is as one with `status: paused`.

    It lasts until the trigger is edited, or stopped by hand.
    """

    trigger: str
    version: str  # of the trigger; a second record for it changes nothing
    reason: str  # what was raised last, and where


class Filled(msgspec.Struct, frozen=True, array_like=True, tag="filled"):
    """What happened before a version, for slots that it asked for first: of leaves in a range of places.

    See `profile_state.history`. A leaf whose visitor was away for so long that they may have been
    let go of has several stretches, each as it would be without the ones before.
    """

    entry: int  # of the version's record
    nth: int
    first: int  # place
    last: int  # inclusive
    since: int  # ms; how far back was read, 0 for to the beginning
    leaves: dict[str, list[tuple[int, dict[str, Any]]]]  # leaf -> (its first event, ms; cells)


class Covered(msgspec.Struct, frozen=True, array_like=True, tag="covered"):
    """So much time has passed that a window holds nothing older than what is known."""


class DeadLetter(msgspec.Struct, frozen=True, array_like=True, tag="dead"):
    """An accepted event that cannot be applied, kept whole until somebody replays it."""

    source: str
    trust: int
    code: str  # a word from docs/errors.md, such as `event_too_large`
    reason: str
    body: bytes  # the event as it came
    accepted_us: int
    # What the request said about all its events, without which the body means something else.
    kind: str = ""
    sent_at: str = ""
    context: bytes = b"{}"  # JSON
    import_id: str = ""


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled"):
    """A dead letter is done with: replayed by a record beside this one, or given up by somebody."""

    entry: int  # of the letter
    nth: int
    by: str  # who said so


Record = (
    Event
    | Tick
    | Sweep
    | Version
    | Build
    | Join
    | Erase
    | DeadLetter
    | Settled
    | Learned
    | Item
    | Related
    | Spread
    | Paused
    | Filled
    | Covered
)

NEWEST = 31  # no release's version is above it; what begins with text is not ours


class NewerError(ValueError):
    """A newer release wrote it, and only a newer release may read on."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


def encode(records: list[Any]) -> bytes:
    """Pack records into one entry's payload.

    >>> decode(encode([Tick(100, "p_1")]))
    [Tick(due=100, person='p_1')]
    """
    return bytes((VERSION,)) + _encoder.encode(records)


def packed(records: Sequence[Any]) -> bytes:
    """Pack records for an entry that may get others beside them; see `joined`."""
    whole = _encoder.encode(records)
    return whole[len(_array_head(len(records))) :]


def joined(count: int, parts: Iterable[bytes]) -> bytes:
    """Make one entry's payload of what `packed` returned, of so many records together.

    >>> some, more = [Tick(1)], [Tick(2), Tick(3)]
    >>> joined(3, [packed(some), packed(more)]) == encode(some + more)
    True
    """
    return b"".join((bytes((VERSION,)), _array_head(count), *parts))


def _array_head(count: int) -> bytes:
    """Begin an array of MessagePack."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc%b" % count.to_bytes(2) if count < 65_536 else b"\xdd%b" % count.to_bytes(4)


def decode(payload: bytes) -> list[Record]:
    """Unpack one entry's payload.

    Raises:
        NewerError: the payload was written by a newer version.
        ValueError: it is damaged, or no release of ours wrote it.
    """
    if payload[:1] != bytes((VERSION,)):
        found = payload[0] if payload else "nothing"
        said = f"a log entry of version {VERSION} was expected, found {found}"
        if payload and VERSION < payload[0] <= NEWEST:
            raise NewerError(f"{said}: start the release that wrote it, or a newer one")
        raise ValueError(said)
    try:
        return _decoder.decode(memoryview(payload)[1:])
    except RecursionError as error:
        raise ValueError("a log entry is nested without end") from error
