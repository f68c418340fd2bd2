"""`seeds` and `examples` of workspace.yaml: who is sent a copy of each e-mail, and what fills it."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from events.addresses import email
from events.names import slug
from triggers.loading.context import Context
from triggers.schema import WorkspaceFile
from triggers.yaml import Document, Path

FILE = "workspace.yaml"
EVENT = "event"  # the key of `examples` that holds those of the entering event's properties
MOST = 50  # seed addresses
_SCALAR = re.compile(r"true|false|-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")
_decode = msgspec.json.Decoder().decode


class Seeds(msgspec.Struct, frozen=True):
    """Addresses that are sent copies, and what fills these."""

    addresses: tuple[str, ...] = ()
    facts: dict[str, Any] = {}
    event: dict[str, Any] = {}


def seeds(context: Context, document: Document, workspace: WorkspaceFile) -> Seeds:
    """Return what a workspace says of copies and examples."""
    said = _read(workspace.examples)
    event = said.get(EVENT, {})
    if not isinstance(event, dict):
        message = f"properties such as {{order_id: A-1001}} were expected, found {event!r}"
        context.say(document, ("examples", EVENT), message)
        event = {}
    _names(context, document, ("examples",), said)
    _names(context, document, ("examples", EVENT), event)
    facts = {name: value for name, value in said.items() if name != EVENT}
    return Seeds(_addresses(context, document, workspace.seeds), facts, event)


def seeds_of(files: Mapping[str, str]) -> Seeds:
    r"""Return what the files of a workspace that is in force say of copies and examples.

    >>> seeds_of({"workspace.yaml": "workspace: shop\nseeds: [Ana@shop.example]"}).addresses
    ('ana@shop.example',)
    """
    context = Context(files, {})
    found = context.read(FILE, WorkspaceFile) if FILE in files else None
    return Seeds() if found is None else seeds(context, *found)


def _addresses(context: Context, document: Document, said: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for nth, text in enumerate(said):
        address = email.normal(text)
        if not address:
            message = f"an e-mail address such as inbox@shop.example was expected, found {text!r}"
            context.say(document, ("seeds", nth), message)
        elif address in found:
            context.say(document, ("seeds", nth), f"{text!r} is in the list twice")
        else:
            found.append(address)
    if len(said) > MOST:
        message = f"at most {MOST} addresses were expected, found {len(said)}"
        context.say(document, ("seeds", ""), message)
    return tuple(found[:MOST])


def _names(context: Context, document: Document, path: Path, said: dict[str, Any]) -> None:
    """Refuse a name that no fact has, which would fill nothing."""
    for name in said:
        if slug(name) != name:
            message = f"a name as templates have it was expected, found {name!r}."
            context.say(document, (*path, name, ""), f"{message} Did you mean {slug(name)!r}?")


def _read(value: Any) -> Any:
    """Read numbers and `true`, as templates compare and count them; a workspace's YAML has texts only."""
    if isinstance(value, dict):
        return {name: _read(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_read(one) for one in value]
    return _decode(value) if _SCALAR.fullmatch(value) else value
