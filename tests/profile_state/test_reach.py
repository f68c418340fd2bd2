"""Where somebody gets messages: a pure function of what was said, whatever its order."""

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import ADDRESS_LOST, ADDRESS_RESTORED, OWN, VERIFIED, Event, own_event
from profile_state.leaf import Leaf
from profile_state.person import View
from profile_state.reach import MOST, Reach, found, good, join, lost, remember
from tests.shop import an_event

ADDRESSES = ("a@x.example", "b@x.example", "c@x.example")
KINDS = ("email", "push_token")


def stated(n: int, time: int, kind: str, address: str, *, confirmed: bool = False) -> Event:
    """An address that is vouched for; `confirmed` by its owner."""
    where = {kind: address}
    if confirmed:
        return own_event(OWN, "user_id:u", f"m{n}", "consent_updated", time, addresses=where)
    return own_event("kairos:server", "user_id:u", f"m{n}", "identify", time, addresses=where)


def word(n: int, time: int, kind: str, address: str, *, restored: bool = False) -> Event:
    name = ADDRESS_RESTORED if restored else ADDRESS_LOST
    told: dict[str, Any] = {"kind": kind, "address": address, "reason": "bounced"}
    return an_event(name, user="u", time=time, message_id=f"m{n}", trust=VERIFIED, **told)


def read(events: Sequence[Event]) -> Leaf:
    leaf = Leaf("user_id:u", 0, 0)
    for event in events:
        remember(leaf, event)
    return leaf


def plainly(events: Sequence[Event]) -> dict[str, str]:
    """The rules once more, over all that was said, without anything kept between two events."""
    best: dict[str, tuple[tuple[int, str], str]] = {}
    for kind in KINDS:
        for address in ADDRESSES:
            said = [e for e in events if e.addresses.get(kind) == address]
            about = [
                e for e in events
                if e.properties.get("kind") == kind and e.properties.get("address") == address
            ]  # fmt: skip
            if not said:
                continue
            seen = max((e.time, e.message_id) for e in said)
            last = max(about, key=lambda e: (e.time, e.message_id), default=None)
            owner = [e.time for e in said if e.source == OWN]
            again = [e.time for e in said] if kind == "push_token" else owner
            bad = last is not None and last.name == ADDRESS_LOST
            if bad and last is not None and max(again, default=0) <= last.time:
                continue
            if kind not in best or seen > best[kind][0]:
                best[kind] = (seen, address)
    return {kind: address for kind, (_, address) in best.items()}


_said = st.tuples(
    st.sampled_from(("stated", "confirmed", "lost", "restored")),
    st.integers(1, 6),
    st.sampled_from(KINDS),
    st.sampled_from(ADDRESSES),
)


def events_of(drawn: list[tuple[str, int, str, str]]) -> list[Event]:
    return [
        stated(n, time, kind, address, confirmed=what == "confirmed")
        if what in ("stated", "confirmed")
        else word(n, time, kind, address, restored=what == "restored")
        for n, (what, time, kind, address) in enumerate(drawn)
    ]


@given(st.lists(_said, max_size=14), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_it_follows_from_what_was_said_in_any_order_and_from_any_leaf(
    drawn: list[tuple[str, int, str, str]], draw: random.Random
) -> None:
    events = events_of(drawn)
    expected = plainly(events)
    order = events + draw.sample(events, min(3, len(events)))
    draw.shuffle(order)
    assert good(read(order)) == expected
    together: Reach = View({}, {}, {}, {})
    half = draw.randrange(len(order) + 1)
    for leaf in (read(order[half:]), read(order[:half])):
        join(together, leaf)
    assert good(together) == expected


def test_an_old_address_takes_the_place_of_one_that_was_lost() -> None:
    told = [
        stated(0, 1, "email", "a@x.example"),
        stated(1, 2, "email", "b@x.example"),
        word(2, 3, "email", "b@x.example"),
    ]
    assert good(read(told)) == {"email": "a@x.example"}
    assert lost(read(told)) == {"email:b@x.example": "bounced"}
    assert [(a.address, a.lost) for a in found(read(told))] == [
        ("b@x.example", "bounced"),
        ("a@x.example", ""),
    ]


def test_a_list_that_says_the_same_every_night_brings_no_mail_address_back_and_a_device_does() -> (
    None
):
    for kind, back in (("email", {}), ("push_token", {"push_token": "t1"})):
        told = [stated(0, 1, kind, "t1"), word(1, 2, kind, "t1"), stated(2, 3, kind, "t1")]
        assert good(read(told)) == back
    told = [*told[:0], stated(0, 1, "email", "t1"), word(1, 2, "email", "t1")]
    assert good(read([*told, stated(2, 3, "email", "t1", confirmed=True)])) == {"email": "t1"}
    assert good(read([*told, word(2, 3, "email", "t1", restored=True)])) == {"email": "t1"}


def test_a_leaf_remembers_the_addresses_that_were_stated_last() -> None:
    told = [stated(n, n, "email", f"{n}@x.example") for n in range(1, MOST + 20)]
    kept = read(told)
    assert len(kept.addresses) == MOST
    assert good(kept) == {"email": f"{MOST + 19}@x.example"}
    assert kept.addresses == read(told[::-1]).addresses
