"""A definition that looks back at what was not remembered is warming until that is known.

The oracle is an engine that had the definitions from its first record on: whatever was edited when,
whoever reads the past, in whatever portions, comes to the same cells and memberships.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events import record
from events.record import VERIFIED, Covered, Event, Filled, Offset
from flows.engine import Engine
from flows.poison import decoded
from flows.warming import steps
from profile_state.cells import current
from profile_state.identity import PLACES
from profile_state.leaf import NEVER
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, SECOND, WORKSPACE, Shop, an_event
from triggers.definitions import Workspace
from triggers.past import Past
from triggers.warming import own_slots

DELIVER = "deliver: {purpose: product, quiet_hours: off}"
SEND = "do: [{send: {channels: [webhook]}}]"
NARROW = {
    "segments/many.yaml": "segment: many\nif: ['count(seen, last 2h) >= 2 or sum(seen.price, last 2h) > 3']\n",
    "segments/kinds.yaml": "segment: kinds\nif: ['distinct(seen.colour, last 2h) >= 2 or first(seen.colour, last 2h) = red']\n",
    "triggers/twice.yaml": f"""
trigger: twice
when: {{sequence: [seen, bought], within: 5m}}
{SEND}
{DELIVER}
""",
}
WIDE = {
    "segments/many.yaml": """
segment: many
if: ['count(seen, last 2h) >= 2 or count(seen, last 90d) >= 9 or sum(seen.price, last 40d) > 30']
""",
    "segments/kinds.yaml": """
segment: kinds
if: >-
  count(seen) >= 7 or count(seen where colour = red) >= 3 or sum(seen.price) > 50
  or distinct(seen.colour, last 40d) >= 3 or first(seen.colour, last 40d) = blue
  or last(seen.colour) = red or first(seen.colour) = red or never(bought, last 20d)
  or avg(seen.price) > 4 or min(seen.price) < 2 or max(seen.price) > 5 or streak(seen, day) >= 3
  or top(seen.colour) = red or opened_last(2, email) or seq(seen, bought, within 2h, last 9d)
""",
    "segments/both.yaml": "segment: both\nif: ['in_segment(many)', 'in_segment(kinds)']\n",
    "triggers/again.yaml": f"""
trigger: again
when: {{event: seen}}
if: ['count(seen where colour = event.colour, last 3d) >= 2', 'sum(seen.price where colour = event.colour) >= 10']
exit_when: [bought]
{SEND}
{DELIVER}
""",
    "triggers/twice.yaml": f"""
trigger: twice
when: {{sequence: [seen, bought, seen same colour], within: 3h}}
{SEND}
{DELIVER}
""",
    "triggers/late.yaml": f"""
