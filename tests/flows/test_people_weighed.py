"""The estimate that the bound of memory stands on is near what people take."""

import gc
import tracemalloc

from events import record
from tests.shop import SECOND, Shop, an_event

ACTIVE = """
segment: active
if: count(seen, last 30d) >= 3 or sum(seen.price, last 30d) >= 100
"""
PEOPLE = 200


def test_people_with_two_leaves_take_no_more_than_half_as_much_again_as_is_thought() -> None:
    """Their view is a second copy of their cells; what was added to a stored person counts too."""
    shop = Shop({"segments/active.yaml": ACTIVE})
    shop.compare = lambda: None  # type: ignore[method-assign]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for nth in range(30):
        shop.now += 3 * SECOND
        events = [
            an_event(
                "seen",
                user=None if nth % 2 else f"u{n}",
                anon=f"a{n}",
                time=shop.now,
                message_id=f"m{n}-{nth}",
                price=nth,
            )
            for n in range(PEOPLE)
        ]
        shop.log.append(0, record.encode(events))
        del events
        shop.run()
        shop.engine.drain()
    residents = shop.engine.residents
    for _ in range(4096):
        residents._measure()
    thought = residents.bytes
    # What no person is goes first: the log, the ledger, the copies' window, and stale due times.
    shop.log.__dict__.clear()
    shop.shelf.__dict__.clear()
    shop.explanations.clear()
    shop.engine.state.first_seen.clear()
    shop.engine.state.dues._heap.clear()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(shop.engine.state.people) == PEOPLE
    assert after - before < 1.5 * thought
