"""The call that nearly every call is, in half of the time that `parse.py` needs for any call.

Somebody did something, or saw a page, and says so in plain values. The shape below asks of the
decoder what the general way asks of each value, and one comparison of sizes stands for the limits
of all texts, so that what is left are the rules. Whatever is not of this shape, or would need a
word about it, is None here and goes the general way. A test holds the two to the same event.
"""

from typing import Annotated, Any, Literal

import msgspec

from events.arrival import Arrival
from events.content import content, digest
from events.context import GPC
from events.happened import happened
from events.identifiers import identifier
from events.message_id import message_id
from events.names import PAGES, slug
from events.record import (
    CLAIMED,
    SERVERS_ONLY,
    STATEMENTS,
    Event,
    event_key,
)
from events.rejected import RefusedError
from events.values import SAFE_INTEGER, USUAL, distinct
from events.wire import NO_CONTEXT

_Integer = Annotated[int, msgspec.Meta(ge=-SAFE_INTEGER, le=SAFE_INTEGER)]
_Plain = str | _Integer | float | bool | None
_SPECIAL = STATEMENTS | SERVERS_ONLY  # names that not everybody may say


class _Part(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Of a context, with the keys that are kept; an empty text is none."""


class _Campaign(_Part, frozen=True):
    source: str = ""
    medium: str = ""
    name: str = ""
    term: str = ""
    content: str = ""


class _Page(_Part, frozen=True):
    path: str = ""
    url: str = ""
    referrer: str = ""


class _Device(_Part, frozen=True):
    type: str = ""
    manufacturer: str = ""
    model: str = ""
    name: str = ""
    token: None = None


class _Os(_Part, frozen=True):
    name: str = ""
    version: str = ""


class _App(_Part, frozen=True):
    name: str = ""
    version: str = ""
    build: str = ""


class _Context(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """With each field of `RawContext`, so that what is no value there is none here."""

    user_agent: str | None = ""
    locale: str | None = ""
    timezone: str | None = ""
    campaign: _Campaign | None = None
    page: _Page | None = None
    device: _Device | None = None
    os: _Os | None = None
    app: _App | None = None
    location: None = None
    traits: Any = None  # repeated in each call; only an identify's are read
    gpc: None = None
    identity_token: None = msgspec.field(default=None, name="identity_token")


class _Kept(_Part, frozen=True):
    user_agent: str = ""
    locale: str = ""
    timezone: str = ""
    campaign: _Campaign | None = None
    page: _Page | None = None
    device: _Device | None = None
    os: _Os | None = None
    app: _App | None = None


class _Call(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """With each field of `RawEvent`, likewise."""

    type: Literal["track", "page", "screen"] | None = None
    event: str | None = None
    trigger: None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    message_id: str | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    name: None = None
    category: None = None
    group_id: None = None
    previous_id: None = None
    properties: dict[str, _Plain] | None = None
    traits: None = None
    scores: None = None
    context: _Context | None = None


_decode = msgspec.json.Decoder(_Call).decode
_builtins = msgspec.to_builtins


def usual(body: bytes | msgspec.Raw, arrival: Arrival) -> Event | None:
    """Return the event of a usual call, None of any other, or of one about which there is more to say.

    >>> arrival = Arrival(source="web", trust=CLAIMED, accepted_us=1_700_000_000_000_000)
    >>> usual(b'{"type":"track","event":"Product Viewed","anonymousId":"a1"}', arrival).name
    'product_viewed'
    >>> usual(b'{"type":"track","event":"Product Viewed"}', arrival)
    """
    limits, size = arrival.limits, len(body)
    # No text in so few bytes is too long.
    if size > limits.string_bytes or size > limits.event_bytes or arrival.context is not NO_CONTEXT:
        return None
    try:
        call = _decode(body)
        kind = arrival.kind or call.type
        name = _name(call.event, limits.id_bytes) if kind == "track" else PAGES.get(kind or "", "")
        properties = call.properties or {}
        many = len(properties)
        if many > USUAL or many > limits.keys or many > limits.nodes or not kind or not name:
            return None
        names = distinct(tuple(properties))
        ids = _identifiers(call, limits.id_bytes)
        if names is None or not ids:
            return None
        if names:
            properties = dict(zip(names, properties.values(), strict=True))
        source, leaf = arrival.source, ids[0]
        timestamp, original = call.timestamp, call.original_timestamp
        said = content(kind, name, ids, timestamp, original, properties, {})
        found = message_id(call.message_id, source, said, limits.id_bytes)
        context = {} if call.context is None else _kept(call.context)
        if arrival.gpc and arrival.trust == CLAIMED:
            context[GPC] = True
        flags: list[str] = []
        time = happened(timestamp, original, call.sent_at, arrival, context, flags)
    except (msgspec.DecodeError, ValueError, RecursionError, RefusedError):
        return None  # the general way says what is wrong, if anything is
    if properties.get("machine") is True or properties.get("sg_machine_open") is True:
        flags.append("machine")
    return Event(  # by order: names cost 0.6 us an event, which is a tenth of all this
        found,
        source,
        arrival.trust,
        kind,
        name,
        leaf,
        ids,
        time,
        arrival.accepted_us,
        event_key(source, leaf, found),
        digest(said),
        properties,
        {},
        {},
        context,
        tuple(flags),
        arrival.import_id,
    )


def _name(event: str | None, longest: int) -> str:
    """Return what happened; "" where it needs a closer look, or may not be said by everybody."""
    name = slug(event) if event and 4 * len(event) <= longest else ""
    return "" if name in _SPECIAL else name


def _identifiers(call: _Call, longest: int) -> tuple[str, ...]:
    """Return whom the call names; () where somebody was meant by what can name nobody."""
    user, anonymous = call.user_id, call.anonymous_id
    user_id = identifier("userId", user, longest) if user else ""
    anonymous_id = identifier("anonymousId", anonymous, longest) if anonymous else ""
    if (user and not user_id) or (anonymous and not anonymous_id):
        return ()
    if not user_id:
        return ("anonymous_id:" + anonymous_id,) if anonymous_id else ()
    if not anonymous_id:
        return ("user_id:" + user_id,)
    return "user_id:" + user_id, "anonymous_id:" + anonymous_id


def _kept(context: _Context) -> dict[str, Any]:
    kept: dict[str, Any] = _builtins(
        _Kept(
            context.user_agent or "",
            context.locale or "",
            context.timezone or "",
            context.campaign,
            context.page,
            context.device,
            context.os,
            context.app,
        )
    )
    return {name: part for name, part in kept.items() if part} if {} in kept.values() else kept
