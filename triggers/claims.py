"""What browsers claim of people who are known: it changes nothing, and somebody should hear of it."""

from events.record import CLAIMED, Event
from profile_state.person import Person
from profile_state.reach import named
from triggers.erasure import CONTACTS
from triggers.work import Work

CLAIMED_ADDRESSES = "claimed_addresses"  # counted


def notice(work: Work, person: Person, event: Event) -> None:
    """Count an address that a browser names for somebody who has another one that is vouched for."""
    if event.trust > CLAIMED or not event.traits:
        return
    for kind in CONTACTS:
        said, known = event.traits.get(kind), person.view.addresses
        if said is None or named(kind, said) in known:
            continue
        if any(name.startswith(f"{kind}:") for name in known):
            work.count(person.id, CLAIMED_ADDRESSES)
