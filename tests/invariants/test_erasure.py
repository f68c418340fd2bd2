"""I11: nothing of whom an erasure names stays or comes back, whatever of theirs is under way."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import Erase
from profile_state.stores.memory import Shelf
from tests.invariants.histories import (
    Account,
    Said,
    entries,
    erasures,
    joins,
    people_in,
    totals_in,
)
from tests.shop import MINUTE, Shop

FILES = {
    "segments/warm.yaml": "segment: warm\nif: ['count(viewed, last 7d) >= 1']\n",
    "triggers/cart.yaml": """
trigger: cart
when: {event: cart, then_no: ordered, within: 100m}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
""",
}
PAUSES = (0, 0, 3000, 11 * MINUTE)  # ms


def remains(shelf: Shelf, erased: set[str]) -> list[str]:
    """Which values of erased identifiers a ledger still has, packed or as a name."""
    kept = msgspec.msgpack.encode((shelf.people, shelf.index, shelf.dues))
    return [one for one in sorted(erased) if one.partition(":")[2].encode() in kept]


@settings(max_examples=80, deadline=None)
@given(
    entries(joins, erasures),
    st.lists(st.tuples(st.sampled_from(PAUSES), st.booleans()), min_size=1, max_size=8),
)
def test_i11_no_byte_of_the_erased_is_left_and_what_names_them_later_is_dropped(
    log: list[list[Said]], paces: list[tuple[int, bool]]
) -> None:
    shop, account = Shop(FILES), Account()
    for nth, entry in enumerate(log):
        for said in entry:
            account.take(said, shop)
        shop.say(entry)
        pause, crash = paces[nth % len(paces)]
        shop.wait(pause)
        if crash:
            shop.open()
            shop.run()
        if isinstance(entry[0], Erase):
            shop.engine.drain()
            assert remains(shop.shelf, account.erased) == []
    shop.engine.drain()
    assert remains(shop.shelf, account.erased) == []
    assert not {i for person in people_in(shop.shelf) for i in person.ids} & account.erased
    assert totals_in(shop.shelf) == account.totals, "others keep what is theirs"
    dropped = shop.count("erased") + shop.count("words_dropped")
    assert dropped == account.where["erased"] + account.where["words"]
