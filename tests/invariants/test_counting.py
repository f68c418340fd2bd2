"""I4 and I8: every accepted event is in one place, counted by hand beside the engine."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.invariants.histories import (
    Account,
    Said,
    entries,
    erasures,
    histories,
    joins,
    totals_in,
)
from tests.shop import Shop

PAUSES = (0, 0, 500, 3000)  # ms; a generation is written behind after two seconds


@settings(max_examples=60, deadline=None)
@given(histories(joins, joins, erasures))
def test_i4_leaf_totals_and_forgotten_are_the_distinct_events_after_every_record(
    history: list[Said],
) -> None:
    shop, account = Shop(), Account()
    for said in history:
        account.take(said, shop)
        shop.say([said])
        forgotten = shop.count("forgotten")
        in_memory = [leaf for p in shop.engine.state.people.values() for leaf in p.leaves.values()]
        assert sum(leaf.total for leaf in in_memory) + forgotten == account.where["applied"]
        assert totals_in(shop.shelf) == account.totals
        assert forgotten == account.where["forgotten"]


@settings(max_examples=60, deadline=None)
@given(
    entries(joins, joins, erasures),
    st.lists(st.tuples(st.sampled_from(PAUSES), st.booleans()), min_size=1, max_size=8),
)
def test_i8_every_accepted_id_is_applied_duplicate_dead_lettered_or_erased(
    log: list[list[Said]], paces: list[tuple[int, bool]]
) -> None:
    shop, account = Shop(), Account()
    for nth, entry in enumerate(log):
        # Words that name somebody erased are no events.
        account.say(shop, [record for record in entry if not account.drops(record)])
        pause, crash = paces[nth % len(paces)]
        shop.now += pause
        shop.engine.pump()
        if crash:
            shop.open()
            shop.run()
    shop.engine.drain()
    counts = shop.shelf.counts
    found = {name: counts[name] for name in ("applied", "duplicate", "erased", "forgotten")}
    found["dead"] = len(shop.shelf.dead)
    assert found == {name: account.where[name] for name in found}
    assert totals_in(shop.shelf) == account.totals
