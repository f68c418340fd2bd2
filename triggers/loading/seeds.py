"""`seeds` and `examples` of workspace.yaml: who is sent a copy of each e-mail, and what fills it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from events.addresses import email
from events.names import slug
from events.values import typed_whole
from triggers.loading.context import Context
from triggers.loading.workspace import in_force
from triggers.schema import WorkspaceFile
from triggers.yaml import Document, Path

EVENT = "event"  # the key of `examples` that holds those of the entering event's properties
MOST = 50  # seed addresses


class Examples(msgspec.Struct, frozen=True):
    """What fills copies and previews."""

    facts: dict[str, Any] = {}
    event: dict[str, Any] = {}  # properties of the entering event


class Seeds(msgspec.Struct, frozen=True):
    """Addresses that are sent copies, and what fills these."""

    addresses: tuple[str, ...] = ()
    examples: Examples = Examples()


def seeds(context: Context, document: Document, workspace: WorkspaceFile) -> Seeds:
    """Return what a workspace says of copies and examples."""
    said = typed_whole(workspace.examples)
    event = said.get(EVENT, {})
    if not isinstance(event, dict):
        message = f"properties such as {{order_id: A-1001}} were expected, found {event!r}"
        context.say(document, ("examples", EVENT), message)
        event = {}
    _names(context, document, ("examples",), said)
    _names(context, document, ("examples", EVENT), event)
    facts = {name: value for name, value in said.items() if name != EVENT}
    return Seeds(_addresses(context, document, workspace.seeds), Examples(facts, event))


def seeds_of(files: Mapping[str, str]) -> Seeds:
    r"""Return what the files of a workspace that is in force say of copies and examples.

    >>> seeds_of({"workspace.yaml": "workspace: shop\nseeds: [Ana@shop.example]"}).addresses
    ('ana@shop.example',)
    """
    found = in_force(files)
    return Seeds() if found is None else seeds(*found)


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
