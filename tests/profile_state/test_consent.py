"""Consent over every order, against the rule in its own words, applied to everything ever said."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import CLAIMED, VERIFIED
from profile_state.consent import EVERY, consent, remember, statements
from profile_state.identity import person_id
from profile_state.leaf import Leaf
from profile_state.person import Person
from tests.shop import MINUTE, Shop, an_event

LEAVES = ("user_id:ana", "anonymous_id:d1", "anonymous_id:d2")


class Said(NamedTuple):
    leaf: str
    time: int
    granted: bool
    channel: str


class Tied(NamedTuple):
    device: str
    time: int
    trust: int


said = st.builds(
    Said,
    st.sampled_from(LEAVES),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from(("email", "sms", EVERY)),
)
tied = st.builds(
    Tied, st.sampled_from(("d1", "d2")), st.integers(1, 9), st.sampled_from((CLAIMED, VERIFIED))
)


def joined_by(ties: list[Tied], one: str, other: str, time: int, least: int) -> bool:
    """Whether edges of that time or before join two of Ana's leaves: hers is in the middle."""
    tied = {f"anonymous_id:{t.device}" for t in ties if t.time <= time and t.trust >= least}
    return {one, other} <= tied | {"user_id:ana"}


def allowed(statements: list[Said], ties: list[Tied], channel: str) -> bool | None:
    """A grant at t cancels an earlier denial on another leaf if an edge of time <= t joined the two.

    Of a visitor who is Ana by a browser's word alone, a grant cancels their own denial and no more.
    """
    mine = {f"anonymous_id:{tie.device}" for tie in ties} | {"user_id:ana"}
    sure = {f"anonymous_id:{t.device}" for t in ties if t.trust == VERIFIED} | {"user_id:ana"}
    about = [s for s in statements if s.channel in (channel, EVERY) and s.leaf in mine]

    def cancels(grant: Said, denial: Said) -> bool:
        if not grant.granted or grant.time <= denial.time:
            return False
        least = CLAIMED if grant.leaf == "user_id:ana" else VERIFIED
        joined = joined_by(ties, grant.leaf, denial.leaf, grant.time, least)
        return grant.leaf == denial.leaf or (grant.leaf in sure and joined)

    if any(not d.granted and not any(cancels(g, d) for g in about) for d in about):
        return False
    return True if any(s.granted and s.leaf in sure for s in about) else None


def as_event(nth: int, one: Said | Tied, start: int) -> Any:
    common: dict[str, Any] = {"time": start + one.time, "message_id": f"m{nth}"}
    if isinstance(one, Tied):
        return an_event("identify", user="ana", anon=one.device, trust=one.trust, **common)
    kind, _, value = one.leaf.partition(":")
    who: dict[str, Any] = {"user" if kind == "user_id" else "anon": value}
    channel: dict[str, Any] = {} if one.channel == EVERY else {"channel": one.channel}
    own: dict[str, Any] = {"purpose": "marketing", "granted": one.granted, **channel}
    return an_event("consent_updated", **who, **common, **own)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(said, said, tied), max_size=9), st.randoms(use_true_random=False))
def test_a_person_allows_what_the_rule_says_in_any_order(
    happened: list[Said | Tied], draw: Any
) -> None:
    shop = Shop()
    events = [as_event(nth, one, shop.now - 60_000) for nth, one in enumerate(happened)]
    events.append(an_event("page_viewed", user="ana", time=shop.now, message_id="last"))
    draw.shuffle(events)
    shop.say(events)
    person = shop.person("user_id:ana")
    statements = [one for one in happened if isinstance(one, Said)]
    ties = [one for one in happened if isinstance(one, Tied)]
    for channel in ("email", "sms", "push"):
        found = consent(person, "marketing", channel)
        assert found == allowed(statements, ties, channel), channel


def denied_then_granted_apart(shop: Shop, between: Callable[[], object] = lambda: None) -> None:
    """P takes consent back, and Q gives it, while they are two people."""
    shop.do("page_viewed", user="p")
    shop.do("page_viewed", user="q")
    shop.wait(MINUTE)
    between()
    shop.wait(MINUTE)
    shop.allow("p", granted=False)
    shop.wait(MINUTE)
    shop.allow("q")
    shop.wait(MINUTE)


def test_g1_a_merge_by_hand_gives_no_consent_whatever_a_browser_had_claimed() -> None:
    shop = Shop()

    def claim() -> None:
        said = an_event("alias", user="p", time=shop.now, message_id="claim")
        shop.say([msgspec.structs.replace(said, ids=("user_id:p", "user_id:q"))])

    denied_then_granted_apart(shop, claim)
    shop.join("user_id:p", "user_id:q")
    person = shop.person("user_id:p")
    assert person is shop.person("user_id:q")
    assert consent(person, "marketing", "email") is False
    shop.wait(MINUTE)
    shop.allow("q")
    assert consent(person, "marketing", "email") is True


