"""The fold that most events take equals the one that holds in every case."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profile_state.cells import KINDS, Slot
from tests.shop import an_event
from triggers import generate

WINDOW = 8  # ms
events = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5), st.one_of(st.integers(0, 3), st.just("x"))),
    max_size=20,
)


def folded(slot: Slot, happened: list[tuple[int, int, Any]], *, quick: bool) -> dict[str, Any]:
    source = generate.Source()
    head = "e, ms, id = event.properties, event.time, event.message_id"
    source.function("fold", "c, event, now", [head, *generate.fold_lines(slot, quick=quick)])
    fold = source.compiled("test")["fold"]
    cells: dict[str, Any] = {}
    now = 0
    for time, message, value in happened:
        now = max(now, time - 2)  # the log's clock never falls, and some events are early
        fold(
            cells, an_event("seen", user="u", time=time, message_id=f"m{message}", price=value), now
        )
    return cells


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [WINDOW, None])
@pytest.mark.parametrize("by", [None, "price", "unsaid"])
@settings(max_examples=40)
@given(events)
def test_quick_is_the_same(
    kind: str, window: int | None, by: str | None, happened: list[tuple[int, int, Any]]
) -> None:
    slot = Slot("cell", kind, "seen", ("price",), "", by, window, 4)
    assert folded(slot, happened, quick=True) == folded(slot, happened, quick=False)
