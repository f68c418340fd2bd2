"""I10: a writer that was replaced changes nothing, however the calls of two engines interleave."""

from collections import Counter
from contextlib import suppress
from copy import copy, deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events import record
from profile_state.stores.base import FencedError
from profile_state.stores.memory import Shelf
from tests.invariants.histories import Account, Said, histories, joins, totals_in
from tests.shop import Shop

FILES = {
    "triggers/greeted.yaml": """
trigger: greeted
when: {event: viewed}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
}
CALLS = ("append", "append", "append", "read", "read", "write", "drain", "own", "pump")


def held(shelf: Shelf) -> dict[str, Any]:
    """Everything in a ledger, as it is now."""
    return deepcopy(vars(shelf))


def call(shop: Shop, what: str) -> None:
    """Have an engine do one of the things that engines do."""
    engine = shop.engine
    match what:
        case "read":
            engine.process(shop.log.read(0, engine.position, 3, 0))
        case "write":
            engine.behind.pump(0.0, eager=True)
        case "pump":
            engine.pump(eager=True)
        case "drain":
            engine.drain()
        case "own":
            shop.open()


@settings(max_examples=100, deadline=None)
@given(
    histories(joins, size=20),
    st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 1)), min_size=10, max_size=80),
)
def test_i10_a_fenced_engine_changes_nothing_in_any_interleaving(
    history: list[Said], calls: list[tuple[str, int]]
) -> None:
    first, account = Shop(FILES), Account()
    first.engine.drain()
    second = copy(first)  # the same log and ledger
    engines, ahead = (first, second), list(history)
    second.open()
    owner = second
    for what, which in calls:
        shop = engines[which]
        if what == "append":
            for said in ahead[:1]:
                first.log.append(0, record.encode([said]))
            del ahead[:1]
        elif what == "own" or shop is owner:
            call(shop, what)
            owner = shop
        else:
            before = held(first.shelf)
            with suppress(FencedError):
                call(shop, what)
            assert held(first.shelf) == before
    for said in history:
        account.take(said, first)
    for said in ahead:
        first.log.append(0, record.encode([said]))
    owner.run()
    owner.engine.drain()
    assert totals_in(first.shelf) == account.totals
    counts = first.shelf.counts
    found = {name: counts[name] for name in ("applied", "duplicate")}
    assert found == {name: account.where[name] for name in found}
    sent = Counter(one.event["by"] for one in owner.sent)
    viewed = [by for by, event in account.applied.items() if event.name == "viewed"]
    assert sent == Counter(viewed)
