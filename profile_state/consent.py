"""Consent: purpose by channel, facts of leaves, and what they add up to for a person.

A grant at time t cancels an earlier denial on another of the person's leaves only when an edge
of time <= t already joined the two. So nobody gains a consent by being merged.

What a visitor allows, before they said who they are, counts for somebody known only where more
than a browser's word ties the two: anybody can say that they are a customer, and allow things in
their name. What a visitor denies counts at once.
"""

from collections.abc import Mapping
from typing import Any

from events.record import CLAIMED, MARKETING, REPLIES
from profile_state.bounds import let_go
from profile_state.identity import ANONYMOUS, DEFAULT_LIMITS, joined_by, kind_of
from profile_state.leaf import Leaf
from profile_state.person import Person
from profile_state.stop_words import leaves

EVERY = "*"  # every channel, or every purpose
MOST = 500  # purposes by channel that a leaf remembers
GPC = "gpc"  # in place of purpose and channel: since when a browser of theirs asks for privacy
BEYOND = ""  # in their place, the newest denial of what it let go of: it denies whatever is asked


def statements(name: str, properties: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Read (purpose, channel, granted) from an event; empty for events that are no consent.

    A purpose or a channel that is EVERY stands for each.

    `consent_updated {purpose, granted, channel | channels}` says what a person allows, without
    a channel for all of them. `unsubscribed {channel, purpose}` withdraws, marketing by default;
    `sms_replied {text}` does, for every purpose, where the text is a word such as STOP.

    >>> statements("consent_updated", {"purpose": "marketing", "granted": True, "channel": "email"})
    [('marketing', 'email', True)]
    >>> statements("unsubscribed", {"channel": "email"})
    [('marketing', 'email', False)]
    """
    if name == "unsubscribed":
        return [
            (
                str(properties.get("purpose") or MARKETING),
                str(properties.get("channel") or EVERY),
                False,
            )
        ]
    if name in REPLIES:
        return [(EVERY, name.partition("_")[0], False)] if leaves(properties.get("text")) else []
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


def remember_gpc(leaf: Leaf, time: int, message_id: str) -> None:
    """Fold a browser's Global Privacy Control into a leaf: a denial as of the first time it was sent.

    It comes with every event. Were each of them a denial, what somebody allows afterwards in so
    many words would be taken back by the next page that they open.
    """
    known = leaf.consents.get(GPC)
    if known is None or (time, message_id) < known[:2]:
        leaf.consents[GPC] = (time, message_id, False)


def _bound(leaf: Leaf) -> None:
    """Let go of the oldest statements, but for what they denied."""
    beyond, gpc = leaf.consents.pop(BEYOND, None), leaf.consents.pop(GPC, None)
    gone = let_go(leaf.consents, MOST, lambda said: said[:2])
    denials = [said for said in (beyond, *gone) if said is not None and not said[2]]
    if denials:
        leaf.consents[BEYOND] = max(denials)
    if gpc is not None:
        leaf.consents[GPC] = gpc


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
    keys = [f"{p}|{c}" for p in (purpose, EVERY) for c in (channel, EVERY)] + [BEYOND]
    if purpose == MARKETING:
        keys.append(GPC)
    said = [
        (time, granted, leaf.key)
        for leaf in person.leaves.values()
        for key in keys
        if (found := leaf.consents.get(key)) is not None
        for time, _, granted in (found,)
    ]
    if not said:
        return None
    grants = [(time, key) for time, granted, key in said if granted]
    if not grants:
        return False
    known = any(kind_of(i) != ANONYMOUS for i in person.ids)
    vouched = _vouched(person) if known else person.leaves.keys()
    for time, granted, key in said:
        if granted or any(at > time and of == key for at, of in grants):
            continue
        if not any(
            at > time and of in vouched and _joined(person, limits, of, key, at, known=known)
            for at, of in grants
        ):
            return False
    return True if any(of in vouched for _, of in grants) else None


def _vouched(person: Person) -> set[str]:
    """Return the leaves of somebody known that are more than a visitor who is said to be them."""
    # The end that is `a` is the visitor: "anonymous_id" comes before every other type.
    tied = {e.a for e in person.edges if e.trust > CLAIMED and kind_of(e.b) != ANONYMOUS}
    return {key for key in person.leaves if kind_of(key) != ANONYMOUS or key in tied}


def _joined(
    person: Person, limits: Mapping[str, int], one: str, other: str, time: int, *, known: bool
) -> bool:
    edges = [*person.edges, *person.refused]
    if known and kind_of(one) == ANONYMOUS:
        edges = [e for e in edges if e.trust > CLAIMED]
    others = {end for e in person.refused for end in (e.a, e.b)} - person.ids
    return joined_by(time, one, other, edges, others, limits)
