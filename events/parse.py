"""From the JSON of one SDK call to an Event, or a reason why not. Pure: all it needs is passed in.

**Identifiers.** The leaf is the `user_id`, else the `anonymous_id`, else, under a server's key,
the e-mail address. `ids` adds what the call ties together: both ids of any call, `previousId` of
an alias, and the address in the traits of a server's identify. A browser's address stays a trait:
it joins nobody.

**Alias.** `previousId` is an `anonymous_id`, as every SDK means it, unless it says otherwise:
`user_id:bob`. So a plain alias(Alice, Bob) of two user ids leaves both alone whatever the order
of the records (Bob's facts are at `user_id:bob`), and one that insists reaches the core, where
trust and limits decide.

**Names.** page and screen become `page_viewed` and `screen_viewed` with `name` and `category` in
the properties. A group's traits describe the group, so they are properties too, beside `group_id`.

**Scores.** `scores` are what a model says of somebody. They are kept beside the traits, where only a
server's key can state them.

**Calls.** A server may start a trigger for somebody, or end its runs. That is an event too, under a
name that no SDK can send.

**Identity tokens.** With one in its context (`identity_token`), a browser's event is as sure of
its user as a server's would be. It vouches for the addresses in the token and for no others.

**Devices.** An app's push token (`context.device.token`) is where its user gets messages, once a
token or a server says who that is: with a claim alone, somebody else's messages would come there.

**Consent.** What a browser says of it without a token is the visitor's: the leaf is the
`anonymous_id`.

**Usual calls.** Nearly all are of a shape for which `usual.py` needs a half of the time, and makes
the same of them.
"""

import re
from typing import Any

import msgspec

from events.addresses.base import kinds
from events.arrival import Arrival
from events.content import content, digest
from events.context import GPC, as_context, select
from events.devices import PUSH_TOKEN, WEB_PUSH, device_addresses
from events.happened import happened
from events.identifiers import identifier
from events.limits import Limits
from events.message_id import message_id
from events.names import PAGES, slug
from events.proofs import Proof
from events.read import read, readable
from events.record import (
    ABOUT_ADDRESSES,
    BEGIN,
    CLAIMED,
    EXIT,
    EXITS,
    SERVERS_ONLY,
    STARTS,
    STATEMENTS,
    VERIFIED,
    Event,
    event_key,
)
from events.rejected import RefusedError, Rejected
from events.scores import EVENT as SCORES_UPDATED
from events.scores import stated as stated_scores
from events.usual import usual
from events.values import Check
from events.wire import NO_CONTEXT, RawContext, RawEvent, as_object

KINDS = frozenset({"track", "identify", "page", "screen", "group", "alias", "scores", BEGIN, EXIT})

_TOKENS = 2  # identity tokens of one event: an alias names two users
_TYPED_ID = re.compile(r"(user_id|anonymous_id):(.*)", re.DOTALL)

_ADDRESSES = kinds()
_UNKNOWN_TYPE = f"type: one of {', '.join(sorted(KINDS))} was expected"


def parse(body: bytes | msgspec.Raw, arrival: Arrival) -> Event | Rejected:
    """Turn the JSON of one call into an Event.

    Never raises, whatever the bytes.

    >>> arrival = Arrival(source="web", trust=CLAIMED, accepted_us=1_700_000_000_000_000)
    >>> event = parse(b'{"type":"track","event":"Product Viewed","anonymousId":"a1"}', arrival)
    >>> event.name, event.leaf, event.flags
    ('product_viewed', 'anonymous_id:a1', ('clock_missing',))
    >>> parse(b'{"type":"track","event":"Product Viewed"}', arrival).code
    'no_identifier'
    """
    return usual(body, arrival) or any_call(body, arrival)


def any_call(body: bytes | msgspec.Raw, arrival: Arrival) -> Event | Rejected:
    """Do the same for a call of any shape, in twice the time."""
    raw = read(body, arrival.limits)
    if isinstance(raw, Rejected):
        return raw
    try:
        # What the batch says is no part of these bytes.
        size = len(body) if arrival.context is NO_CONTEXT else None
        return _assemble(raw, arrival, Check(arrival.limits, size))
    except RefusedError as refusal:
        return Rejected(refusal.code, refusal.reason, readable(raw.message_id))


