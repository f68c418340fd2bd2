"""Offers: what a workspace may give, and which of it a person gets."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from events.scores import remembered
from models.base import MADE_FOR, Version
from models.runtime import arms, highest
from models.runtime.asked import weighed
from profile_state.person import Person
from triggers.local_time import date_at, zone_at
from triggers.runtime import share_of, trait

if TYPE_CHECKING:
    from triggers.definitions import Workspace

NEXT_BEST = "next_best"  # the offer that this score names, or the model of this name draws
_HELD, _DRAWN = "@offer", "@drawn"  # beside the entering event's properties, see `Chosen`
_GIVEN = "@given"  # the same of a send that went out on some of its channels


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


class Chosen(NamedTuple):
    """An offer that somebody gets."""

    said: Mapping[str, Any] | str  # what a message carries of it
    drawn: dict[str, Any] | None = None  # how, if by chance: a `Draw`

    @property
    def name(self) -> str:
        """What it is called."""
        return self.said if isinstance(self.said, str) else self.said["name"]

    @property
    def beside(self) -> dict[str, Any]:
        """What a run remembers of it, beside the properties of its event."""
        return {_HELD: self.said, _DRAWN: self.drawn}


def held(event: Mapping[str, Any]) -> Chosen | None:
    """Return the offer that a run remembers, if one was chosen for it."""
    return Chosen(event[_HELD], event.get(_DRAWN)) if _HELD in event else None


def given(event: Mapping[str, Any]) -> Chosen | None:
    """Return the offer that a send gave on some of its channels, as long as others are to follow."""
    return Chosen(*event[_GIVEN]) if _GIVEN in event else None


def remembering(event: dict[str, Any], offer: Chosen | None) -> dict[str, Any]:
    """Return what a run remembers, with the offer that a send gave; None as soon as it is done."""
    if offer is not None:
        return {**event, _GIVEN: list(offer)}
    return {name: value for name, value in event.items() if name != _GIVEN}


def chosen(
    workspace: "Workspace", person: Person, wanted: Wanted, now: int, cause: str
) -> Chosen | None:
    """Return an offer that a person may have now; None where there is none.

    The next best is the one that the person's score names as somebody told it. If they may not have
    that, or nobody told one, a model of that name draws one of those that they may have; without a
    model it is the first of these in the order of the file.

    Args:
        workspace: in force.
        person: who shall get it.
        wanted: what is asked for.
        now: ms.
        cause: what a draw follows from, unique for ever: the same one draws the same.
    """
    if wanted.name is None:
        return None if wanted.text is None else Chosen(wanted.text)
    if wanted.name != NEXT_BEST:
        found = _may_have(workspace, person, [wanted.name], now)
        return Chosen(found[0].said) if found else None
    offers = _may_have(workspace, person, workspace.offers, now)
    if not offers:
        return None
    told = trait(person.view.traits, remembered(NEXT_BEST))
    first = next((offer for offer in offers if offer.name == told), None)
    if first is None and NEXT_BEST in workspace.models:
        return _drawn(workspace, person, offers, now, cause)
    return Chosen((first or offers[0]).said)


def _may_have(
    workspace: "Workspace", person: Person, names: Iterable[str], now: int
) -> list[Offer]:
    today = date_at(now, zone_at(person.view.traits, workspace.timezone))
    offers = (workspace.offers[name] for name in names if name in workspace.offers)
    return [
        offer
        for offer in offers
        if (offer.until is None or today <= offer.until)
        and workspace.eligible[offer.name](person, now)
    ]


def _drawn(
    workspace: "Workspace", person: Person, offers: Sequence[Offer], now: int, cause: str
) -> Chosen:
    """Draw an offer, and say all that it was drawn by: so it can be learnt from."""
    seeing = workspace.seen[NEXT_BEST]
    version: Version | None = person.learnt.models.get(workspace.models[NEXT_BEST].key)
    if version is not None and version.get(MADE_FOR) != seeing.mark:
        version = None
    _, features = seeing.look(person, now)
    names = [offer.name for offer in offers]
    shares = arms.shares(version, names, weighed(features))
    nth = highest.drawn(shares, share_of(cause))
    drawn = {
        "id": blake2b(cause.encode(), digest_size=16).hexdigest(),
        "at": now,
        "offer": names[nth],
        "probability": shares[nth],
        "among": names,
        "features": list(weighed(features)),
        MADE_FOR: seeing.mark,
    }
    return Chosen(offers[nth].said, drawn)
