"""Shared devices: whom a record concerns ends at them, and everybody comes out as by all edges at once."""

import random
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import OPERATOR, VERIFIED, Event, Join
from flows.bounds import DEFAULT, Bounds
from profile_state.identity import DEFAULT_LIMITS, SPARE, Edge, edge, group
from profile_state.stored import unpack
from tests.invariants.histories import START, USERS, histories, joins
from tests.shop import MINUTE, WORKSPACE, Shop, an_event
from triggers.people import neighbourhood

FORGETFUL = Bounds(people=0, stride=4096)  # what nobody asks for is in the ledger alone
WIDE, NARROW = "identity: {user_id: {max: 2}}\n", "identity: {user_id: {max: 1}}\n"


def test_a_school_of_shared_computers_is_no_one_neighbourhood() -> None:
    shop, draw = Shop(), random.Random(1)
    for n in range(400):
        shop.do("page_viewed", user=f"u{n % 80}", anon=f"pc{draw.randrange(30)}")
        shop.wait(MINUTE)
    state = shop.engine.state
    for n in range(80):
        assert len(neighbourhood(state, [f"user_id:u{n}"])) == 1
    for n in range(30):
        sharing = neighbourhood(state, [f"anonymous_id:pc{n}"])
        assert 2 < len(sharing) <= 1 + DEFAULT_LIMITS["user_id"] + SPARE


def test_names_that_browsers_tie_lead_nobody_to_everybody() -> None:
    shop = Shop()
    for n in range(50):
        shop.do("alias", user=f"u{n}", email=f"u{n + 1}@shop.example")
        shop.do("alias", user=f"u{n + 1}", email=f"u{n + 1}@shop.example")
    assert shop.count("people") == 51
    assert len(neighbourhood(shop.engine.state, ["user_id:u7"])) == 1


def test_a_device_that_is_shared_no_more_belongs_to_who_is_left() -> None:
    shop = Shop(bounds=FORGETFUL)
    for user in ("ana", "bob", "cyd"):
        shop.do("page_viewed", user=user, anon="ipad")
    shop.do("identify", user="cyd", anon="ipad", trust=VERIFIED)
    shop.wait(10 * MINUTE)
    assert shop.engine.state.people == {}
    shop.do("page_viewed", user="cyd")
    assert "anonymous_id:ipad" in shop.person("user_id:cyd").ids, "the server's word decides"
    shop.join("user_id:cyd", "anonymous_id:ipad", cut=True)
    shop.wait(10 * MINUTE)
    shop.erase("user_id:ana")
    shop.do("page_viewed", user="bob")
    assert "anonymous_id:ipad" in shop.person("user_id:bob").ids, "nobody else is left"


def test_a_limit_that_is_lifted_leads_to_whom_it_kept_apart() -> None:
    shop = Shop(workspace=WORKSPACE + NARROW)
    shop.say([_alias(["ana", "bob"], VERIFIED, 5)])
    for user in ("ana", "bob", "ana", "bob"):
        shop.do("page_viewed", user=user)
    assert shop.person("user_id:ana") is not shop.person("user_id:bob")
    shop.edit(workspace=WORKSPACE + WIDE)
    assert shop.person("user_id:ana") is shop.person("user_id:bob")


def _alias(pair: list[str], trust: int, minutes: int) -> Event:
    said = an_event(
        "alias", user=pair[0], trust=trust, time=START - minutes * MINUTE, message_id=f"a{minutes}"
    )
    return msgspec.structs.replace(said, ids=tuple(f"user_id:{user}" for user in pair))


aliases = st.builds(
    _alias,
    st.lists(st.sampled_from(USERS), min_size=2, max_size=2, unique=True),
    st.integers(0, 1),
    st.integers(0, 90),
)


def stated(history: Iterable[Any]) -> list[Edge]:
    """Every edge that a history states, copies and contradictions left out as the engine does."""
    edges, seen = [], set()
    for said in history:
        if isinstance(said, Join):
            edges.append(edge(said.time, said.id, said.one, said.other, OPERATOR, cut=said.cut))
        elif isinstance(said, Event) and said.key not in seen:
            seen.add(said.key)
            edges += [
                edge(said.time, said.message_id, said.leaf, i, said.trust) for i in said.ids[1:]
            ]
    return edges


@settings(max_examples=120, deadline=None)
@given(
    histories(joins, aliases, aliases, size=40),
    st.lists(st.sampled_from((WIDE, NARROW)), max_size=3),
    st.integers(1, 5),
    st.sampled_from((FORGETFUL, DEFAULT)),
)
def test_i2_who_is_loaded_in_parts_comes_out_as_by_all_edges_at_once(
    history: list[Any], versions: list[str], together: int, bounds: Bounds
) -> None:
    shop = Shop(workspace=WORKSPACE + NARROW, bounds=bounds)
    part = len(history) // (len(versions) + 1) + 1
    for nth in range(0, len(history), together):
        if nth // part > (nth - together) // part >= 0:
            shop.edit(workspace=WORKSPACE + versions[nth // part - 1])
        shop.say(history[nth : nth + together])
        shop.wait(10_000)  # all are written, and leave
    shop.engine.drain()
    limits = shop.engine.state.limits
    found = [p for value in shop.shelf.people.values() if (p := unpack(value, {})).ids]
    right = group({i for p in found for i in p.ids}, stated(history), limits)
    assert {frozenset(p.ids) for p in found} == set(right.groups)
    for person in found:
        assert person.edges == [e for e in right.accepted if e.a in person.ids]
        assert person.refused == [e for e in right.refused if {e.a, e.b} & person.ids]
        others = {e.a for e in person.refused if e.b.startswith("user_id:")} - person.ids
        assert person.shared == others & right.shared