def _assemble(raw: RawEvent, arrival: Arrival, check: Check) -> Event:
    flags: list[str] = []
    kind = arrival.kind or raw.type
    if type(kind) is not str or kind not in KINDS:
        raise RefusedError("unknown_type", _UNKNOWN_TYPE)

    own = as_context(raw.context)
    properties = check.fields("properties", as_object("properties", raw.properties))
    traits: dict[str, Any] = {}
    addresses: dict[str, str] = {}
    name = kind
    if kind == "track":
        name = _event_name(raw.event, arrival.limits)
        if name in SERVERS_ONLY and arrival.trust == CLAIMED:
            raise RefusedError("server_key_needed", f"event: only a server's key may send {name}")
        if name in ABOUT_ADDRESSES:
            properties = _about(properties)
    elif kind == "identify":
        traits = _traits(raw, own, check)
        stated = _addresses(traits)
        if arrival.trust > CLAIMED:
            addresses = stated
    elif kind == "group":
        properties = _group(raw, properties, check)
    elif kind in (BEGIN, EXIT):
        name = _call(raw, kind, arrival)
    elif kind == "scores":
        name, traits = SCORES_UPDATED, _scores(raw, arrival, check)
    elif kind != "alias":
        name = PAGES[kind]
        for key, value in (("name", raw.name), ("category", raw.category)):
            if value is not None and check.scalar(kind, key, value):
                properties[key] = value

    ids = _identifiers(raw, kind, own, properties, traits, arrival, flags)
    source, trust = arrival.source, arrival.trust
    if trust == CLAIMED:
        proofs = _proofs(own, arrival)
        if proofs:
            trust, addresses = _proven(ids, proofs)
            if kind == "identify":
                ids += tuple(f"{name}:{address}" for name, address in addresses.items())
        if trust == CLAIMED:
            if proofs is not None:
                flags.append("identity_refused")
            if name in STATEMENTS:
                ids = _own_statement(ids)
    said = content(kind, name, ids, raw.timestamp, raw.original_timestamp, properties, traits)
    found = message_id(raw.message_id, source, said, arrival.limits.id_bytes)
    context = select(own, arrival.context, check)
    if arrival.gpc and arrival.trust == CLAIMED:
        context[GPC] = True
    time = happened(raw.timestamp, raw.original_timestamp, raw.sent_at, arrival, context, flags)
    if properties.get("machine") is True or properties.get("sg_machine_open") is True:
        flags.append("machine")
    if check.dropped:
        flags.append("dropped_key")
    token = context.get("device", {}).get("token")
    if trust > CLAIMED and token is not None:
        addresses = addresses | device_addresses(token)
    leaf = ids[0]
    return Event(  # by order: names cost 0.6 us an event, which is a tenth of all this
        found,
        source,
        trust,
        kind,
        name,
        leaf,
        ids,
        time,
        arrival.accepted_us,
        event_key(source, leaf, found),
        digest(said),
        properties,
        traits,
        addresses,
        context,
        tuple(flags),
        arrival.import_id,
    )


def _event_name(event: Any, limits: Limits) -> str:
    if type(event) is not str or not event.strip():
        raise RefusedError(
            "missing_event_name", "event: a track call needs the name of what happened"
        )
    if 4 * len(event) > limits.id_bytes and len(event.encode()) > limits.id_bytes:
        raise RefusedError("invalid_event_name", f"event: more than {limits.id_bytes} bytes")
    name = slug(event)
    if not name:
        raise RefusedError("invalid_event_name", "event: no letter and no digit in the name")
    return name


def _about(properties: dict[str, Any]) -> dict[str, Any]:
    """Bring the address of which something is said into normal form."""
    kind, text = properties.get("kind"), properties.get("address")
    address = ""
    if type(kind) is str and type(text) is str:
        address = (
            _ADDRESSES[kind](text) if kind in _ADDRESSES else device_addresses(text).get(kind, "")
        )
    if not address:
        known = ", ".join((*_ADDRESSES, PUSH_TOKEN, WEB_PUSH))
        raise RefusedError(
            "invalid_address",
            f"properties: `kind`, one of {known}, and an `address` of it were expected",
        )
    return properties | {"address": address}


def _traits(raw: RawEvent, own: RawContext, check: Check) -> dict[str, Any]:
    # RudderStack's browser SDK sends an identify's traits in the context, and repeats what it
    # knows in every later event: those are no change, and only identify is read.
    traits = check.fields("traits", as_object("traits", raw.traits))
    if own.traits:
        traits = check.fields("context.traits", as_object("context.traits", own.traits)) | traits
    return traits


def _call(raw: RawEvent, kind: str, arrival: Arrival) -> str:
    """Name what starts or ends runs of a trigger; no slug is like it."""
    if arrival.trust == CLAIMED:
        raise RefusedError("server_key_needed", f"type: only a server's key may {kind} a trigger")
    if type(raw.trigger) is not str or not raw.trigger.strip() or len(raw.trigger) > 255:
        raise RefusedError("missing_trigger", f"trigger: a {kind} call needs the name of one")
    return (STARTS if kind == BEGIN else EXITS) + raw.trigger


