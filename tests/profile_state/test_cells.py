"""I3: what leaves hold folds in any order, and joins in any order and grouping."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profile_state.cells import KINDS, Slot, copied, current, merge_cells
from tests.shop import an_event
from triggers import generate

NOW = 30  # ms
happenings = st.lists(
    st.tuples(
        st.integers(0, NOW), st.sampled_from(("a", "b", 3, 4.5, None)), st.sampled_from("abc")
    ),
    max_size=7,
    unique_by=lambda one: one[0],
)


def folder(slot: Slot) -> Any:
    source = generate.Source()
    source.function("fold", "c, event, now", generate.fold_body([slot]))
    return source.compiled("test")["fold"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", [None, "colour"])
@settings(max_examples=40, deadline=None)
@given(happenings)
def test_i3_folding_and_joining_are_commutative_and_associative(
    kind: str, by: str | None, happened: list[tuple[int, Any, str]]
) -> None:
    keep = 3 if kind in ("times", "events", "amounts") else 100
    slot = Slot(f"{kind} cell", kind, "seen", ("price",), "", by, 10, keep)
    if kind in ("total", "newest", "sum", "numbers", "least", "most", "first", "last"):
        slot = slot._replace(window=None)
    fold = folder(slot)

    def cell_of(some: list[tuple[int, Any, str]]) -> Any:
        cells: dict[str, Any] = {}
        for time, price, colour in some:
            event = an_event(
                "seen", user="u", time=time, message_id=f"m{time}", price=price, colour=colour
            )
            fold(cells, event, NOW)
        return cells.get(slot.key)

    def seen(cell: Any) -> Any:
        return None if cell is None else current(slot, cell, NOW)

    whole = seen(cell_of(happened))
    for order in list(permutations(happened))[:20]:
        assert seen(cell_of(list(order))) == whole
    thirds = [cell for n in range(3) if (cell := cell_of(happened[n::3])) is not None]
    for order in permutations(thirds):
        assert seen(joined(slot, order)) == whole


def joined(slot: Slot, cells: Any) -> Any:
    found: Any = None
    for cell in cells:
        found = copied(cell) if found is None else merge_cells(slot, found, cell)
    return found
