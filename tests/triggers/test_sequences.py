"""Sequences: events in an order, whatever the order in which they arrive."""

from itertools import combinations, permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import Event
from profile_state.cells import Happened, happened, merge_events
from profile_state.leaf import Leaf
from profile_state.person import Person
from profile_state.stored import pack, unpack
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, WORKSPACE, Shop, an_event, at
from triggers.definitions import Workspace
from triggers.load import load
from triggers.sequences import AHEAD, completed

HESITATING = (
    "sequence: [product_viewed, pricing_viewed, product_viewed same product_id], "
    "without: checkout_started, within: 10m"
)


def trigger(when: str, rest: str = "", channel: str = "webhook", reentry: str = "always") -> str:
    return f"""
trigger: hesitating
when: {{{when}}}
reentry: {reentry}
{rest}
do: [{{send: {{channels: [{channel}], template: hello}}}}]
deliver: {{purpose: product, quiet_hours: off}}
"""


def shop_with(when: str = HESITATING, rest: str = "", **options: str) -> Shop:
    hello = "---\nsubject: Hello\n---\nYou saw {{ event.product_id }} for {{ event.price }}"
    files = {"triggers/t.yaml": trigger(when, rest, **options)}
    return Shop({**files, "templates/hello.email.liquid": hello})


def views(shop: Shop, *names: str, **who: Any) -> None:
    """Let these events happen a minute apart; `product_viewed:p1` carries its product."""
    for name in names:
        event, _, product = name.partition(":")
        own: dict[str, Any] = {"product_id": product} if product else {}
        shop.do(event, **who, **own)
        shop.wait(MINUTE)


def test_a_sequence_occurs_when_its_last_step_does() -> None:
    shop = shop_with()
    views(shop, "product_viewed:p1", "pricing_viewed", user="u1")
    assert shop.sent == []
    views(shop, "product_viewed:p1", user="u1")
    assert [a.event for a in shop.sent] == [{"product_id": "p1"}]


def test_other_events_may_lie_between_and_the_steps_need_not_be_neighbours() -> None:
    shop = shop_with()
    steps = ["product_viewed:p1", "page_viewed", "pricing_viewed", "product_viewed:p2"]
    views(shop, *steps, "pricing_viewed", "product_viewed:p1", user="u1")
    assert [a.event["product_id"] for a in shop.sent] == ["p1"], "p2 was seen once"


def test_the_wrong_order_is_no_sequence() -> None:
    shop = shop_with("sequence: [a, b, c], within: 10m")
    views(shop, "a", "c", "b", "a", user="u1")
    assert shop.sent == []
    views(shop, "c", user="u1")
    assert len(shop.sent) == 1


def test_within_is_inclusive_to_the_millisecond() -> None:
    for late, times in ((0, 1), (1, 0)):
        shop = shop_with("sequence: [a, b], within: 10m")
        shop.do("a", user="u1")
        shop.wait(10 * MINUTE + late)
        shop.do("b", user="u1")
        assert len(shop.sent) == times


def test_what_the_sequence_is_without_may_lie_before_and_after_but_not_between() -> None:
    shop = shop_with()
    views(shop, "product_viewed:p1", "checkout_started", "pricing_viewed", user="u1")
    views(shop, "product_viewed:p1", user="u1")
    assert shop.sent == []
    views(shop, "pricing_viewed", "product_viewed:p1", "checkout_started", user="u1")
    assert len(shop.sent) == 1


def test_without_takes_a_list() -> None:
    shop = shop_with("sequence: [a, b], without: [x, y], within: 10m")
    views(shop, "a", "y", "b", "a", "x", "b", user="u1")
    assert shop.sent == []
    views(shop, "a", "b", user="u1")
    assert len(shop.sent) == 1


def test_without_a_step_itself_asks_for_neighbours() -> None:
    shop = shop_with("sequence: [a, b], without: [a], within: 10m")
    views(shop, "a", "a", "b", user="u1")
    assert len(shop.sent) == 1, "the second a is the first step, and none lies after it"


def test_the_first_step_that_has_the_property_need_not_be_the_first() -> None:
    shop = shop_with("sequence: [search, product_viewed, cart same product_id], within: 10m")
    views(shop, "search", "product_viewed:p1", "cart:p2", user="u1")
    assert shop.sent == []
    views(shop, "cart:p1", user="u1")
    assert len(shop.sent) == 1
    views(shop, "search:p9", "product_viewed:p1", user="u2")
    views(shop, "cart:p1", user="u2")
    assert len(shop.sent) == 1, "the search had p9, so p1 is not the same"