trigger: late
when: {{absence: {{after: bought, of: bought, for: {{usual: 0.9, min: 1d, max: 9d}}}}}}
{SEND}
{DELIVER}
""",
}
moments = st.tuples(
    st.sampled_from(["seen"] * 5 + ["bought", "bought", "identify", "email_sent", "email_opened"]),
    st.sampled_from(["ana", "bob", None, None]),
    st.sampled_from(["phone", "laptop", "tablet"]),
    st.sampled_from([0, 0, 0, SECOND, 5 * MINUTE, HOUR, 3 * DAY, 31 * DAY]),  # how late it comes
    st.fixed_dictionaries(
        {
            "colour": st.sampled_from(["red", "blue", "green", None]),
            "price": st.sampled_from([1, 2.5, "7", 9 * 10**12, None]),
            "message": st.sampled_from(["e1", "e2"]),
        }
    ),
    st.sampled_from(["", "", "", "", "machine", "copy", "import"]),
    st.sampled_from([0, 1, SECOND, 4 * MINUTE, 2 * HOUR, 2 * DAY, 20 * DAY, 200 * DAY]),
)
Moment = tuple[Any, ...]


def said(shop: Shop, nth: int, moment: Moment) -> Event:
    name, user, device, late, properties, special, _ = moment
    traits = {"plan": properties["colour"]} if name == "identify" else None
    event = an_event(
        name,
        user=user,
        anon=device if user is None or nth % 2 else None,
        trust=VERIFIED,
        time=shop.now - late,
        message_id=f"m{nth}",
        traits=traits,
        import_id="i1" if special == "import" else "",
        **properties,
    )
    return msgspec.structs.replace(event, flags=("machine",)) if special == "machine" else event


def live(
    shop: Shop, history: list[Moment], first: int, before: Event | None = None
) -> Event | None:
    for nth, moment in enumerate(history, first):
        copied = moment[-2] == "copy" and before is not None
        before = before if copied else said(shop, nth, moment)
        shop.say([before])
        shop.wait(moment[-1])
    return before


def known(shop: Shop) -> dict[str, Any]:
    """What everybody's cells say now, and who is inside which segment."""
    state = shop.engine.state
    found: dict[str, Any] = {}
    assert state.workspace is not None
    slots = own_slots(state.workspace)
    for person in state.people.values():
        for leaf in person.leaves.values():
            cells = {
                key: current(slots[key], cell, shop.now)
                for key, cell in leaf.cells.items()
                if key in slots
            }
            found[leaf.key] = {key: cell for key, cell in cells.items() if cell is not None}
        found[person.id] = sorted(person.member)
    return found


def workspace_of(shop: Shop) -> Workspace:
    workspace = shop.engine.state.workspace
    assert workspace is not None
    return workspace


def is_warming(shop: Shop) -> set[str]:
    workspace = workspace_of(shop)
    return {t.name for t in workspace.triggers if t.since == NEVER} | {
        s.name for s in workspace.segments if s.warming
    }


@given(
    st.lists(moments, min_size=1, max_size=30),
    st.lists(moments, max_size=6),
    st.lists(moments, max_size=6),
    st.sampled_from([1, 4, 10**6]),
    st.booleans(),
)
@settings(max_examples=30, deadline=None, phases=[Phase.generate])
def test_what_is_filled_is_what_would_have_been_remembered(
    before: list[Moment], meanwhile: list[Moment], after: list[Moment], most: int, restarts: bool
) -> None:
    late, early = Shop(NARROW), Shop(WIDE)
    last = live(late, before, 0)
    late.edit_cold(**{path[:-5].replace("/", "__"): text for path, text in WIDE.items()})
    last = live(late, meanwhile, len(before), last)
    if restarts:
        late.engine.drain()
        late.open()
        late.run()
    late.warm(most)
    assert not late.engine.state.history.gaps
    assert is_warming(late) == set()
    live(early, before + meanwhile, 0)
    for shop in (late, early):
        live(shop, after, len(before) + len(meanwhile), last)
        shop.wait(SECOND)  # what time alone changes comes with a tick
        if shop is late:
            for person in list(shop.engine.state.people.values()):
                for leaf in person.leaves.values():
                    assert not [key for key in leaf.cells if "~" in key]
    assert known(late) == known(early)


VIEWED = "segment: warm\nif: ['count(seen, last {}) >= {}']\n"
ENTERED = f"""
trigger: welcome
when: {{segment: entered warm}}
reentry: always
{SEND}
{DELIVER}
"""
OFFER = f"""
trigger: offer
when: {{event: seen}}
if: ['count(seen, last 7d) >= LEAST']
reentry: always
{SEND}
{DELIVER}
"""


def seen(shop: Shop, times: int, user: str = "ana") -> None:
    for _ in range(times):
        shop.do("seen", user=user)
        shop.wait(MINUTE)


def inside(shop: Shop, segment: str = "warm") -> set[str]:
    return {min(p.ids) for p in shop.engine.state.people.values() if segment in p.member}


def fills(shop: Shop) -> list[Filled]:
    found = [r for e in shop.log.read(0, -1, 10**6, 0) for r in record.decode(e.payload)]
    return [one for one in found if isinstance(one, Filled)]


