"""What a person of several leaves holds in one: folded event by event, or joined anew, it is the same."""

from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from profile_state.cells import Amounts, Slot
from profile_state.person import Person
from tests.shop import SECOND, Shop, an_event

SEGMENT = """segment: all
if:
  - count(seen) >= 0
  - count(seen, last 5s) >= 2
  - count(seen where product = a, last 9s) >= 3
  - sum(seen.price) >= 0
  - sum(seen.price, last 6s) >= 0
  - distinct(seen.product, last 6s) >= 0
  - last(seen.product) exists
  - not never(seen, last 5s)
"""
TRIGGER = """trigger: pair
when: {sequence: [seen, bought same product], within: 5s}
key: product
if: ["count(seen where product = event.product, last 7s) >= 2"]
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
FILES = {"segments/all.yaml": SEGMENT, "triggers/pair.yaml": TRIGGER}
happenings = st.lists(
    st.tuples(
        st.sampled_from(["seen", "bought"]),
        st.sampled_from([{"user": "ana"}, {"anon": "a1"}, {"anon": "a2"}]),
        st.integers(-8, 0),  # seconds ago
        st.sampled_from(["a", "b"]),
        st.integers(1, 4),
    ),
    max_size=14,
)


def inside(slot: Slot, cell: Any, now: int) -> Any:
    """What of a cell can still matter."""
    if slot.by is not None:
        parts = {v: inside(slot._replace(by=None), c, now) for v, c in cell.items()}
        return {v: part for v, part in parts.items() if part}
    floor = 0 if slot.window is None else now - slot.window
    if isinstance(cell, Amounts):
        assert cell.since(0) == sum(amount for _, amount in cell.entries)
        return [entry for entry in cell.entries if entry[0] >= floor]
    if slot.kind == "times":
        return [time for time in cell if time >= floor]
    if slot.kind == "distinct":
        return {value: time for value, time in cell.items() if time >= floor}
    return cell


@settings(max_examples=150, deadline=None)
@given(happenings, st.integers(0, 13))
def test_the_view_is_the_union_of_the_leaves(
    happened: list[tuple[str, dict[str, str], int, str, int]], joined_after: int
) -> None:
    shop = Shop(FILES)
    for nth, (name, who, ago, product, price) in enumerate(happened):
        if nth == joined_after:
            shop.do("identify", user="ana", anon="a1")
            shop.do("identify", user="ana", anon="a2")
        shop.wait(SECOND)
        shop.do(name, **who, time=shop.now + ago * SECOND, product=product, price=price)
    workspace = shop.engine.state.workspace
    assert workspace is not None
    for person in shop.engine.state.people.values():
        again = Person(person.id, person.ids, person.leaves)
        again.refresh(workspace.slots)
        held, fresh = person.view, again.view
        assert (held.traits, held.addresses) == (fresh.traits, fresh.addresses)
        for key, slot in workspace.slots.items():
            one, other = held.cells.get(key), fresh.cells.get(key)
            if one is None or other is None:
                assert one is other is None or not inside(slot, one or other, shop.now)
            else:
                assert inside(slot, one, shop.now) == inside(slot, other, shop.now), key


def test_i3_statements_of_one_instant_and_one_message_id_fall_the_same_way_in_any_order() -> None:
    """B5: two leaves of a person may send the same message id."""
    held = []
    for order in permutations(range(4)):
        shop = Shop(
            {"segments/s.yaml": "segment: s\nif: [last(bought.total) = 9, first(bought.total) = 9]"}
        )
        shop.do("identify", user="ana", anon="phone")
        now = shop.now + SECOND
        said = [
            an_event("identify", user="ana", time=now, message_id="x", traits={"plan": "free"}),
            an_event("identify", anon="phone", time=now, message_id="x", traits={"plan": "pro"}),
            an_event("bought", user="ana", time=now, message_id="y", total=9),
            an_event("bought", anon="phone", time=now, message_id="y", total=1),
        ]
        for nth in order:
            shop.say([said[nth]])
        person = shop.person("user_id:ana")
        folded = person.view.traits, person.view.cells
        person.refresh(person.slots)
        assert (person.view.traits, person.view.cells) == folded
        held.append((folded, sorted(person.member), shop.facts))
    assert held == held[:1] * 24


def test_sums_are_exact_and_stored_however_large() -> None:
    shop = Shop({"segments/rich.yaml": "segment: rich\nif: ['sum(bought.total) > 100']\n"})
    amounts = (9 * 10**12, 9 * 10**12, 2**53 - 1, -5.5, "9000000000000", 9 * 10**12)
    for total in amounts:
        shop.do("bought", user="ana", total=total)
    shop.engine.drain()
    shop.open()
    shop.do("bought", user="ana", total=-(9 * 10**12))
    leaf = shop.person("user_id:ana").leaves["user_id:ana"]
    assert leaf.cells["sum bought.total"] == (27 * 10**12) * 10**6 - 5_500_000
    assert shop.facts