def test_a_value_that_is_missing_is_not_the_same() -> None:
    shop = shop_with()
    views(shop, "product_viewed", "pricing_viewed", "product_viewed", user="u1")
    views(shop, "pricing_viewed", "product_viewed:p1", user="u2")
    views(shop, "product_viewed", "pricing_viewed", "product_viewed:p1", user="u3")
    assert shop.sent == []


def test_the_same_number_is_the_same_text() -> None:
    shop = shop_with("sequence: [a, b same n], within: 10m")
    shop.do("a", user="u1", n=5)
    shop.do("b", user="u1", n="5")
    assert len(shop.sent) == 1


def test_steps_on_two_devices_of_one_person() -> None:
    shop = shop_with()
    views(shop, "product_viewed:p1", anon="phone")
    views(shop, "pricing_viewed", anon="laptop")
    shop.do("identify", user="u1", anon="phone")
    shop.do("identify", user="u1", anon="laptop")
    assert shop.sent == [], "a merge alone makes nothing occur"
    views(shop, "product_viewed:p1", user="u1")
    assert [a.leaf for a in shop.sent] == ["user_id:u1"]


def test_two_people_are_not_one_sequence() -> None:
    shop = shop_with("sequence: [a, b], within: 10m")
    views(shop, "a", user="u1")
    views(shop, "b", user="u2")
    assert shop.sent == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_any_order_of_arrival_sends_the_same_message_once(order: tuple[int, ...]) -> None:
    shop = shop_with(rest="if: ['event.price > 5']", channel="email")
    shop.know("u1", email="u1@shop.example")
    steps = [
        an_event("product_viewed", anon="d1", user="u1", time=shop.now, message_id="s1", product_id="p1", price=1),
        an_event("pricing_viewed", user="u1", time=shop.now + 1000, message_id="s2"),
        an_event("product_viewed", anon="d1", user="u1", time=shop.now + 2000, message_id="s3", product_id="p1", price=9),
    ]  # fmt: skip
    shop.wait(MINUTE)
    for nth in order:
        shop.say([steps[nth]])
        shop.wait(MINUTE)
    expected = shop_with(rest="if: ['event.price > 5']", channel="email")
    expected.know("u1", email="u1@shop.example")
    expected.wait(MINUTE)
    expected.say(steps)
    assert [a.id for a in shop.sent] == [a.id for a in expected.sent]
    assert [a.event for a in shop.sent] == [{"product_id": "p1", "price": 9}]
    assert shop.count("entered:hesitating") == 1


def test_a_late_step_completes_every_last_step_after_it_and_each_once() -> None:
    shop = shop_with("sequence: [a, b], within: 10m")
    start = shop.now
    shop.wait(HOUR)
    for minute in (1, 2, 11):
        shop.do("b", user="u1", time=start + minute * MINUTE)
    shop.do("a", user="u1", time=start)
    assert shop.count("entered:hesitating") == 2, "the third is 11 minutes after the first step"
    shop.do("a", user="u1", time=start + 30 * SECOND)
    assert shop.count("entered:hesitating") == 2, "those two have been complete before"


def test_a_last_step_of_yesterday_is_too_old() -> None:
    for age, times in ((DAY - MINUTE, 1), (DAY + MINUTE, 0)):
        shop = shop_with("sequence: [a, b], within: 10m")
        start = shop.now
        shop.wait(age)
        shop.do("b", user="u1", time=start)
        shop.do("a", user="u1", time=start - 9 * MINUTE)
        assert len(shop.sent) == times


def test_a_copy_is_no_second_step() -> None:
    shop = shop_with("sequence: [a, a], within: 10m")
    first = shop.do("a", user="u1")
    shop.say([first])
    assert shop.sent == []
    shop.do("a", user="u1", time=shop.now + 1)
    assert len(shop.sent) == 1


def test_what_a_machine_did_is_no_step() -> None:
    shop = shop_with("sequence: [a, b], within: 10m")
    event = an_event("a", user="u1", time=shop.now, message_id="m1")
    shop.say([msgspec.structs.replace(event, flags=("machine",))])
    shop.do("b", user="u1", time=shop.now + 1)
    assert shop.sent == []


