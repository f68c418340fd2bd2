"""Consent: purpose by channel, facts of leaves, and what they add up to for a person.

A grant at time t cancels an earlier denial on another of the person's leaves only when an edge
of time <= t already joined the two. So nobody gains a consent by being merged.
"""

from collections.abc import Mapping
from typing import Any

from profile_state.bounds import let_go
from profile_state.identity import DEFAULT_LIMITS, joined_by
from profile_state.leaf import Leaf
from profile_state.person import Person

EVERY = "*"  # every channel
MOST = 500  # purposes by channel that a leaf remembers
BEYOND = ""  # in their place, the newest denial of what it let go of: it denies whatever is asked


def statements(name: str, properties: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Read (purpose, channel, granted) from an event; empty for events that are no consent.

    `consent_updated {purpose, granted, channel | channels}` says what a person allows, without
    a channel for all of them. `unsubscribed {channel, purpose}` withdraws, marketing by default.

    >>> statements("consent_updated", {"purpose": "marketing", "granted": True, "channel": "email"})
    [('marketing', 'email', True)]
    >>> statements("unsubscribed", {"channel": "email"})
    [('marketing', 'email', False)]
    """
    if name == "unsubscribed":
        return [
            (
                str(properties.get("purpose") or "marketing"),
                str(properties.get("channel") or EVERY),
                False,
            )
        ]
    if name != "consent_updated" or not properties.get("purpose"):
        return []
    channels = properties.get("channels") or [properties.get("channel") or EVERY]
    if not isinstance(channels, list):
        channels = [channels]
    granted = properties.get("granted") is True or properties.get("granted") == "true"
    return [(str(properties["purpose"]), str(channel), granted) for channel in channels]


def remember(
    leaf: Leaf, purpose: str, channel: str, time: int, message_id: str, granted: bool
) -> None:
    """Fold one statement into a leaf; of two at the same time the withdrawal stands."""
    key = f"{purpose}|{channel}"
    known = leaf.consents.get(key)
    if known is None or _rank(time, granted, message_id) > _rank(known[0], known[2], known[1]):
        leaf.consents[key] = (time, message_id, granted)
        if len(leaf.consents) > MOST:
            _bound(leaf)


def _bound(leaf: Leaf) -> None:
    """Let go of the oldest statements, but for what they denied."""
    beyond = leaf.consents.pop(BEYOND, None)
    gone = let_go(leaf.consents, MOST, lambda said: said[:2])
    denials = [said for said in (beyond, *gone) if said is not None and not said[2]]
    if denials:
        leaf.consents[BEYOND] = max(denials)


def _rank(time: int, granted: bool, message_id: str) -> tuple[int, bool, str]:
    return (time, not granted, message_id)


def consent(
    person: Person, purpose: str, channel: str, limits: Mapping[str, int] = DEFAULT_LIMITS
) -> bool | None:
    """Say whether a person allows a purpose on a channel; None where they never said.

    Args:
        person: anybody.
        purpose: such as "marketing".
        channel: such as "email". A statement for every channel counts for it too.
        limits: of identity, by which it is judged who was joined when.
    """
    said = [
        (time, granted, leaf.key)
        for leaf in person.leaves.values()
        for key in (f"{purpose}|{channel}", f"{purpose}|{EVERY}", BEYOND)
        if (found := leaf.consents.get(key)) is not None
        for time, _, granted in (found,)
    ]
    if not said:
        return None
    grants = [(time, key) for time, granted, key in said if granted]
    for time, granted, key in said:
        if not granted and not any(_cancels(person, limits, g, time, key) for g in grants):
            return False
    return True


def _cancels(
    person: Person, limits: Mapping[str, int], grant: tuple[int, str], denied: int, key: str
) -> bool:
    time, of = grant
    if time <= denied:
        return False
    edges = [*person.edges, *person.refused]
    others = {end for e in person.refused for end in (e.a, e.b)} - person.ids
    return joined_by(time, of, key, edges, others, limits)
