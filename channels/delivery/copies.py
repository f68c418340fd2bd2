"""Copies for seed addresses: what is sent, as it looks where it arrives, and nothing of a customer.

Whoever reads the stream makes the copies that belong to its own slots. A copy's id follows from what
it is a copy of, so it is made again with each message of its kind, and leaves once.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import structlog

from channels.base import addresses
from channels.delivery.gate import StoreUnavailableError
from channels.delivery.workspaces import Workspaces
from profile_state.identity import person_id
from profile_state.reach import named
from triggers.activation import Activation, activation_id
from triggers.languages import TRAITS, spoken
from triggers.loading.seeds import Examples, Seeds, seeds_of
from triggers.recommended import RECOMMENDED
from triggers.sending import OFFER
from triggers.templates import choose

_log = structlog.get_logger(__name__)

WEEK = 7 * 86_400_000  # ms
KEPT = 10_000  # versions, and kinds of message of which copies were made, in memory
CATALOGUED = frozenset({OFFER, "item", RECOMMENDED})  # facts that are not of a person
SHOWN = 3  # elements of a list

# Version, trigger, channel, template, languages and week: what has the same has the same copies.
Kind = tuple[str, str, str, str | None, tuple[str, ...], int]


class Copies:
    """Makes the copies of messages, each once as long as it is remembered here.

    Args:
        workspaces: whose `workspace.yaml` names the seed addresses.
    """

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._seeds: dict[str, Seeds] = {}  # by version
        self._made: set[Kind] = set()
        self._posted = frozenset(c for c, kind in addresses().items() if kind == "email")

    async def of(self, activations: Sequence[Activation]) -> list[Activation]:
        """Return the copies of messages of which none was made this week."""
        found: list[Activation] = []
        try:
            for a in activations:
                if a.channel in self._posted:
                    found += await self._copied(a)
        except StoreUnavailableError as error:
            _log.warning("store unavailable, no copies for seeds", reason=str(error))
        return found

    def forget(self) -> None:
        """Make each copy again with the next message of its kind: what was taken may be lost."""
        self._made.clear()

    async def _copied(self, a: Activation) -> list[Activation]:
        """Return the copies of a message, none where its version is not known yet: the next makes them."""
        seeds = self._seeds.get(a.version)
        if seeds is not None and not seeds.addresses:
            return []
        languages = spoken(a.facts)
        kind = (a.version, a.trigger, a.channel, a.template, languages, week(a))
        files = None if kind in self._made else await self._workspaces.files(a.version)
        if files is None:
            return []
        if seeds is None:
            seeds = self._seeds[a.version] = seeds_of(files)
        for known in (self._made, self._seeds):
            if len(known) > KEPT:
                known.clear()
        self._made.add(kind)
        path = choose(a.template or "", a.channel, files, languages)
        if path is None:
            return []
        return [copied(a, files[path], to, seeds.examples) for to in seeds.addresses]


def week(activation: Activation) -> int:
    """Return in which week a message was decided; delivery ledgers remember an id for longer."""
    return activation.decided // WEEK


def copied(activation: Activation, text: str, to: str, examples: Examples) -> Activation:
    """Return a copy of a message for a seed address.

    It belongs to the address itself, whose click on a link, bounce or unsubscription is its own. It
    is filled with examples, in the language of the message; what these lack of the customer's is
    masked.

    Args:
        activation: the message.
        text: its template.
        to: where the copy goes.
        examples: of the workspace.
    """
    a, leaf = activation, named("email", to)
    digest = blake2b(text.encode(), digest_size=8).hexdigest()
    catalogued = {name: value for name, value in a.facts.items() if name in CATALOGUED}
    tags = spoken(a.facts)
    language = {TRAITS[0]: tags[0]} if tags else {}
    return Activation(
        id=activation_id(a.trigger, digest, to, week(a), a.channel),
        trigger=a.trigger,
        version=a.version,
        step=a.step,
        channel=a.channel,
        purpose=a.purpose,
        template=a.template,
        person=person_id(leaf),
        leaf=leaf,
        address=to,
        facts=masked(a.facts) | catalogued | examples.facts | language,
        event=masked(a.event) | examples.event,
        decided=a.decided,
        valid_until=None,
        accepted_us=None,
        content=a.content,
        copy=True,
    )


def masked(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same shape with nothing of a person in it.

    >>> masked({"first_name": "Ana", "vip": True, "points": 1240, "items": [{"sku": "A-1"}] * 9})
    {'first_name': '[first_name]', 'vip': True, 'points': 1, 'items': [{'sku': '[sku]'}, {'sku': '[sku]'}, {'sku': '[sku]'}]}
    """
    return {name: _masked(name, value) for name, value in said.items()}


def _masked(name: str, value: Any) -> Any:
    match value:
        case bool() | None:
            return value
        case int() | float():
            return 1
        case dict():
            return masked(value)
        case list():
            return [_masked(name, one) for one in value[:SHOWN]]
    return f"[{name}]"