def test_where_and_if_look_at_the_last_step() -> None:
    shop = shop_with(
        "sequence: [a, b], within: 10m, where: [event.price > 5]", "if: ['event.n = 1']"
    )
    shop.do("a", user="u1", price=9, n=1)
    shop.do("b", user="u1", price=1, n=1)
    shop.do("b", user="u1", price=9, n=2)
    assert shop.sent == []
    shop.do("b", user="u1", price=9, n=1)
    assert len(shop.sent) == 1


def test_the_key_is_read_from_the_last_step() -> None:
    shop = shop_with("sequence: [a, b], within: 10m", "key: cart_id", reentry="once")
    shop.do("a", user="u1", cart_id="c0")
    for cart in ("c1", "c1", "c2"):
        shop.do("b", user="u1", cart_id=cart)
    assert [a.event["cart_id"] for a in shop.sent] == ["c1", "c2"]
    shop.do("b", user="u1")
    assert "ignored:no_key" in shop.refusals("hesitating")


def test_once_is_the_default_for_sequences_too() -> None:
    text = trigger("sequence: [a, b], within: 10m").replace("reentry: always\n", "")
    shop = Shop({"triggers/t.yaml": text})
    views(shop, "a", "b", "b", user="u1")
    assert len(shop.sent) == 1


def test_a_sequence_goes_on_after_a_crash() -> None:
    shop = shop_with()
    views(shop, "product_viewed:p1", "pricing_viewed", user="u1")
    shop.engine.drain()
    shop.open()
    views(shop, "product_viewed:p1", user="u1")
    assert len(shop.sent) == 1


def test_names_match_by_their_slug() -> None:
    shop = shop_with(
        "sequence: [productViewed, Pricing-Viewed], without: [CheckoutStarted], within: 10m"
    )
    views(shop, "product_viewed", "pricing_viewed", user="u1")
    assert len(shop.sent) == 1


def test_only_what_is_read_is_remembered_and_not_for_longer_than_needed() -> None:
    shop = shop_with(rest="if: ['event.price > 5']", channel="email")
    for _ in range(250):
        shop.do("product_viewed", user="u1", product_id="p1", price=1, colour="red")
    leaf = shop.person("user_id:u1").leaves["user_id:u1"]
    steps, lasts = leaf.cells["events product_viewed"], leaf.cells["events product_viewed last"]
    assert (len(steps), len(lasts)) == (100, 8)
    assert steps[0].properties == {"product_id": "p1"}
    assert lasts[0].properties == {"product_id": "p1", "price": 1}
    shop.wait(DAY + 11 * MINUTE)
    shop.do("product_viewed", user="u1", product_id="p1", price=1)
    assert {len(cell) for cell in leaf.cells.values()} == {1}


# Against an oracle that tries every choice of events.

FORMS: tuple[tuple[str, ...], ...] = (
    ("a", "b", "c"),
    ("a", "b", "a"),
    ("a", "b"),
    ("a", "b", "a same p"),
    ("a", "a", "b same p"),
    ("a", "b same p", "c"),
    ("b", "a", "b same p", "c same p"),
    ("a", "b same q", "c same p"),
    ("a", "b", "a", "b same p"),
    ("a", "b same p", "a"),
)
WITHIN = 10  # ms


def workspace(form: tuple[str, ...], without: bool) -> Workspace:
    more = ", without: x" if without else ""
    when = f"sequence: [{', '.join(form)}]{more}, within: {WITHIN}ms"
    return load(
        {
            "workspace.yaml": WORKSPACE,
            "triggers/t.yaml": trigger(when).replace(", template: hello", ""),
        },
        ADDRESSES,
    )


SPACES = {(form, x): workspace(form, x) for form in FORMS for x in (False, True)}


def whole(form: tuple[str, ...], without: bool, history: list[Event], last: Event) -> bool:
    """Try every choice of events that ends in `last`."""
    before = [e for e in history if (e.time, e.message_id) < (last.time, last.message_id)]
    before.sort(key=lambda e: (e.time, e.message_id))
    for chosen in combinations(before, len(form) - 1):
        events = (*chosen, last)
        if [e.name for e in events] != [step.split()[0] for step in form]:
            continue
        if last.time - events[0].time > WITHIN or not fields_agree(form, events):
            continue
        first = (events[0].time, events[0].message_id)
        if not (without and any(e.name == "x" and first < (e.time, e.message_id) for e in before)):
            return True
    return False


def let_go(history: list[Event], last: Event) -> bool:
    """Say whether so many last steps came since, on all devices together, that it is not looked at."""
    place = (last.time, last.message_id)
    return sum(e.name == last.name and (e.time, e.message_id) > place for e in history) >= AHEAD