def test_a_new_trigger_fires_by_what_happened_before_it_and_by_nothing_while_it_is_warming() -> (
    None
):
    shop = Shop()
    seen(shop, 2)
    shop.edit_cold(triggers__offer=OFFER.replace("LEAST", "3"))
    assert is_warming(shop) == {"offer"}
    seen(shop, 1)
    assert shop.sent == []
    assert shop.refusals("offer") == ["ignored:warming"]
    shop.warm()
    assert is_warming(shop) == set()
    assert shop.sent == [], "nothing occurs from it"
    seen(shop, 1)
    assert len(shop.sent) == 1


def test_without_anybody_to_read_the_past_it_is_warm_when_its_window_has_passed() -> None:
    shop = Shop()
    seen(shop, 2)
    shop.edit_cold(triggers__offer=OFFER.replace("LEAST", "3"))
    seen(shop, 2)
    edited = workspace_of(shop).warms_at - 7 * DAY
    assert edited == pytest.approx(shop.now - 2 * MINUTE + 5 * MINUTE, abs=SECOND)
    shop.wait_until(edited + 7 * DAY - SECOND)
    assert is_warming(shop) == {"offer"}
    seen(shop, 3)
    assert shop.sent == [] or len(shop.sent) == 1
    assert is_warming(shop) == set()
    assert not shop.engine.state.history.gaps
    seen(shop, 1)
    assert shop.sent


def test_what_is_there_from_the_first_event_on_never_warms() -> None:
    shop = Shop()
    shop.edit_cold(
        triggers__offer=OFFER.replace("LEAST", "1"), segments__warm=VIEWED.format("7d", 1)
    )
    assert is_warming(shop) == set()
    seen(shop, 1)
    assert len(shop.sent) == 1
    assert inside(shop) == {"user_id:ana"}
    assert shop.warm().records == 0


def test_an_edit_that_asks_for_no_more_is_in_force_at_once() -> None:
    shop = Shop({"segments/warm.yaml": VIEWED.format("7d", 3)})
    seen(shop, 2)
    shop.edit_cold(segments__warm=VIEWED.format("1d", 2))
    assert inside(shop) == {"user_id:ana"}
    shop.edit_cold(segments__warm=VIEWED.format("1d", 2).replace("2'", "2', 'plan = pro'"))
    assert inside(shop) == set()


def test_whoever_was_inside_a_segment_stays_until_it_is_known_who_is() -> None:
    files = {"segments/warm.yaml": VIEWED.format("7d", 2), "triggers/welcome.yaml": ENTERED}
    shop = Shop(files)
    for user, times in (("ana", 4), ("bob", 2), ("eve", 1)):
        seen(shop, times, user)
    assert len(shop.sent) == 2
    shop.edit_cold(segments__warm=VIEWED.format("7d", 4))
    assert is_warming(shop) == {"warm", "welcome"}
    seen(shop, 3, "eve")
    assert inside(shop) == {"user_id:ana", "user_id:bob"}
    shop.warm()
    assert inside(shop) == {"user_id:ana", "user_id:eve"}
    assert shop.count("segment:warm") == 2
    assert len(shop.sent) == 2, "by the definition alone nobody enters"
    seen(shop, 2, "bob")
    assert len(shop.sent) == 3


def test_others_who_share_the_counter_go_on_while_one_waits_for_more_of_it() -> None:
    shop = Shop({"triggers/offer.yaml": OFFER.replace("LEAST", "2")})
    seen(shop, 1)
    other = OFFER.replace("trigger: offer", "trigger: other")
    shop.edit_cold(triggers__other=other.replace("LEAST", "5"))
    assert is_warming(shop) == {"other"}
    seen(shop, 3)
    assert [a.trigger for a in shop.sent] == ["offer"] * 3
    shop.warm()
    seen(shop, 1)
    assert [a.trigger for a in shop.sent] == ["offer"] * 3 + ["offer", "other"]


