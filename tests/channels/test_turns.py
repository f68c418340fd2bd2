"""Triggers take turns: a campaign of thousands does not make anybody else's message wait."""

from channels.delivery.ledger import Taken
from channels.delivery.turns import Turns
from tests.channels.doubles import activation


def some(trigger: str, count: int, first: int = 0) -> list[Taken]:
    return [Taken(activation(n, trigger=trigger), 0) for n in range(first, first + count)]


def names(taken: list[Taken]) -> list[str]:
    return [t.activation.trigger for t in taken]


def test_a_reminder_comes_second_behind_a_campaign() -> None:
    queue = Turns(100)
    campaign, reminder = some("sale", 100), some("reminder", 1)
    assert queue.offer(campaign) == []
    assert queue.offer(reminder) == []
    assert queue.next(3) == [campaign[0], reminder[0], campaign[1]]
    assert len(queue) == 98


def test_who_has_no_room_left_waits_elsewhere_and_takes_none_from_others() -> None:
    queue = Turns(10)
    campaign = some("sale", 15)
    assert queue.offer(campaign) == campaign[10:]
    assert (queue.room("sale"), queue.room("reminder")) == (0, 10)
    assert queue.rooms() == {"sale": 0}
    assert queue.offer(some("reminder", 10)) == []
    assert names(queue.next(4)) == ["sale", "reminder"] * 2
    assert queue.rooms() == {"sale": 2, "reminder": 2}


def test_a_trigger_keeps_its_order_also_over_what_is_put_back() -> None:
    queue = Turns(10)
    one, two = some("a", 4), some("b", 2)
    queue.offer([*one, *two])
    taken = queue.next(3)
    queue.put_back(taken)
    assert len(queue) == 6
    again = queue.next(6)
    assert [t for t in again if t.activation.trigger == "a"] == one
    assert [t for t in again if t.activation.trigger == "b"] == two
    assert queue.next(1) == []
