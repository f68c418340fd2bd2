"""A person as a shop's own server reads them."""

from typing import Any

import msgspec

from events.record import TRANSACTIONAL_PURPOSE
from events.scores import SIGN
from profile_state.consent import consent
from profile_state.person import Person
from profile_state.stated import claimed
from profile_state.surroundings import SIGN as AROUND
from triggers.modelled import scores_of
from triggers.signs import is_ours
from triggers.state import State


class View(msgspec.Struct, frozen=True):
    """What is known of somebody. Instants are ms."""

    id: str
    identifiers: list[str]
    first: int
    last: int
    events: int
    traits: dict[str, Any]
    claimed: list[str]  # of the traits, those that are a browser's word alone
    scores: dict[str, Any]
    segments: list[str]
    consents: dict[str, dict[str, bool]]  # purpose -> channel; what they ever spoke of
    messages: list[dict[str, Any]]  # that were decided of late, and what is known of each
    as_of: int


def view_of(person: Person, state: State) -> View:
    """Return what is known of a person, as the log has it up to the state's offset."""
    stated = person.view.traits
    traits = {name: said for name, said in stated.items() if name[:1] not in (SIGN, AROUND)}
    leaves, workspace = person.leaves.values(), state.workspace
    return View(
        id=person.id,
        identifiers=sorted(person.ids),
        first=person.first,
        last=max((leaf.last for leaf in leaves), default=0),
        events=sum(leaf.total for leaf in leaves),
        traits={name: said[2] for name, said in sorted(traits.items())},
        claimed=sorted(name for name, said in traits.items() if claimed(said)),
        scores={name[1:]: said[2] for name, said in stated.items() if name[:1] == SIGN}
        | ({} if workspace is None else scores_of(workspace, person, state.learnt, state.now)),
        segments=sorted(name for name in person.member if not is_ours(name)),
        consents=_consents(person, state),
        messages=_messages(person),
        as_of=state.now,
    )


class Choice(msgspec.Struct, frozen=True):
    """A purpose that somebody may choose, and how it stands."""

    purpose: str
    label: str  # "" where the workspace has none
    allowed: bool


def choices_of(person: Person, state: State, channel: str) -> list[Choice]:
    """Return what somebody allows on a channel, of all that the workspace asks consent for.

    Nothing else of them is said, for whoever asks may be somebody whom a message was forwarded to.
    """
    purposes = {} if state.workspace is None else state.workspace.purposes
    found = []
    for name, rule in purposes.items():
        if name == TRANSACTIONAL_PURPOSE:
            continue
        said = consent(person, name, channel, state.limits)
        found.append(Choice(name, rule.label, rule.allowed if said is None else said))
    return found


def _messages(person: Person) -> list[dict[str, Any]]:
    known = person.receipts()
    return [
        {
            "id": sent.activation,
            "at": sent.time,
            "channel": sent.channel,
            "purpose": sent.purpose,
            "trigger": sent.trigger,
            "receipts": known.get(sent.activation, {}),
        }
        for sent in person.sent()
    ]


def _consents(person: Person, state: State) -> dict[str, dict[str, bool]]:
    spoken = sorted({key for leaf in person.leaves.values() for key in leaf.consents if "|" in key})
    found: dict[str, dict[str, bool]] = {}
    for key in spoken:
        purpose, _, channel = key.partition("|")
        said = consent(person, purpose, channel, state.limits)
        if said is not None:
            found.setdefault(purpose, {})[channel] = said
    return found
