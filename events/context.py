"""Where an event came from: the small part of `context` that profiles and segments use."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from events.values import Check
from events.wire import NO_CONTEXT, RawContext

GPC = "gpc"  # Global Privacy Control: the browser asks for it

# Our name, and the keys to keep of an object; none for a text.
_WANTED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("user_agent", ()),
    ("locale", ()),
    ("timezone", ()),
    ("campaign", ("source", "medium", "name", "term", "content")),
    ("page", ("path", "url", "referrer")),
    ("device", ("type", "manufacturer", "model", "name")),
    ("os", ("name", "version")),
    ("app", ("name", "version", "build")),
    ("location", ("country", "region", "city")),
)
_values = attrgetter(*(name for name, _ in _WANTED))


def select(own: RawContext, batch: RawContext, check: Check) -> dict[str, Any]:
    """Keep what profiles use; a field of the event's own context beats the batch's.

    Raises:
        RefusedError: when a kept value is beyond its limit.

    >>> from events.limits import Limits
    >>> own = RawContext(page={"path": "/p", "title": "P"}, locale="en-US")
    >>> select(own, RawContext(locale="de"), Check(Limits()))
    {'locale': 'en-US', 'page': {'path': '/p'}}
    """
    kept: dict[str, Any] = {}
    sent: Sequence[Any] = _values(own)
    if batch is not NO_CONTEXT:
        sent = [mine or theirs for mine, theirs in zip(sent, _values(batch), strict=True)]
    for (name, keys), value in zip(_WANTED, sent, strict=True):
        if not value:
            continue
        if type(value) is dict and keys:
            small = {}
            for key in keys:
                part = value.get(key)
                if part is not None and check.scalar("context", key, part):
                    small[key] = part
            if small:
                kept[name] = small
        elif type(value) is str and not keys and check.scalar("context", name, value):
            kept[name] = value
    if own.gpc is True or batch.gpc is True:
        kept[GPC] = True
    return kept


def as_context(value: RawContext | list[Any] | None) -> RawContext:
    """Read null and a list as the empty context: nothing in a list has a name.

    >>> as_context(None) == RawContext()
    True
    """
    return value if type(value) is RawContext else NO_CONTEXT
