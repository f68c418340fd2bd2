"""Who sees what on the website: nobody reads another's messages by claiming to be them."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.record import CLAIMED, VERIFIED
from profile_state.browsers import MOST, browsers
from tests.shop import MINUTE, Shop, an_event

PHONE, LAPTOP, OTHER = (f"{name}-drawn-at-random" for name in ("phone", "laptop", "other"))
WELCOME = {
    "triggers/hello.yaml": """
trigger: hello
when: {event: product_viewed}
reentry: always
do: [{send: {channels: [web, email], template: hello}}]
deliver: {purpose: product, quiet_hours: off}
""",
    "templates/hello.liquid": "---\nsubject: Hello\n---\nHello",
}


def verified(shop: Shop, user: str, anon: str, **more: Any) -> None:
    shop.do("identify", user=user, anon=anon, trust=VERIFIED, **more)


def addresses(shop: Shop) -> list[tuple[str, str | None]]:
    return [(one.channel, one.address) for one in shop.sent_by("hello")]


def test_a_visitor_whom_nobody_knows_is_shown_it_in_their_browser() -> None:
    shop = Shop(WELCOME)
    shop.do("product_viewed", anon=PHONE)
    assert addresses(shop) == [("web", PHONE)]


def test_a_browser_that_a_server_tied_to_a_user_is_theirs() -> None:
    shop = Shop(WELCOME)
    verified(shop, "ana", PHONE)
    shop.do("product_viewed", user="ana")
    assert addresses(shop) == [("web", PHONE)]


def test_a_browser_that_claims_to_be_somebody_is_shown_nothing_of_theirs() -> None:
    shop = Shop(WELCOME)
    shop.do("identify", user="ana", trust=VERIFIED, traits={"email": "ana@shop.example"})
    shop.do("identify", user="ana", anon=OTHER)
    shop.do("product_viewed", user="ana", anon=OTHER)
    assert addresses(shop) == [("email", "ana@shop.example")]


def test_nor_is_it_where_nobody_but_that_browser_ever_spoke_of_the_user() -> None:
    shop = Shop(WELCOME)
    shop.do("identify", user="ana", anon=OTHER)
    shop.do("product_viewed", user="ana", anon=OTHER)
    assert shop.refusals("hello") == ["refused:no_address"]


def test_a_claim_beside_a_browser_that_is_known_changes_nothing() -> None:
    shop = Shop(WELCOME)
    verified(shop, "ana", PHONE)
    shop.do("identify", user="ana", anon=OTHER)
    shop.do("product_viewed", user="ana", anon=OTHER)
    assert addresses(shop) == [("web", PHONE)]


def test_of_two_visitors_who_claim_to_be_one_neither_is_shown_anything() -> None:
    shop = Shop(WELCOME)
    shop.do("product_viewed", anon=PHONE)
    said = an_event("alias", anon=OTHER, time=shop.now, message_id="claim")
    both = (f"anonymous_id:{OTHER}", f"anonymous_id:{PHONE}")
    shop.say([msgspec.structs.replace(said, ids=both)])
    shop.do("product_viewed", anon=PHONE)
    assert addresses(shop) == [("web", PHONE)], "before, and not after"


def test_an_operators_word_counts_and_a_cut_takes_it_back() -> None:
    shop = Shop(WELCOME)
    shop.do("page_viewed", user="ana")
    shop.do("page_viewed", anon=PHONE)
    shop.join("user_id:ana", f"anonymous_id:{PHONE}")
    assert browsers(shop.person("user_id:ana")) == [PHONE]
    shop.wait(MINUTE)
    shop.join("user_id:ana", f"anonymous_id:{PHONE}", cut=True)
    assert browsers(shop.person("user_id:ana")) == []


def test_those_seen_last_come_first_and_there_are_not_many() -> None:
    shop = Shop(WELCOME)
    for nth in range(MOST + 2):
        verified(shop, "ana", f"browser-number-{nth:04}")
    for nth in (3, 1):
        shop.wait(MINUTE)
        shop.do("page_viewed", anon=f"browser-number-{nth:04}")
    found = browsers(shop.person("user_id:ana"))
    assert found[:2] == ["browser-number-0001", "browser-number-0003"]
    assert len(found) == MOST


def test_an_id_that_could_be_guessed_is_no_address() -> None:
    shop = Shop(WELCOME)
    for anon in ("short", "with a space in it", "é" * 20):
        shop.do("product_viewed", anon=anon)
    assert shop.refusals("hello") == ["refused:no_address"] * 3


ATTACKERS = ("attacker-number-one-", "attacker-number-two-")
USERS = ("ana", "bob")
# What a browser's key can say that ties two identifiers, where its sender knows no other's browser.
claims = st.tuples(
    st.sampled_from([f"user_id:{u}" for u in (*USERS, "mallory")])
    | st.sampled_from([f"anonymous_id:{a}" for a in ATTACKERS]),
    st.sampled_from([f"user_id:{u}" for u in USERS] + [f"anonymous_id:{a}" for a in ATTACKERS]),
    st.just(CLAIMED),
)
# What a server says of its users; a shared computer is among it, and a mailbox.
words = st.tuples(
    st.sampled_from([f"user_id:{u}" for u in USERS]),
    st.sampled_from([f"anonymous_id:{b}" for b in (PHONE, LAPTOP)] + ["email:ana@shop.example"]),
    st.just(VERIFIED),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(claims | words, max_size=10))
def test_no_browsers_key_becomes_the_address_of_somebody_elses_message(
    said: list[tuple[str, str, int]],
) -> None:
    shop = Shop()
    honest = {"user_id:ana", "user_id:bob", f"anonymous_id:{OTHER}", "email:ana@shop.example"}
    honest |= {f"anonymous_id:{PHONE}", f"anonymous_id:{LAPTOP}"}
    shop.do("page_viewed", user="ana", trust=VERIFIED)
    shop.do("page_viewed", anon=OTHER)
    for nth, (one, other, trust) in enumerate(said):
        shop.wait(1000)
        event = an_event("identify", user="x", time=shop.now, message_id=f"m{nth}", trust=trust)
        ids = (one,) if one == other else (one, other)
        shop.say([msgspec.structs.replace(event, leaf=one, ids=ids)])
    for person in {p.id: p for p in shop.engine.state.people.values()}.values():
        found = browsers(person)
        if person.ids & honest:
            assert not set(found) & set(ATTACKERS), (person, said)
        if person.ids == {f"anonymous_id:{OTHER}"}:
            assert found == [OTHER], "and nobody can keep it from a visitor"
