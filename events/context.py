"""Where an event came from: the small part of `context` that profiles and segments use."""

from typing import Any

import msgspec

from events.values import Check
from events.wire import NO_CONTEXT, RawContext

GPC = "gpc"  # Global Privacy Control: the browser asks for it

# The keys to keep of each object.
_CAMPAIGN = ("source", "medium", "name", "term", "content")
_PAGE = ("path", "url", "referrer")
_DEVICE = ("type", "manufacturer", "model", "name", "token")
_OS = ("name", "version")
_APP = ("name", "version", "build")
_LOCATION = ("country", "region", "city")


def select(own: RawContext, batch: RawContext, check: Check) -> dict[str, Any]:
    """Keep what profiles use; a field of the event's own context beats the batch's.

    Raises:
        RefusedError: when a kept value is beyond its limit.

    >>> from events.limits import Limits
    >>> own = RawContext(page={"path": "/p", "title": "P"}, locale="en-US")
    >>> select(own, RawContext(locale="de"), Check(Limits()))
    {'locale': 'en-US', 'page': {'path': '/p'}}
    """
    gpc = own.gpc is True or batch.gpc is True
    if batch is not NO_CONTEXT:
        own = _over(batch, own)
    kept: dict[str, Any] = {}
    short = check.short
    # Written out, since a loop over the names of fields costs a tenth of the whole parsing.
    for name, text in (
        ("user_agent", own.user_agent),
        ("locale", own.locale),
        ("timezone", own.timezone),
    ):
        if type(text) is not str:
            continue
        if text if len(text) <= short else check.scalar("context", name, text):
            kept[name] = text
    for name, keys, value in (
        ("campaign", _CAMPAIGN, own.campaign),
        ("page", _PAGE, own.page),
        ("device", _DEVICE, own.device),
        ("os", _OS, own.os),
        ("app", _APP, own.app),
        ("location", _LOCATION, own.location),
    ):
        if type(value) is not dict:
            continue
        small = {}
        for key in keys:
            part = value.get(key)
            if type(part) is str and len(part) <= short:
                if part:
                    small[key] = part
            elif part is not None and check.scalar("context", key, part):
                small[key] = part
        if small:
            kept[name] = small
    if gpc:
        kept[GPC] = True
    return kept


def _over(batch: RawContext, own: RawContext) -> RawContext:
    """Return the fields of an event's own context, and the batch's where it has none."""
    fields = zip(msgspec.structs.astuple(own), msgspec.structs.astuple(batch), strict=True)
    return RawContext(*(mine or theirs for mine, theirs in fields))


def as_context(value: RawContext | list[Any] | None) -> RawContext:
    """Read null and a list as the empty context: nothing in a list has a name.

    >>> as_context(None) == RawContext()
    True
    """
    return value if type(value) is RawContext else NO_CONTEXT