def _scores(raw: RawEvent, arrival: Arrival, check: Check) -> dict[str, Any]:
    if arrival.trust == CLAIMED:
        raise RefusedError("server_key_needed", "scores: only a server's key may state them")
    return stated_scores(as_object("scores", raw.scores), check)


def _addresses(traits: dict[str, Any]) -> dict[str, str]:
    """Bring the addresses among the traits into normal form; what is none stays a mere trait."""
    found: dict[str, str] = {}
    for name, normal in _ADDRESSES.items():
        text = traits.get(name)
        address = normal(text) if type(text) is str else None
        if address:
            traits[name] = found[name] = address
    return found


def _group(raw: RawEvent, properties: dict[str, Any], check: Check) -> dict[str, Any]:
    group = check.fields("traits", as_object("traits", raw.traits)) | properties
    group_id = identifier("groupId", raw.group_id, check.limits.id_bytes)
    return group | {"group_id": group_id} if group_id else group


def _identifiers(
    raw: RawEvent,
    kind: str,
    own: RawContext,
    properties: dict[str, Any],
    traits: dict[str, Any],
    arrival: Arrival,
    flags: list[str],
) -> tuple[str, ...]:
    longest = arrival.limits.id_bytes
    user, anonymous = raw.user_id, raw.anonymous_id
    user_id = "" if user is None else identifier("userId", user, longest)
    anonymous_id = "" if anonymous is None else identifier("anonymousId", anonymous, longest)
    found = []
    if user_id:
        found.append("user_id:" + user_id)
    if anonymous_id:
        found.append("anonymous_id:" + anonymous_id)
    # Some SDKs send "" for "nobody yet" with every page; an identify meant to name somebody.
    meant = (None,) if kind == "identify" else (None, "")
    blocked = (not user_id and user not in meant) or (not anonymous_id and anonymous not in meant)

    if kind == "alias":
        previous = _previous(raw.previous_id, longest)
        blocked = blocked or (not previous and raw.previous_id is not None)
        if previous and previous not in found:
            found.append(previous)

    if arrival.trust > CLAIMED:
        told = {}
        if kind == "identify":
            told = {name: traits.get(name) for name in _ADDRESSES}
        elif not found:
            told = {"email": _email_of(own, properties, kind)}
        for name, claimed in told.items():
            address = _ADDRESSES[name](claimed) if type(claimed) is str else ""
            if address:
                found.append(f"{name}:{address}")

    if blocked:
        flags.append("blocked_id")
    if not found:
        why = "its ids are placeholders" if blocked else "userId or anonymousId was expected"
        raise RefusedError("no_identifier", f"the event names nobody: {why}")
    return tuple(found)


def _proofs(own: RawContext, arrival: Arrival) -> list[Proof] | None:
    """Return what identity tokens vouch for; None where there is no token, and nothing is tried."""
    sent = own.identity_token or arrival.context.identity_token
    if not sent:
        return None
    tokens = sent if type(sent) is list else [sent]
    read = (arrival.prove(token) for token in tokens[:_TOKENS] if type(token) is str)
    return [proof for proof in read if proof is not None]


def _proven(ids: tuple[str, ...], proofs: list[Proof]) -> tuple[int, dict[str, str]]:
    """Say how far an event is trusted that came with tokens, and which addresses they vouch for.

    Each user id that it names needs a token of its own: with theirs alone, somebody could make
    another customer part of themselves.
    """
    by_user = {f"user_id:{proof.user_id}": proof for proof in proofs}
    users = [i for i in ids if i.startswith("user_id:")]
    if not users or any(user not in by_user for user in users):
        return CLAIMED, {}
    told = by_user[users[0]].addresses
    normal = {name: _ADDRESSES[name](told[name]) for name in _ADDRESSES if name in told}
    return VERIFIED, {name: address for name, address in normal.items() if address}


def _own_statement(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Make what a browser says of consent the visitor's, and not that of whom it says they are."""
    visitor = [i for i in ids if i.startswith("anonymous_id:")]
    if not visitor:
        raise RefusedError(
            "identity_needed",
            "event: consent is stated with an anonymousId, an identity token or a server's key",
        )
    return visitor[0], *(i for i in ids if i != visitor[0])


def _previous(value: Any, longest: int) -> str:
    typed = _TYPED_ID.fullmatch(value) if type(value) is str else None
    kind, text = typed.groups() if typed else ("anonymous_id", value)
    previous = identifier("previousId", text, longest)
    return f"{kind}:{previous}" if previous else ""


def _email_of(own: RawContext, properties: dict[str, Any], kind: str) -> Any:
    """Return the address that a call without ids is about; a group's is the group's."""
    if kind == "group":
        return None
    if properties.get("email"):
        return properties["email"]
    return own.traits.get("email") if type(own.traits) is dict else None