def test_a_window_that_was_made_longer_waits_for_the_difference() -> None:
    shop = Shop({"segments/warm.yaml": VIEWED.format("7d", 2)})
    seen(shop, 1)
    shop.wait(6 * DAY)
    seen(shop, 1)
    shop.edit_cold(segments__warm=VIEWED.format("8d", 2))
    began = shop.now
    while is_warming(shop):
        shop.wait(HOUR)
    assert shop.now - began == pytest.approx(DAY, abs=HOUR)
    assert inside(shop) == {"user_id:ana"}, "what was remembered of the seven days counts"


def test_what_asks_for_nothing_of_before_an_entry_begins_at_once() -> None:
    cart = f"""
trigger: cart
when: {{event: cart_updated, then_no: bought, within: 30m}}
reentry: always
do:
  - wait: 1h
  - if: never(returned, since entry)
    then: [{{send: {{channels: [webhook]}}}}]
{DELIVER}
"""
    shop = Shop()
    shop.do("cart_updated", user="ana")
    shop.wait(HOUR)
    shop.edit_cold(triggers__cart=cart)
    assert is_warming(shop) == set()
    shop.do("cart_updated", user="ana", time=shop.now - MINUTE)
    assert shop.refusals("cart") == ["ignored:warming"], "what ended it was perhaps before"
    shop.wait(MINUTE)
    shop.do("cart_updated", user="ana")
    shop.wait(2 * HOUR)
    assert len(shop.sent_by("cart")) == 1


def test_runs_that_an_edit_moves_stay_behind_until_it_is_known_where_to() -> None:
    trigger = """
trigger: offer
migrate: live
when: {event: signed_up}
do:
  - wait: %s
  - if: count(seen) >= 2
    then: [{send: {channels: [webhook]}}]
    else: [{send: {channels: [log]}}]
"""
    former = trigger.replace("  - if: count(seen) >= 2\n", "  - if: plan = pro\n") + DELIVER
    shop = Shop({"triggers/offer.yaml": former % "3h"})
    seen(shop, 2)
    shop.do("signed_up", user="ana")
    shop.do("signed_up", user="bob")
    shop.edit_cold(triggers__offer=(trigger + DELIVER) % "2h")
    [(_, run)] = shop.person("user_id:ana").runs()
    was = run.version
    assert shop.engine.state.workspace is not None
    assert was != workspace_of(shop).named["offer"].version
    shop.wait(2 * HOUR + MINUTE)
    assert shop.sent == []
    shop.warm()
    shop.wait(MINUTE)
    assert {a.leaf: a.channel for a in shop.sent} == {
        "user_id:ana": "webhook",
        "user_id:bob": "log",
    }
    assert not workspace_of(shop).formers, "nobody's run is on it any more"


def test_a_run_that_is_to_be_moved_and_comes_due_meanwhile_goes_on_as_it_was() -> None:
    trigger = """
trigger: offer
migrate: live
when: {event: signed_up}
do:
  - wait: 1h
  - send: {channels: [%s]}
"""
    shop = Shop({"triggers/offer.yaml": trigger % "log" + DELIVER})
    shop.do("signed_up", user="ana")
    asking = trigger.replace("signed_up}", "signed_up}\nif: ['count(seen) >= 1']")
    shop.edit_cold(triggers__offer=asking % "webhook" + DELIVER)
    shop.wait(2 * HOUR)
    assert [a.channel for a in shop.sent] == ["log"]


def test_whom_an_exclusion_concerns_is_waited_for() -> None:
    shop = Shop({"triggers/offer.yaml": OFFER.replace("LEAST", "1")})
    shop.do("complained", user="bob")
    excluding = WORKSPACE + "exclude: {product: ['count(complained, last 30d) >= 1']}\n"
    shop.edit_cold(workspace=excluding)
    seen(shop, 1, "ana")
    seen(shop, 1, "bob")
    assert shop.sent == []
    assert shop.refusals("offer")[:1] == ["held:warming"]
    shop.warm()
    shop.wait(2 * MINUTE)
    assert [a.leaf for a in shop.sent] == ["user_id:ana"]
    assert "refused:excluded" in shop.refusals("offer")


