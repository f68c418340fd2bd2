"""Offers: what a workspace may give, and which of it a person gets."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from events.scores import remembered
from profile_state.person import Person
from triggers.local_time import date_at, zone_at
from triggers.runtime import trait

if TYPE_CHECKING:
    from triggers.definitions import Workspace

NEXT_BEST = "next_best"  # the offer that this score names
HELD = "@offer"  # beside the entering event's properties: what a step `offer` chose


class Offer(msgspec.Struct, frozen=True):
    """One offer."""

    name: str
    fields: dict[str, str]  # what templates may say of it
    until: date | None  # the last day on which it is given, where the person is

    @property
    def said(self) -> dict[str, str]:
        """What a message carries of it."""
        return {"name": self.name, **self.fields}


class Wanted(msgspec.Struct, frozen=True):
    """What a send or a step asks for."""

    name: str | None = None  # of an offer, or NEXT_BEST
    text: str | None = None  # or a text that says it all, such as "10%"


def chosen(
    workspace: "Workspace", person: Person, wanted: Wanted, now: int
) -> Mapping[str, Any] | str | None:
    """Return an offer that a person may have now; None where there is none.

    The next best is the one that the person's score names, or if they may not have that, the first
    in the order of the file that they may have.
    """
    if wanted.name is None:
        return wanted.text
    names = list(workspace.offers) if wanted.name == NEXT_BEST else [wanted.name]
    if wanted.name == NEXT_BEST:
        best = trait(person.view.traits, remembered(NEXT_BEST))
        names.sort(key=lambda name: name != best)
    today = date_at(now, zone_at(person.view.traits, workspace.timezone))
    for name in names:
        offer = workspace.offers.get(name)
        if offer is None or (offer.until is not None and today > offer.until):
            continue
        if workspace.eligible[name](person, now):
            return offer.said
    return None
