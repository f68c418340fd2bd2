import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.mail.base import Replays, Verified

SECOND = 1_000


def call(nonce: str, expires_ms: int) -> Verified:
    return Verified(nonce, expires_ms)


def test_a_call_is_taken_once() -> None:
    replays = Replays()
    one = call("a", 10)
    assert replays.take(one, 0) == "new"
    replays.keep(one)
    assert replays.take(one, 9) == "kept"
    assert replays.take(call("b", 10), 9) == "new"


def test_what_would_be_refused_as_too_old_is_forgotten() -> None:
    replays = Replays()
    replays.take(call("a", 10), 0)
    assert replays.take(call("b", 20), 10) == "new"
    assert len(replays) == 1


def test_a_second_try_while_the_first_may_fail_is_not_told_that_it_is_kept() -> None:
    replays = Replays()
    one = call("a", 10)
    assert replays.take(one, 0) == "new"
    assert replays.take(one, 1) == "busy"
    replays.give_back(one)
    assert replays.take(one, 2) == "new"
    replays.give_back(call("never seen", 10))
    replays.keep(call("never seen", 10))
    assert len(replays) == 1


def test_a_call_that_nobody_finished_is_forgotten_with_its_time() -> None:
    replays = Replays()
    replays.take(call("a", 10), 0)
    assert replays.take(call("a", 30), 20) == "new"


def test_a_call_without_a_nonce_is_always_taken_and_never_remembered() -> None:
    replays = Replays()
    for _ in range(2):
        assert replays.take(Verified(), 0) == "new"
        replays.keep(Verified())
        replays.give_back(Verified())
    assert len(replays) == 0


def test_without_room_the_oldest_is_forgotten() -> None:
    replays = Replays(room=2)
    for nonce in "abc":
        assert replays.take(call(nonce, 100), 0) == "new"
    assert len(replays) == 2
    assert replays.take(call("c", 100), 0) == "busy"
    assert replays.take(call("a", 100), 0) == "new"


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-300, 300), st.integers(0, 60)), max_size=60)
)
def test_within_its_time_nothing_is_taken_twice(
    arrivals: list[tuple[int, int, int]],
) -> None:
    """Whatever the order in which calls come, and however their times lie."""
    replays = Replays()
    now = 0
    taken: dict[str, int] = {}
    for number, skew, pause in arrivals:
        now += pause * SECOND
        one = call(f"n{number}", now + (300 + skew) * SECOND + 1)
        due = taken.get(one.nonce, 0)
        fresh = replays.take(one, now) == "new"
        if due > now:
            assert not fresh
        if fresh:
            replays.keep(one)
            taken[one.nonce] = one.expires_ms


@pytest.mark.parametrize("back", [False, True])
def test_a_full_cache_stays_small(back: bool) -> None:
    tracemalloc.start()
    try:
        replays = Replays(room=1_000)
        for n in range(50_000):
            one = call(f"{n:032x}", 600_000)
            assert replays.take(one, 0) == "new"
            (replays.give_back if back else replays.keep)(one)
        assert tracemalloc.get_traced_memory()[0] < 1_000_000  # bytes
    finally:
        tracemalloc.stop()
