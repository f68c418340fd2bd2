"""I11: nothing of whom an erasure names stays or comes back, whatever of theirs is under way."""

from collections.abc import Iterable

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events.record import VERIFIED, Erase, Event, Join
from profile_state.identity import person_id
from profile_state.stores.memory import Shelf
from tests.invariants.histories import (
    MAILS,
    START,
    USERS,
    Account,
    Said,
    entries,
    erasures,
    joins,
    people_in,
    totals_in,
)
from tests.shop import MINUTE, WORKSPACE, Shop, an_event

FILES = {
    "segments/warm.yaml": "segment: warm\nif: ['count(viewed, last 7d) >= 1']\n",
    "triggers/cart.yaml": """
trigger: cart
when: {event: cart, then_no: ordered, within: 100m}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
LIMITS = "identity: {email: {max: 1}, anonymous_id: {max: 1}}\n"  # some are refused
PAUSES = (0, 0, 3000, 11 * MINUTE)  # ms


def remains(shelf: Shelf, erased: set[str]) -> list[str]:
    """Which erased identifiers a ledger still has: as they are, or as the id of a person."""
    kept = msgspec.msgpack.encode((shelf.people, shelf.index, shelf.dues))
    return [
        one
        for one in sorted(erased)
        if one.partition(":")[2].encode() in kept or person_id(one).encode() in kept
    ]


def named(history: Iterable[Said], erased: set[str]) -> set[str]:
    """Which identifiers statements name that do not concern anybody erased."""
    events = [said for said in history if isinstance(said, Event) and said.leaf not in erased]
    words = [{said.one, said.other} for said in history if isinstance(said, Join)]
    found = {i for event in events for i in event.ids}
    return (found - erased).union(*(pair for pair in words if not pair & erased))


def with_address(nth: int) -> Event:
    """Ana's shop vouches for one more address of hers than she may have."""
    return an_event(
        "identify",
        user=USERS[0],
        email=MAILS[nth],
        time=START,
        message_id=f"m{nth}",
        trust=VERIFIED,
        by=str(nth),
    )


ANA = Erase(f"user_id:{USERS[0]}", b"k" * 16, START, "officer", "")


@example([[with_address(0)], [with_address(1)], [ANA]], [(0, False)])
@settings(max_examples=80, deadline=None)
@given(
    entries(joins, erasures),
    st.lists(st.tuples(st.sampled_from(PAUSES), st.booleans()), min_size=1, max_size=8),
)
def test_i11_no_byte_of_the_erased_is_left_and_what_names_them_later_is_dropped(
    log: list[list[Said]], paces: list[tuple[int, bool]]
) -> None:
    shop, account = Shop(FILES, workspace=WORKSPACE + LIMITS), Account()
    for nth, entry in enumerate(log):
        account.live(shop, entry, paces[nth % len(paces)])
        if isinstance(entry[0], Erase):
            shop.engine.drain()
            assert remains(shop.shelf, account.erased) == []
    shop.engine.drain()
    assert remains(shop.shelf, account.erased) == []
    assert not {i for person in people_in(shop.shelf) for i in person.ids} & account.erased
    known = {way for way in shop.shelf.index if ":" in way}
    said_of_others = named([said for entry in log for said in entry], account.erased)
    assert known <= said_of_others, "whom only the erased named goes along"
    assert totals_in(shop.shelf) == account.totals, "others keep what is theirs"
    dropped = shop.count("erased") + shop.count("words_dropped")
    assert dropped == account.where["erased"] + account.where["words"]
    assert shop.count("erasures") == account.where["erasures"]