def test_an_offer_is_given_to_nobody_until_it_is_known_who_may_have_it() -> None:
    offers = "offers:\n  first: {if: ['never(bought)']}\n  any: {text: Welcome}\n"
    given = OFFER.replace("channels: [webhook]", "channels: [webhook], offer: next_best")
    shop = Shop()
    shop.do("bought", user="ana")
    shop.files["offers.yaml"] = offers.replace("never(bought)", "plan = pro")
    shop.edit(
        workspace=WORKSPACE + "offers: offers.yaml\n", triggers__offer=given.replace("LEAST", "1")
    )
    shop.edit_cold(offers=offers)
    seen(shop, 1, "ana")
    seen(shop, 1, "bob")
    shop.warm()
    seen(shop, 1, "ana")
    seen(shop, 1, "bob")
    given_to = [(a.leaf[-3:], a.facts["offer"]["name"]) for a in shop.sent]
    assert given_to == [("ana", "any"), ("bob", "any"), ("ana", "any"), ("bob", "first")]


def test_edges_start_nothing_while_what_the_trigger_asks_is_not_known() -> None:
    asking = ENTERED.replace("reentry", "if: ['count(bought) >= 1']\nreentry")
    members = ENTERED.replace("warm}", "warm, include: members}").replace("welcome", "members")
    members = members.replace("reentry", "if: ['never(bought)']\nreentry")
    shop = Shop({"segments/warm.yaml": VIEWED.format("7d", 2)})
    shop.do("bought", user="ana")
    seen(shop, 2, "ana")
    seen(shop, 2, "bob")
    seen(shop, 1, "eve")
    shop.edit_cold(triggers__welcome=asking, triggers__members=members)
    assert is_warming(shop) == {"welcome", "members"}
    seen(shop, 1, "eve")
    assert shop.sent == []
    assert shop.refusals("welcome") == ["ignored:warming"]
    shop.warm()
    assert {(a.trigger, a.leaf[-3:]) for a in shop.sent} == {("members", "bob"), ("members", "eve")}


def test_include_members_enters_who_is_inside_once_that_is_known() -> None:
    trigger = ENTERED.replace("entered warm}", "entered warm, include: members}")
    shop = Shop()
    seen(shop, 3)
    seen(shop, 1, "bob")
    shop.edit_cold(segments__warm=VIEWED.format("7d", 3), triggers__welcome=trigger)
    assert shop.sent == []
    shop.warm()
    assert [a.leaf for a in shop.sent] == ["user_id:ana"]
    shop.warm()
    seen(shop, 1)
    assert len(shop.sent) == 1


def test_who_saw_an_item_before_anybody_asked_hears_of_it() -> None:
    cheaper = f"""
trigger: cheaper
when: {{item: price_drop 10%, seen: product_viewed}}
{SEND}
{DELIVER}
"""
    shop = Shop()
    shop.engine.stock({"p1": {"price": 100}})
    shop.do("product_viewed", user="ana", product_id="p1")
    shop.edit(triggers__cheaper=cheaper)
    shop.engine.drain()
    shop.engine.stock({"p1": {"price": 80}})
    shop.run()
    shop.wait(2 * SECOND)
    assert [a.leaf for a in shop.sent] == ["user_id:ana"]


def test_two_who_read_the_past_at_once_fill_it_once() -> None:
    shop, calm = Shop(), Shop()
    for one in (shop, calm):
        for n in range(40):
            seen(one, 3, f"u{n}")
        one.edit_cold(segments__warm=VIEWED.format("7d", 3))
        for n in range(40):
            seen(one, 1, f"u{n}")
    assert 3 <= calm.warm(most=60).passes <= 5
    for part in fills(calm):
        shop.say([part])
        shop.say([part])
    assert fills(shop) == [part for part in fills(calm) for _ in range(2)]
    assert known(shop) == known(calm)


