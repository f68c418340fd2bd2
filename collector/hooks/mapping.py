"""Fields of a webhook's body, named by paths, as the calls that a server's key would send."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from collector.hooks.signatures import Signature
from collector.mail.common.fields import hashed
from collector.request import Request

_STEP = re.compile(r"([^.\[\]]+)((?:\[\d*\])*)")
_INDEX = re.compile(r"\[(\d*)\]")
_DIVISOR = re.compile(r"\s*/\s*([1-9]\d{0,8})$")
_MOST = 200  # values of a list that a path goes through
HEADER = "header"


class Field(NamedTuple):
    """A path to a value, such as `line_items[].sku` or `header.X-Topic`."""

    steps: tuple[str | int | None, ...]  # keys, places in lists, None for each item of a list
    divisor: int = 1  # of a number, such as 100 where it counts cents


class Call(NamedTuple):
    """What one kind of call becomes: an event, an identify, or both."""

    event: str  # "" for none
    properties: Mapping[str, Field]
    traits: Mapping[str, Field]  # of an identify; empty for none
    who: Mapping[str, Field]  # userId, anonymousId, email


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is mapped."""

    name: str
    signature: Signature
    secret: str
    kind: Field  # what tells one kind of call from another
    calls: Mapping[str, Call]
    id: Field | None = None  # the sender's for the call, else it is known by its content
    time: Field | None = None


def field(text: str) -> Field:
    """Read a path.

    Raises:
        ValueError: it is none.

    >>> field("line_items[].sku"), field("data.amount / 100")
    (Field(steps=('line_items', None, 'sku'), divisor=1), Field(steps=('data', 'amount'), divisor=100))
    """
    divided = _DIVISOR.search(text)
    divisor = int(divided[1]) if divided else 1
    path = (text[: divided.start()] if divided else text).strip()
    if path.startswith("header."):
        return Field((HEADER, path.removeprefix("header.").lower()), divisor)
    steps: list[str | int | None] = []
    for part in path.split("."):
        named = _STEP.fullmatch(part)
        if named is None:
            raise ValueError(f"a path such as customer.email or items[].sku was expected: {text!r}")
        steps.append(named[1])
        steps += [int(place) if place else None for place in _INDEX.findall(named[2])]
    return Field(tuple(steps), divisor)


def calls(hook: Hook, request: Request, body: Any) -> list[dict[str, Any]] | None:
    """Return what a call becomes, as `/v1/batch` takes it; None where it is of no kind that is mapped.

    An identify comes first, so that whom the event is of is known.

    Args:
        hook: whose call it is.
        request: whose headers may be named.
        body: its JSON.
    """
    content = {HEADER: _headers(request), "": body}
    kind = _value(hook.kind, content)
    call = hook.calls.get(kind) if type(kind) is str else None
    return None if call is None else _said(hook, call, content, request.body)


def _said(hook: Hook, call: Call, content: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
    """Return the calls that a server would have sent; an identify first, so that who it is is known."""
    own = _value(hook.id, content) if hook.id else None
    name = str(own) if type(own) in (str, int) and own != "" else hashed(body)
    time = _value(hook.time, content) if hook.time else None
    who = _values(call.who, content)
    email = who.pop("email", None)
    said = []
    if call.traits:
        traits = _values(call.traits, content)
        said.append({"type": "identify", "messageId": f"{name}/identify", **who, "traits": traits})
    if call.event:
        properties = _values(call.properties, content)
        said.append(
            {
                "type": "track",
                "messageId": name,
                "event": call.event,
                **who,
                "properties": properties,
            }
        )
    for one in said:
        if time is not None:
            one["timestamp"] = time
        if email is not None:
            one["context"] = {"traits": {"email": email}}
    return said


def _values(fields: Mapping[str, Field], content: dict[str, Any]) -> dict[str, Any]:
    found = ((name, _value(one, content)) for name, one in fields.items())
    return {name: value for name, value in found if value is not None}


def _value(one: Field, content: dict[str, Any]) -> Any:
    at = content[HEADER] if one.steps[0] == HEADER else content[""]
    value = _at(at, one.steps[1:] if one.steps[0] == HEADER else one.steps)
    if one.divisor == 1:
        return value
    if type(value) not in (int, float):
        return None
    exact = value / one.divisor
    return int(exact) if exact == int(exact) else exact


def _at(value: Any, steps: tuple[str | int | None, ...]) -> Any:
    for nth, step in enumerate(steps):
        if step is None:
            if type(value) is not list:
                return None
            rest = steps[nth + 1 :]
            return [_at(item, rest) for item in value[:_MOST]]
        if type(step) is int:
            value = value[step] if type(value) is list and step < len(value) else None
        else:
            value = value.get(step) if type(value) is dict else None
    return value


def _headers(request: Request) -> dict[str, str]:
    return {
        key.decode("latin-1"): value.decode("latin-1") for key, value in request.headers.items()
    }
