"""What is written of a person whom the ledger has, and read back, is the person in memory.

`Shop` compares the two after all that any test does; here histories are drawn for every kind of
cell, late events and copies among them, and written at any moment.
"""

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import VERIFIED
from profile_state.cells import KINDS
from profile_state.person import Person
from profile_state.reach import good
from profile_state.stored import VERSION, pack, unpack
from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop, an_event, at

FILES = {
    "segments/all.yaml": """
segment: all
if: >-
  count(seen, last 1h) >= 3 or count(seen) >= 5 or count(seen where colour = red) >= 2
  or sum(seen.price, last 1h) >= 100 or sum(seen.price) >= 1000
  or distinct(seen.colour, last 1h) >= 3 or last(seen.colour) = red or first(seen.colour) = red
  or never(bought, last 1h) or avg(seen.price) > 3 or min(seen.price) < 2 or max(seen.price) > 5
  or streak(seen, day) >= 2 or top(seen.colour, last 1h) = red or first(seen.colour, last 1h) = red
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
    held = {
        "triggers/held.yaml": """
trigger: held
when: {event: asked}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: "21:00-08:00"}
"""
    }
    shop = Shop(FILES | held, start=at("23:00"))
    shop.know("ana", email="ana@shop.example")
    shop.do("seen", user="ana", colour="red")
    shop.do("asked", user="ana")
    shop.wait(8 * SECOND)
    person = shop.person("user_id:ana")
    steps = [run.step for _, run in person.runs()]
    assert sorted(steps) == ["", "0"], "one run waits for an absence, and one send is held"
    shop.shelf.people[person.id] = _as_before(person)
    read: Person = unpack(shop.shelf.people[person.id], {})
    assert [run.step for _, run in read.runs()] == steps
    assert good(read.view) == {"email": "ana@shop.example"}
    shop.open()
    shop.do("seen", user="ana", colour="blue")
    shop.wait(8 * SECOND)
    assert shop.shelf.people[person.id][0] == VERSION
    shop.wait_until(at("9:00", day=1))
    assert len(shop.sent_by("held")) == 1
    assert {a.event["colour"] for a in shop.sent_by("left")} == {"red", "blue"}
    shop.compare()


def _as_before(person: Person) -> bytes:
    """Write a person as the release before did: a leaf had one address of a kind."""
    said = msgspec.msgpack.decode(pack(person)[5:])
    for leaf in said[2]:
        for name, (when, by, _) in list(leaf[5].items()):
            del leaf[5][name]
            kind, _, address = name.partition(":")
            leaf[5][kind] = [when, by, address]
        del leaf[13:]
    whole = msgspec.msgpack.encode(said)
    return bytes((VERSION - 1,)) + len(whole).to_bytes(4, "big") + whole