def fields_agree(form: tuple[str, ...], events: tuple[Event, ...]) -> bool:
    for nth, step in enumerate(form):
        field = step.partition(" same ")[2]
        if field:
            having = [e.properties[field] for e in events[:nth] if field in e.properties]
            if not having or having[0] != events[nth].properties.get(field):
                return False
    return True


properties = st.dictionaries(st.sampled_from("ppq"), st.sampled_from("12"))


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[str, ...], bool, list[Event]]:
    """Draw a form, whether it has a `without`, and a history out of its own events."""
    form, without = draw(st.sampled_from(sorted(SPACES)))
    names = [step.split()[0] for step in form] * 2 + ["x"]
    one = st.tuples(
        st.sampled_from(names), st.integers(0, 15), st.sampled_from(("d1", "d2")), properties
    )
    events = [
        an_event(name, anon=device, time=at("10:00") + ms, message_id=f"m{n}", **own)  # type: ignore[arg-type]
        for n, (name, ms, device, own) in enumerate(draw(st.lists(one, min_size=2, max_size=11)))
    ]
    return form, without, draw(st.permutations(events))


@settings(max_examples=600, deadline=None)
@given(cases())
def test_whole_is_what_an_oracle_finds_whatever_arrives_when(
    case: tuple[tuple[str, ...], bool, list[Event]],
) -> None:
    form, without, events = case
    workspace = SPACES[form, without]
    person = Person("p", set(), {})
    now = at("10:01")
    entered: list[str] = []
    for event in events:
        leaf = person.leaves.setdefault(event.leaf, Leaf(event.leaf, event.time, event.time))
        if (folding := workspace.fold.get(event.name)) is not None:
            folding.add(leaf.cells, event, now)
        person.refresh(workspace.slots)
        if (entering := workspace.entering.get(event.name)) is not None:
            entered += [last.message_id for _, last in entering(person, event, now) if last]
    again = unpack(pack(person), workspace.slots)
    for last in events:
        if last.name != form[-1].split()[0] or let_go(events, last):
            continue
        found = complete_now(workspace, again, last, now)
        assert found == whole(form, without, events, last)
        if found:
            assert last.message_id in entered, "what is whole at the end has occurred"
        if not without:
            assert entered.count(last.message_id) == found, "and once"


def complete_now(workspace: Workspace, person: Person, last: Event, now: int) -> bool:
    """Ask the matcher as if `last` had come last of all."""
    sequence = workspace.triggers[0].sequence
    assert sequence is not None
    place = (last.time, last.message_id, last.source)
    found = completed(sequence, person.view.cells, place, now, lambda _: True)
    return place in [one[:3] for one in found]


cells = st.lists(
    st.builds(
        lambda ms, n, own: happened(an_event("a", anon="d", time=ms, message_id=f"m{n}", **own)),
        st.integers(0, 5), st.integers(0, 3), properties,
    ), max_size=6,
).map(lambda some: merge_events([], some, 10))  # fmt: skip


@given(cells, cells, cells, st.integers(1, 6))
def test_cells_join_in_any_order_and_any_number_of_times(
    a: list[Happened], b: list[Happened], c: list[Happened], keep: int
) -> None:
    a, b, c = (merge_events([], cell, keep) for cell in (a, b, c))
    assert merge_events(a, b, keep) == merge_events(b, a, keep)
    assert merge_events(a, a, keep) == a
    left = merge_events(merge_events(a, b, keep), c, keep)
    assert left == merge_events(a, merge_events(b, c, keep), keep)


def test_a_sequence_that_is_parted_late_and_whole_again_occurs_once() -> None:
    shop = Shop({"triggers/undecided.yaml": AGAIN})
    noon = shop.now
    for name, minutes in (
        ("product_viewed", -60),
        ("cart_updated", -50),
        ("product_viewed", -10),  # whole
        ("order_completed", -55),  # late: parted
        ("product_viewed", -54),  # late: whole again
        ("cart_updated", -53),
    ):
        shop.do(name, anon="d1", time=noon + minutes * MINUTE)
    assert len(shop.sent) == shop.count("entered:undecided") == 1
    assert "ignored:again" in shop.refusals("undecided")


AGAIN = """
trigger: undecided
when: {sequence: [product_viewed, cart_updated, product_viewed], without: order_completed, within: 12h}
reentry: always
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
