"""What a count is compared with is decided by as few instants as can decide it; here by all of them."""

import operator

from hypothesis import given
from hypothesis import strategies as st

from profile_state.leaf import Leaf
from profile_state.person import Person
from tests.shop import Shop, an_event
from triggers.load import load

PYTHON = {
    ">=": operator.ge,
    ">": operator.gt,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
ASKED = {
    f"s{nth}": (op, number, window)
    for nth, (op, number, window) in enumerate(
        (op, number, window)
        for op in PYTHON
        for number in range(4)
        for window in (None, 3)
        if (op, number) != ("<", 0)  # which is refused: nobody can meet it
    )
}
WORKSPACE = load(
    {
        "workspace.yaml": "workspace: shop",
        **{
            f"segments/{name}.yaml": f"segment: {name}\nif: count(seen"
            f"{'' if window is None else f', last {window}s'}) {op} {number}\n"
            for name, (op, number, window) in ASKED.items()
        },
    },
    {},
)


@given(st.lists(st.integers(0, 12_000), max_size=8), st.integers(12_000, 16_000))
def test_a_count_is_compared_as_if_all_were_counted(times: list[int], now: int) -> None:
    leaf = Leaf("user_id:u", 0, 0)
    person = Person("p", {"user_id:u"}, {"user_id:u": leaf})
    for nth, time in enumerate(times):
        event = an_event("seen", user="u", time=time, message_id=f"m{nth}")
        WORKSPACE.fold["seen"].add(leaf.cells, event, max(times[: nth + 1]))
    for name, (op, number, window) in ASKED.items():
        floor = 0 if window is None else now - window * 1000
        counted = sum(time >= floor for time in times)
        inside, _ = WORKSPACE.members[name](person, now)
        assert inside == PYTHON[op](counted, number), (op, number, window)


def test_a_number_is_one_value_however_it_was_written() -> None:
    trigger = """
trigger: again
when: {event: seen}
if: ['count(seen where price = event.price, last 7d) >= 2']
key: price
reentry: once
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
    shop = Shop({"triggers/again.yaml": trigger})
    for price in (7, 7.0, "7", 7.5, 8):
        shop.do("seen", user="ana", price=price)
    assert len(shop.sent_by("again")) == 1
