"""R25, B1, I1, I2, I3, I5: whatever the order, the copies and the batches, people come out the same.

A short form of `python -m tests.triggers.orders`, which reads every order of nine records.
"""

import random

import pytest

from tests.triggers.orders import nine, read, shuffled, twelve


def test_i5_and_b1_nine_records_of_several_devices_in_any_order() -> None:
    draw, expected = random.Random(1), read(nine())
    assert {shuffled(nine(), draw) for _ in range(400)} == {expected}


@pytest.mark.parametrize("seed", range(20))
def test_r25_twelve_records_with_merges_in_any_order(seed: int) -> None:
    draw, history = random.Random(seed), twelve(seed)
    assert {shuffled(history, draw) for _ in range(20)} == {read(history)}


def test_another_history_has_another_hash() -> None:
    whole = nine()
    assert len({read(whole[:n] + whole[n + 1 :]) for n in range(9)} | {read(whole)}) == 10
