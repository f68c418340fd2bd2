import pytest

from events.record import Tick, decode, encode, joined, packed


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 65_535, 65_536])
def test_an_entry_made_of_parts_is_the_entry_of_all(count: int) -> None:
    records = [Tick(n) for n in range(count)]
    first, rest = records[: count // 3], records[count // 3 :]
    assert joined(count, [packed(first), packed(rest)]) == encode(records)
    assert decode(joined(count, [packed(records)])) == records
