"""No more leaves than a rate allows, and nothing before a provider wants more."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from channels.delivery.pace import Pace


def test_without_a_rate_everything_leaves_at_once() -> None:
    pace = Pace()
    assert (pace.allows(0.0), pace.waits(0.0)) == (inf, 0)
    pace.take(1_000_000, 0.0)
    assert pace.allows(0.0) == inf


def test_a_slow_rate_still_lets_one_leave() -> None:
    pace = Pace(0.1)
    assert pace.allows(0.0) == 1
    pace.take(1, 0.0)
    assert (pace.allows(9.9), pace.waits(0.0)) == (0, 10)
    assert pace.allows(10.0) == 1


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 100)), min_size=1, max_size=40),
)
def test_in_any_stretch_of_time_no_more_leaves_than_its_rate_and_one_second(
    per_s: int, steps: list[tuple[float, int]]
) -> None:
    pace, now = Pace(per_s), 0.0
    left: list[tuple[float, int]] = []
    for after, wanted in steps:
        now += after
        count = int(min(wanted, pace.allows(now)))
        pace.take(count, now)
        left.append((now, count))
        assert pace.allows(now + pace.waits(now) + 1e-6) >= 1
    for first, (began, _) in enumerate(left):
        for ended, _ in left[first:]:
            sent = sum(n for at, n in left if began <= at <= ended)
            assert sent <= per_s * (ended - began + 1) + 1e-6


def test_what_the_provider_asks_for_holds_whatever_the_rate() -> None:
    pace = Pace(100.0)
    pace.hold(20.0)
    pace.hold(5.0)
    assert (pace.allows(19.9), pace.waits(0.0), pace.allows(20.0)) == (0, 20, 100)
