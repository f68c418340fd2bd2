"""`links` of workspace.yaml."""

import re
from collections.abc import Mapping

import msgspec

from triggers.links import WORDS, LinkRules, strangers
from triggers.loading.context import Context
from triggers.loading.workspace import in_force
from triggers.schema import WorkspaceFile
from triggers.words import nearest
from triggers.yaml import Document

_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII)


def link_rules(context: Context, document: Document, workspace: WorkspaceFile) -> LinkRules | None:
    """Return what a workspace says of links, None where it says nothing."""
    said = workspace.links
    if said is None:
        return None
    for nth, host in enumerate(said.hosts):
        if not _HOST.fullmatch(host):
            context.say(
                document,
                ("links", "hosts", nth),
                f"a host such as shop.example or '*.shop.example' was expected, found {host!r}",
            )
    if not said.hosts:
        message = "at least one host was expected; links to no other are touched"
        context.say(document, ("links", "hosts"), message)
    utm = {name: value for name, value in msgspec.structs.asdict(said.utm).items() if value}
    for name, value in utm.items():
        for word in strangers(value):
            hint = nearest(word, WORDS)
            known = ", ".join(f"{{{one}}}" for one in WORDS)
            message = f"nothing is called {{{word}}}.{hint} Known: {known}"
            context.say(document, ("links", "utm", name), message)
    parameters = tuple((f"utm_{name}", value) for name, value in utm.items())
    return LinkRules(tuple(said.hosts), said.track, parameters)


def rules_of(files: Mapping[str, str]) -> LinkRules | None:
    r"""Return what the files of a workspace that is in force say of links.

    >>> files = {"workspace.yaml": "workspace: shop\nlinks: {hosts: [shop.example], utm: {source: k}}"}
    >>> rules_of(files)
    LinkRules(hosts=('shop.example',), track=False, utm=(('utm_source', 'k'),))
    """
    found = in_force(files)
    return None if found is None else link_rules(*found)