def test_g1_what_was_granted_while_two_were_cut_apart_cancels_no_denial_once_they_are_joined() -> (
    None
):
    shop = Shop()
    shop.join("user_id:p", "user_id:q")
    shop.wait(MINUTE)
    denied_then_granted_apart(shop, lambda: shop.join("user_id:p", "user_id:q", cut=True))
    assert consent(shop.person("user_id:p"), "marketing", "email") is False
    shop.join("user_id:p", "user_id:q")
    assert consent(shop.person("user_id:p"), "marketing", "email") is False


GPC = {"gpc": True}


def visit(shop: Shop, **who: Any) -> None:
    shop.wait(MINUTE)
    shop.do("page_viewed", context={"gpc": True}, **who)


def test_a_browser_that_asks_for_privacy_denies_marketing_and_nothing_else() -> None:
    shop = Shop()
    shop.do("page_viewed", user="ana")
    assert consent(shop.person("user_id:ana"), "marketing", "email") is None
    visit(shop, user="ana")
    ana = shop.person("user_id:ana")
    assert [consent(ana, "marketing", channel) for channel in ("email", "web")] == [False, False]
    assert consent(ana, "product", "email") is None


def test_what_somebody_allows_in_words_after_the_signal_stands_though_it_comes_again() -> None:
    shop = Shop()
    shop.allow("ana")
    visit(shop, user="ana")
    ana = shop.person("user_id:ana")
    assert consent(ana, "marketing", "email") is False, "allowed before it was asked for"
    shop.wait(MINUTE)
    shop.allow("ana")
    visit(shop, user="ana")
    assert consent(shop.person("user_id:ana"), "marketing", "email") is True


@given(st.permutations(range(4)))
def test_a_signal_counts_from_its_earliest_event_in_whatever_order_they_come(
    order: list[int],
) -> None:
    shop = Shop()
    start = shop.now - MINUTE
    events = [
        an_event("seen", user="ana", time=start, message_id="m0", context=GPC),
        an_event("seen", user="ana", time=start + 9, message_id="m1", context=GPC),
        as_event(2, Said("user_id:ana", 5, True, EVERY), start),
        an_event("seen", user="ana", time=start + 9, message_id="m3"),
    ]
    shop.say([events[nth] for nth in order])
    assert consent(shop.person("user_id:ana"), "marketing", "email") is True


def test_a_signal_on_one_device_is_the_denial_of_whoever_it_turns_out_to_be() -> None:
    shop = Shop()
    shop.allow("ana")
    visit(shop, anon="d1")
    shop.wait(MINUTE)
    shop.do("identify", user="ana", anon="d1")
    assert consent(shop.person("user_id:ana"), "marketing", "email") is False


def test_a_signal_takes_back_once_what_is_on_its_way() -> None:
    shop = Shop()
    visit(shop, user="ana")
    first = shop.now
    visit(shop, user="ana")
    shop.engine.drain()
    assert shop.shelf.withdrawals == {(person_id("user_id:ana"), "marketing", "*"): first}


def test_g1_a_cut_takes_back_what_a_grant_had_cancelled_even_once_they_are_joined_again() -> None:
    shop = Shop()
    shop.join("user_id:p", "user_id:q")
    shop.do("page_viewed", user="p")
    shop.do("page_viewed", user="q")
    shop.allow("p", granted=False)
    shop.wait(MINUTE)
    shop.allow("q")
    assert consent(shop.person("user_id:p"), "marketing", "email") is True
    shop.wait(MINUTE)
    shop.join("user_id:p", "user_id:q", cut=True)
    shop.wait(MINUTE)
    shop.join("user_id:p", "user_id:q")
    assert consent(shop.person("user_id:p"), "marketing", "email") is False


def test_a_word_that_ends_it_takes_back_every_purpose_on_its_channel() -> None:
    leaf = Leaf("user_id:u", 0, 0)
    for purpose in ("marketing", "news"):
        for channel in ("sms", "email"):
            remember(leaf, purpose, channel, 5, "m1", granted=True)
    person = Person("p", {"user_id:u"}, {"user_id:u": leaf})
    (said,) = statements("sms_replied", {"text": "Stop."})
    assert statements("sms_replied", {"text": "When do you stop?"}) == []
    remember(leaf, said[0], said[1], 6, "m2", said[2])
    found = {
        (p, c): consent(person, p, c)
        for p in ("marketing", "news", "new")
        for c in ("sms", "email")
    }
    assert found == {
        ("marketing", "sms"): False, ("news", "sms"): False, ("new", "sms"): False,
        ("marketing", "email"): True, ("news", "email"): True, ("new", "email"): None,
    }  # fmt: skip
    remember(leaf, "news", "sms", 7, "m3", granted=True)
    assert consent(person, "news", "sms") is True, "allowed again in so many words"
    assert consent(person, "marketing", "sms") is False
