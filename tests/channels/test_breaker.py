"""A provider that fails is left alone for a while, and asked one message at a time then."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.delivery.breaker import Breaker, Patience

USUAL = Patience()


def test_half_of_twenty_calls_that_fail_within_half_a_minute_open_it() -> None:
    breaker = Breaker(USUAL)
    noted = [breaker.note(nth, failed=nth % 2 == 1) for nth in range(20)]
    assert noted == [False] * 19 + [True]
    assert (breaker.open, breaker.most(19), breaker.waits(19)) == (True, 0, 30)


@pytest.mark.parametrize(("calls", "every"), [(19, 1), (100, 3)])
def test_few_calls_or_few_failures_open_nothing(calls: int, every: int) -> None:
    breaker = Breaker(USUAL)
    for nth in range(calls):
        breaker.note(nth / 10, failed=nth % every == 0)
    assert (breaker.open, breaker.most(10.0), breaker.waits(10.0)) == (False, inf, 0)


def test_failures_of_long_ago_say_nothing() -> None:
    breaker = Breaker(USUAL)
    for nth in range(19):
        breaker.note(nth / 10, failed=True)
    assert not breaker.note(32.0, failed=True)
    assert not breaker.open


def test_after_its_rest_one_call_decides() -> None:
    breaker = Breaker(USUAL)
    for _ in range(20):
        breaker.note(0.0, failed=True)
    assert not breaker.note(5.0, failed=False), "a call that began before says nothing now"
    assert breaker.most(29.9) == 0
    assert breaker.most(30.0) == 1
    assert not breaker.note(31.0, failed=True)
    assert (breaker.most(60.9), breaker.most(61.0)) == (0, 1)
    assert breaker.note(62.0, failed=False)
    assert (breaker.open, breaker.most(62.0)) == (False, inf)
    assert not breaker.note(62.0, failed=True), "nothing is remembered against it"


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=60))
def test_it_opens_exactly_when_whoever_counts_all_calls_says_so(
    calls: list[tuple[float, bool]],
) -> None:
    breaker, now, all_calls = Breaker(USUAL), 0.0, list[tuple[float, bool]]()
    for after, failed in calls:
        now += after
        all_calls.append((now, failed))
        recent = [one for at, one in all_calls if at >= now - 30]
        opens = failed and len(recent) >= 20 and 2 * sum(recent) >= len(recent)
        assert breaker.note(now, failed=failed) == opens
        if opens:
            break
