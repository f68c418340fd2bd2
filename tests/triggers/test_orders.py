"""R25, B1, I1, I2, I3, I5: whatever the order, the copies and the batches, people come out the same.

A short form of `python -m tests.triggers.orders`, which reads every order of nine records.
"""

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from events.record import Event, Join
from profile_state.person import Person
from tests.shop import DAY, HOUR
from tests.triggers.orders import (
    START,
    in_disorder,
    nine,
    people_of,
    read,
    shuffled,
    twelve,
)

Sums = dict[str, tuple[int, int, int]]  # by identifier: events, views, micros of orders


def test_i5_and_b1_nine_records_of_several_devices_in_any_order() -> None:
    draw, expected = random.Random(1), read(nine())
    assert {shuffled(nine(), draw) for _ in range(400)} == {expected}


@pytest.mark.parametrize("seed", range(20))
def test_r25_twelve_records_with_merges_in_any_order(seed: int) -> None:
    draw, history = random.Random(seed), twelve(seed)
    assert {shuffled(history, draw) for _ in range(20)} == {read(history)}


@pytest.mark.parametrize("seed", range(20))
def test_r25_what_twelve_records_come_to_is_exact_in_any_order(seed: int) -> None:
    draw, history = random.Random(seed), twelve(seed)
    expected = added_up(history)
    for _ in range(20):
        people = people_of(*in_disorder(history, draw)).people.values()
        assert {i for p in people for i in p.leaves} == {
            e.leaf for e in history if type(e) is Event
        }
        assert {i: sums for p in people for i, sums in kept(p).items()} == expected
        for person in people:
            parts = [expected[i] for i in person.leaves if i in expected]
            _, views, spent = (sum(column) for column in zip((0, 0, 0), *parts, strict=True))
            cells = person.view.cells
            assert cells.get("total product_viewed", 0) == views
            assert cells.get("sum order_completed.total", 0) == spent


def added_up(history: Iterable[Event | Join]) -> Sums:
    """Count by hand: each message once, for whom it names first, unless it is too old to count."""
    events = [e for e in history if type(e) is Event and e.time > START + HOUR - 30 * DAY]
    counts: Counter[str] = Counter(e.leaf for e in events)
    views = Counter(e.leaf for e in events if e.name == "product_viewed")
    spent: Counter[str] = Counter()
    for e in events:
        if e.name == "order_completed":
            spent[e.leaf] += {9.5: 9_500_000, "12": 12_000_000, 3: 3_000_000}[e.properties["total"]]
    return {leaf: (counts[leaf], views[leaf], spent[leaf]) for leaf in counts}


def kept(person: Person) -> Sums:
    """What a person's own identifiers were counted for."""
    return {
        name: (
            leaf.total,
            leaf.cells.get("total product_viewed", 0),
            leaf.cells.get("sum order_completed.total", 0),
        )
        for name, leaf in person.leaves.items()
        if leaf.total
    }


def test_another_history_has_another_hash() -> None:
    whole = nine()
    assert len({read(whole[:n] + whole[n + 1 :]) for n in range(9)} | {read(whole)}) == 10
