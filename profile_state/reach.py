"""Where somebody gets messages: every address that was vouched for, and those that lead nowhere.

Facts of leaves, so their order does not matter. An address is lost when a provider says that nobody
is there, or its owner complains. It is good again once its owner confirms it, an operator restores
it, or, where a device names it anew by itself, once that happens: a shop's own list says the same
old e-mail address every night.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple, Protocol

from events.devices import PUSH_TOKEN, WEB_PUSH
from events.record import ABOUT_ADDRESSES, ADDRESS_LOST, OWN, Event
from profile_state.bounds import let_go

MOST = 50  # addresses of a leaf, of all kinds; those stated last stay
RENEWED = frozenset({PUSH_TOKEN, WEB_PUSH})  # kinds that devices name by themselves
SUPPRESSED = "@"  # in place of a purpose, in what workers ask: nothing is sent to an address

Known = tuple[int, str, int]  # ms when it was stated last, by what; ms when its owner confirmed it
Suppression = tuple[int, str, str]  # ms, by what, why it is lost; "" where it is restored


class Address(NamedTuple):
    """An address of somebody, as it stands."""

    kind: str
    address: str
    seen: int  # ms; when it was stated last
    confirmed: int  # ms; by its owner, 0 where a server alone vouches
    lost: str  # why nothing is sent there; "" where it is good


class Reach(Protocol):
    """What is known of addresses, by their names, see `named`."""

    addresses: dict[str, Known]
    suppressions: dict[str, Suppression]  # of those that were lost or restored


def remember(reach: Reach, event: Event) -> bool:
    """Fold what an event says of addresses, in place; returns whether some were let go.

    Args:
        reach: of a leaf, or of a person.
        event: whose addresses are vouched for.
    """
    gone = False
    if event.addresses:
        confirmed = event.time if event.source == OWN else 0
        for of, where in event.addresses.items():
            _state(reach, named(of, where), (event.time, event.message_id, confirmed))
        gone = bool(let_go(reach.addresses, MOST, lambda known: known[:2]))
    if event.name in ABOUT_ADDRESSES:
        said = event.properties
        kind, address = said.get("kind"), said.get("address")
        if isinstance(kind, str) and isinstance(address, str):
            reason = str(said.get("reason") or "lost") if event.name == ADDRESS_LOST else ""
            _say(reach, named(kind, address), (event.time, event.message_id, reason))
            gone |= bool(let_go(reach.suppressions, MOST, lambda said: said[:2]))
    return gone


def join(reach: Reach, other: Reach) -> None:
    """Take in what is known elsewhere, in place."""
    for name, known in other.addresses.items():
        _state(reach, name, known)
    for name, said in other.suppressions.items():
        _say(reach, name, said)


def named(kind: str, address: str) -> str:
    """Name an address.

    >>> named("email", "ana@shop.example")
    'email:ana@shop.example'
    """
    return f"{kind}:{address}"


def found(reach: Reach) -> Iterator[Address]:
    """Yield addresses, of each kind the one that was stated last first."""
    for name, (seen, _, confirmed) in sorted(
        reach.addresses.items(), key=lambda one: (one[1][:2], one[0]), reverse=True
    ):
        kind, _, address = name.partition(":")
        yield Address(kind, address, seen, confirmed, why_lost(reach, name))


def why_lost(reach: Reach, name: str) -> str:
    """Return why nothing is sent to an address, whether or not they have it; "" where it is good."""
    at, _, reason = reach.suppressions.get(name, (0, "", ""))
    seen, _, confirmed = reach.addresses.get(name, (0, "", 0))
    again = max(confirmed, seen if name.partition(":")[0] in RENEWED else 0)
    return "" if again > at else reason


def good(reach: Reach) -> dict[str, str]:
    """Return of each kind the good address that was stated last."""
    if not reach.suppressions:  # as of most people
        newest = sorted((known[:2], name) for name, known in reach.addresses.items())
        return {kind: address for kind, _, address in (n.partition(":") for _, n in newest)}
    best: dict[str, str] = {}
    for one in found(reach):
        if not one.lost:
            best.setdefault(one.kind, one.address)
    return best


def lost(reach: Reach) -> dict[str, str]:
    """Return of each address where nothing is sent, by its name, why."""
    return (
        {named(a.kind, a.address): a.lost for a in found(reach) if a.lost}
        if reach.suppressions
        else {}
    )


def hidden(address: str) -> str:
    """Name an address in a set that names nobody.

    >>> hidden("ana@shop.example")
    'dc990c9c1523aa594ecfaf68'
    """
    return blake2b(address.encode(), digest_size=12).hexdigest()


def _state(reach: Reach, name: str, new: Known) -> None:
    old = reach.addresses.get(name)
    if old is not None:
        new = (*max(old[:2], new[:2]), max(old[2], new[2]))
    reach.addresses[name] = new


def _say(reach: Reach, name: str, new: Suppression) -> None:
    old = reach.suppressions.get(name)
    if old is None or new > old:
        reach.suppressions[name] = new
