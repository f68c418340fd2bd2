"""Every kind of counter can be shown."""

from typing import Any

import pytest

from profile_state.cells import KINDS, Amounts, Slot
from profile_state.shown import SHOWN, shown

NOW, DAY = 1_000 * 86_400_000, 86_400_000


def slot(kind: str, by: str | None = None, window: int | None = 7 * DAY) -> Slot:
    return Slot("key", kind, "seen", None, "", by, window, 10)


def test_no_kind_is_forgotten() -> None:
    assert SHOWN.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("kind", "cell", "says"),
    [
        ("times", [NOW - 8 * DAY, NOW - 7 * DAY, NOW], {"count": 2, "newest": NOW}),
        ("times", [NOW - 8 * DAY], {"count": 0, "newest": None}),
        ("total", 3, 3),
        ("sum", 12_340_000, "12.34"),
        ("sum", 100_000_000, "100"),
        (
            "amounts",
            Amounts([(NOW - 8 * DAY, 5_000_000), (NOW, 1_500_000)]),
            {"count": 1, "sum": "1.5"},
        ),
        ("last", (NOW, "m1", "shoes"), {"value": "shoes", "at": NOW}),
        (
            "distinct",
            {"a": NOW - 8 * DAY, "b": NOW - 1, "c": NOW},
            {"count": 2, "newest": ["c", "b"]},
        ),
    ],
)
def test_a_cell_says_what_its_window_holds_now(kind: str, cell: Any, says: Any) -> None:
    assert shown(slot(kind), cell, NOW) == says


def test_a_split_counter_shows_its_largest_values_first() -> None:
    cell = {"p1": [NOW], "p2": [NOW - 1, NOW]}
    assert list(shown(slot("times", by="product_id"), cell, NOW)) == ["p2", "p1"]
    newest = {f"c{n}": n for n in range(30)}
    assert len(shown(slot("newest", by="cart_id", window=None), newest, NOW)) == 20
