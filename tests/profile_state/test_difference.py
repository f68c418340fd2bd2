"""What is written of a person whom the ledger has, and read back, is the person in memory.

`Shop` compares the two after all that any test does; here histories are drawn for every kind of
cell, late events and copies among them, and written at any moment.
"""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import VERIFIED
from profile_state.cells import KINDS
from profile_state.person import Person
from profile_state.stored import VERSION, pack, unpack
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, an_event

FILES = {
    "segments/all.yaml": """
segment: all
if: >-
  count(seen, last 1h) >= 3 or count(seen) >= 5 or count(seen where colour = red) >= 2
  or sum(seen.price, last 1h) >= 100 or sum(seen.price) >= 1000
  or distinct(seen.colour, last 1h) >= 3 or last(seen.colour) = red or first(seen.colour) = red
  or never(bought, last 1h)
""",
    "triggers/again.yaml": """
trigger: again
when: {event: seen}
if: ['count(seen where colour = event.colour, last 1h) >= 2', 'sum(seen.price where colour = event.colour, last 1h) >= 10']
reentry: cooldown 10m
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
    "triggers/twice.yaml": """
trigger: twice
when: {sequence: [seen, bought, seen same colour], within: 1h}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
    "triggers/left.yaml": """
trigger: left
when: {absence: {after: seen, of: bought, for: 5m}}
key: colour
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
""",
}

moments = st.tuples(
    st.sampled_from(["seen", "seen", "seen", "bought", "identify", "consent_updated"]),
    st.sampled_from(["phone", "laptop"]),
    st.sampled_from([0, 0, 0, SECOND, 5 * MINUTE, HOUR, 40 * DAY]),  # how late it comes
    st.fixed_dictionaries(
        {
            "colour": st.sampled_from(["red", "blue", "stand by me", None]),
            "price": st.sampled_from([1, 2.5, "7", 9 * 10**12, None]),
        }
    ),
    st.sampled_from([0, 1, SECOND, 3 * SECOND, 4 * MINUTE, 30 * MINUTE]),  # until the next
)


def _event(shop: Shop, nth: int, moment: tuple[Any, ...]) -> Any:
    name, device, late, properties, _ = moment
    said: dict[str, Any] = {}
    if name == "identify":
        said = {"traits": {"plan": properties["colour"], "email": f"{device}@shop.example"}}
        properties = {}
    if name == "consent_updated":
        properties = {"purpose": "marketing", "granted": properties["price"] != 1}
    return an_event(
        name,
        user="ana" if nth % 3 else None,
        anon=device,
        trust=VERIFIED,
        time=shop.now - late,
        message_id=f"m{nth if nth % 11 else nth - 1}",
        **said,
        **properties,
    )


@given(st.lists(moments, min_size=1, max_size=60))
@settings(max_examples=150, deadline=None)
def test_differences_say_all_that_changed(history: list[tuple[Any, ...]]) -> None:
    shop = Shop(FILES)
    for nth, moment in enumerate(history):
        shop.say([_event(shop, nth, moment)])
        shop.wait(moment[-1])
    shop.wait(4 * SECOND)
    assert shop.engine.behind.idle
    shop.compare()
    shop.open()  # and the next difference stands behind what was read
    for nth, moment in enumerate(history[:5], len(history)):
        shop.say([_event(shop, nth, moment)])
    shop.wait(4 * SECOND)
    shop.compare()


def test_a_busy_person_is_written_by_differences_until_they_are_as_long() -> None:
    shop = Shop(FILES)
    shop.know("ana")
    sizes, values = [], []
    for nth in range(40):
        shop.do("seen", user="ana", colour="red", price=nth)
        shop.wait(3 * SECOND)
        values.append(shop.shelf.people[shop.person("user_id:ana").id])
        sizes.append(len(values[-1]))
    grown = [b.startswith(a) and len(b) > len(a) for a, b in pairwise(values)]
    assert sum(grown) > 25, "most are differences"
    assert grown.count(False) > 2, "written whole now and then"
    assert max(sizes) < 3 * len(pack(shop.person("user_id:ana")))


def test_every_kind_of_cell_is_drawn() -> None:
    shop = Shop(FILES)
    slots = shop.engine.state.workspace.slots.values() if shop.engine.state.workspace else ()
    kinds = {slot.kind for slot in slots}
    assert kinds == set(KINDS)
    assert {slot.kind for slot in slots if slot.by} >= {"times", "amounts", "newest"}


def test_a_value_of_the_version_before_is_read_and_then_written_whole() -> None:
    shop = Shop(FILES)
    shop.know("ana")
    shop.do("seen", user="ana", colour="red")
    shop.wait(4 * SECOND)
    person = shop.person("user_id:ana")
    shop.shelf.people[person.id] = bytes((VERSION - 1,)) + pack(person)[5:]
    read: Person = unpack(shop.shelf.people[person.id], {})
    assert pack(read) == pack(person)
    shop.open()
    shop.do("seen", user="ana", colour="blue")
    shop.wait(4 * SECOND)
    assert shop.shelf.people[person.id][0] == VERSION
    shop.compare()