def test_a_crash_in_the_middle_of_it_and_a_reader_who_begins_again() -> None:
    shop, calm = Shop(), Shop()
    for one in (shop, calm):
        for n in range(12):
            seen(one, 3, f"u{n}")
        one.edit_cold(
            segments__warm=VIEWED.format("7d", 3), triggers__offer=OFFER.replace("LEAST", "4")
        )
    calm.warm(most=6)
    some = fills(calm)
    assert len(some) > 2
    for part in some[:2]:
        shop.say([part])
    shop.open()  # what was not written is read again
    shop.run()
    assert is_warming(shop) == {"warm", "offer"}
    for part in some[2:4]:
        shop.say([part])
    shop.engine.drain()
    shop.open()
    shop.run()
    shop.warm()
    assert known(shop) == known(calm)
    assert inside(shop) == {f"user_id:u{n}" for n in range(12)}


def test_an_edit_in_the_middle_of_it_begins_anew_what_it_changes() -> None:
    shop, early = Shop(), Shop({"segments/warm.yaml": VIEWED.format("30d", 4)})
    for n in range(12):
        for one in (shop, early):
            seen(one, n % 6, f"u{n}")
    shop.edit_cold(segments__warm=VIEWED.format("7d", 3))
    gap = shop.engine.state.history.gaps[0]
    shop.say([Filled(*gap.at, 0, PLACES // 2, 0, {"user_id:u3": [(0, {})]})])
    shop.edit_cold(segments__warm=VIEWED.format("30d", 4))
    for one in (shop, early):
        seen(one, 1, "u3")
    shop.warm()
    assert not shop.engine.state.history.gaps
    assert known(shop) == known(early)


def test_a_copy_of_what_came_weeks_ago_counts_once_in_the_past_too() -> None:
    shop = Shop()
    shop.do("other", user="ana")
    shop.wait(10 * DAY)
    first = shop.do("seen", user="ana")
    shop.wait(29 * DAY)
    shop.say([first])
    shop.edit(segments__warm="segment: warm\nif: ['count(seen) >= 2']\n")
    assert inside(shop) == set()


def test_what_a_visitor_did_before_they_were_forgotten_stays_forgotten() -> None:
    shop = Shop()
    shop.do("seen", anon="phone")
    shop.wait(300 * DAY)
    assert not shop.engine.state.people
    shop.do("seen", anon="phone")
    shop.edit(segments__warm="segment: warm\nif: ['count(seen) >= 1', 'count(seen) < 2']\n")
    assert inside(shop) == {"anonymous_id:phone"}


def test_what_was_forgotten_under_an_earlier_version_stays_forgotten_and_the_rest_counts() -> None:
    forgetting = WORKSPACE + "identity: {anonymous_id: {forget_after: %s}}\n"
    shop = Shop(workspace=forgetting % "10d")
    shop.do("seen", anon="phone")
    shop.wait(15 * DAY)
    assert not shop.engine.state.people
    shop.do("seen", anon="phone")
    shop.wait(HOUR)
    shop.edit(workspace=forgetting % "100d")
    shop.edit(segments__warm="segment: warm\nif: ['count(seen) >= 1', 'count(seen) < 2']\n")
    assert inside(shop) == {"anonymous_id:phone"}


def test_whoever_was_away_and_is_known_keeps_what_they_did_before() -> None:
    shop = Shop()
    shop.do("seen", user="ana")
    shop.wait(300 * DAY)
    shop.do("seen", user="ana")
    shop.edit(segments__warm="segment: warm\nif: ['count(seen) >= 2']\n")
    assert inside(shop) == {"user_id:ana"}


def test_nothing_of_an_erased_person_comes_back() -> None:
    shop = Shop()
    seen(shop, 3, "ana")
    seen(shop, 3, "bob")
    shop.erase("user_id:ana")
    shop.do("seen", user="ana")
    shop.edit_cold(segments__warm=VIEWED.format("7d", 3))
    shop.erase("user_id:bob")
    shop.warm()
    assert inside(shop) == set()
    assert all(not p.leaves for p in shop.engine.state.people.values())


def test_where_the_past_is_gone_what_there_is_counts_and_windows_wait_for_the_rest() -> None:
    shop = Shop({"segments/narrow.yaml": VIEWED.replace("warm", "narrow").format("20d", 2)})
    seen(shop, 3)
    shop.wait(10 * DAY)
    seen(shop, 1)
    shop.engine.drain()
    gone = next(e.id for e in shop.log.read(0, -1, 10**6, 0) if e.time > shop.now - DAY)
    shop.log.trim(0, gone)
    shop.edit_cold(
        segments__warm=VIEWED.format("5d", 1),
        segments__warm_too=VIEWED.replace("warm", "warm_too").format("15d", 3),
        segments__narrow=VIEWED.replace("warm", "narrow").format("20d", 4),
        segments__ever="segment: ever\nif: ['count(seen) >= 1']\n",
    )
    shop.warm()
    assert is_warming(shop) == {"warm_too", "narrow"}
    assert inside(shop) == inside(shop, "ever") == {"user_id:ana"}
    assert inside(shop, "narrow") == {"user_id:ana"}, "as it was"
    assert shop.person("user_id:ana").view.cells["total seen"] == 1
    assert len(shop.person("user_id:ana").view.cells["times seen"]) > 1, (
        "of what was remembered nothing goes"
    )
    shop.wait(21 * DAY)
    assert is_warming(shop) == set()
    assert not shop.engine.state.history.gaps


def test_what_was_put_aside_as_a_dead_letter_is_no_past() -> None:
    shop = Shop()
    seen(shop, 2)
    shop.edit_cold(segments__warm="segment: warm\nif: ['count(seen) >= 1']\n")
    [gap] = shop.engine.state.history.gaps
    batches = [decoded(entry) for entry in shop.log.read(0, -1, 10**6, 0)]
    letters = [b for b in batches if isinstance(b.records[0], Event)]
    past = Past(gap, workspace_of(shop), 0, {Offset(letters[0].entry, 0)})
    for batch in batches:
        past.take(batch)
    [said] = past.records()
    assert said.leaves == {"user_id:ana": [(letters[1].time, {"total seen": 1})]}


def test_a_reader_ends_though_one_who_died_had_cut_the_past_elsewhere() -> None:
    shop = Shop()
    for n in range(12):
        seen(shop, 3, f"u{n}")
    shop.edit_cold(segments__warm=VIEWED.format("7d", 3))
    shop.engine.drain()
    next(steps(shop.log, shop.writer(), ADDRESSES, most=6))  # it says a part, and dies
    reading = steps(shop.log, shop.writer(), ADDRESSES)
    for _ in range(20):
        if next(reading, None) is None:
            break
        shop.run()
        shop.engine.drain()
    assert is_warming(shop) == set()
    assert len(inside(shop)) == 12


def test_what_a_former_trigger_goes_on_asking_for_is_not_known_for_that() -> None:
    waits = f"""
trigger: cart
when: {{event: cart_updated}}
do:
  - wait: 3d
  - if: never(bought, since entry)
    then: [{{send: {{channels: [webhook]}}}}]
{DELIVER}
"""
    now = waits.replace("never(bought, since entry)", "plan = pro")
    shop = Shop({"triggers/cart.yaml": now})
    shop.do("bought", user="ana")
    shop.edit_cold(triggers__cart=waits)
    shop.do("cart_updated", user="bob")
    shop.edit_cold(triggers__cart=now)  # bob's run goes on as it began
    shop.edit_cold(segments__gone="segment: gone\nif: ['never(bought)']\n")
    assert is_warming(shop) == {"gone"}
    assert inside(shop, "gone") == set()
    shop.warm()
    assert inside(shop, "gone") == {"user_id:bob"}


def test_what_is_known_of_a_counter_stays_known_when_more_of_it_is_asked_for_again() -> None:
    other = OFFER.replace("trigger: offer", "trigger: other").replace("LEAST", "2")
    shop = Shop()
    seen(shop, 2)
    shop.edit_cold(
        triggers__offer=OFFER.replace("LEAST", "2").replace("7d", "1h"), triggers__other=other
    )
    began = shop.now
    shop.wait(2 * HOUR)
    assert is_warming(shop) == {"other"}
    shop.edit_cold(triggers__far=other.replace("other", "far").replace("7d", "30d"))
    assert is_warming(shop) == {"other", "far"}
    shop.wait(HOUR)
    shop.edit_cold(triggers__far=other.replace("other", "far").replace(">= 2", ">= 9"))
    assert is_warming(shop) == {"other", "far"}
    shop.wait_until(began + 7 * DAY + 6 * MINUTE)
    assert is_warming(shop) == {"far"}, "what has so many as nine is known since the last edit"


def test_what_an_edit_in_between_let_go_of_is_not_known() -> None:
    shop = Shop({"segments/warm.yaml": VIEWED.format("7d", 3)})
    seen(shop, 3)
    shop.wait(2 * DAY)
    shop.edit_cold(segments__warm=VIEWED.format("7d", 5))
    shop.edit_cold(segments__warm=VIEWED.format("1h", 5))
    seen(shop, 1)
    shop.edit_cold(segments__warm=VIEWED.format("7d", 3))
    assert is_warming(shop) == {"warm"}
    shop.warm()
    assert inside(shop) == {"user_id:ana"}


def test_an_edit_that_is_taken_back_leaves_nothing_to_be_read() -> None:
    shop = Shop({"segments/warm.yaml": VIEWED.format("7d", 3)})
    seen(shop, 2)
    shop.edit_cold(segments__warm=VIEWED.format("30d", 3))
    shop.edit_cold(segments__warm=VIEWED.format("7d", 3))
    assert is_warming(shop) == set()
    assert shop.warm().passes == 0
    assert not workspace_of(shop).apart


def test_what_is_left_of_the_log_counts_where_it_goes_further_back_than_what_was_remembered() -> (
    None
):
    shop = Shop({"segments/warm.yaml": VIEWED.format("7d", 2)})
    shop.wait(DAY)
    seen(shop, 1)
    shop.wait(20 * DAY)
    seen(shop, 1)
    shop.engine.drain()
    shop.log.trim(0, next(e.id for e in shop.log.read(0, 0, 10**6, 0)))
    since = next(e.time for e in shop.log.read(0, shop.log.gone(0), 1, 0))
    shop.edit_cold(segments__warm=VIEWED.format("60d", 2))
    shop.warm()
    assert is_warming(shop) == {"warm"}
    shop.wait_until(since + 60 * DAY + 6 * MINUTE)
    assert is_warming(shop) == set()
    seen(shop, 1)
    assert inside(shop) == {"user_id:ana"}


def test_an_engine_whose_clock_is_ahead_of_that_of_the_log_waits_for_it() -> None:
    shop = Shop()
    seen(shop, 2)
    shop.edit_cold(triggers__offer=OFFER.replace("LEAST", "3"))
    due = workspace_of(shop).warms_at
    shop.wait_until(due - SECOND)
    before, sweep = shop.log.last(0), shop.engine.state.sweep
    ahead = Engine(
        shop.log, shop.writer(), ADDRESSES, clock=lambda: due, monotonic=lambda: shop.now / 1000
    )
    ahead.recover()
    for _ in range(500):
        ahead.process(ahead.read())
        ahead.pump()
        shop.now += 1
    said = [r for e in shop.log.read(0, before, 10**6, 0) for r in record.decode(e.payload)]
    assert set(map(type, said)) == {Covered}
    assert len(said) <= 5
    assert ahead.state.sweep == sweep is None
    shop.now = due
    ahead.pump()
    ahead.process(ahead.read())
    assert not ahead.state.history.gaps
