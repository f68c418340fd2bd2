"""What anybody can do with a browser's key, which is public: through the door, to the real engine."""

import time
from typing import Any

import jwt
import msgspec
import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request
from events.proofs import Prover
from events.record import DeadLetter, Event
from profile_state.consent import consent
from profile_state.reach import good
from profile_state.stated import claimed
from tests.shop import MINUTE, Shop
from tests.triggers.test_core import TEMPLATES, simple

BROWSER, BROWSER_KEY = create("browser", "web", "2026-11-25T00:00:00Z")
SERVER, SERVER_KEY = create("server", "shop", "2026-11-25T00:00:00Z")
SECRET = "s" * 32
DOOR = Door(KeyRing([BROWSER_KEY, SERVER_KEY]), prover=Prover(SECRET, "kairos"))
THIEF, VICTIM = "thief@evil.example", "ana@shop.example"


class Site(Shop):
    """A shop whose events come through the door."""

    def post(self, key: str, *calls: dict[str, Any]) -> list[Any]:
        self.sent_calls = getattr(self, "sent_calls", 0) + 1
        ids = {"messageId": f"call{self.sent_calls}"}
        batch = [{**ids, **call, "messageId": f"call{self.sent_calls}.{n}"}
                 for n, call in enumerate(calls)]  # fmt: skip
        body = msgspec.json.encode({"batch": batch})
        head = {b"authorization": f"Bearer {key}".encode()}
        done = handle(Request("POST", "/v1/batch", b"", head, body), DOOR, self.now * 1000)
        assert isinstance(done, Accepted), done
        self.say([one for one in done.records if isinstance(one, Event)])
        return list(done.records)

    def identify(self, key: str, user: str, anon: str = "", **more: Any) -> Event:
        who = {"userId": user} | ({"anonymousId": anon} if anon else {})
        (event,) = self.post(key, {"type": "identify", **who, **more})
        assert isinstance(event, Event)
        return event

    def token(self, user: str, *, aud: str = "kairos", seconds: int = 900, **more: Any) -> str:
        until = self.now // 1000 + seconds
        return jwt.encode({"sub": user, "aud": aud, "exp": until, **more}, SECRET)


def site() -> Site:
    offer = simple("offer", "visited", "reentry: always")
    return Site({**TEMPLATES, "triggers/offer.yaml": offer})


def known(shop: Site, user: str, email: str) -> None:
    shop.identify(SERVER, user, traits={"email": email, "first_name": user})
    said = {"purpose": "marketing", "granted": True}
    shop.post(
        SERVER, {"type": "track", "event": "Consent Updated", "userId": user, "properties": said}
    )
    shop.wait(MINUTE)


def test_r47_a_browser_does_not_change_where_messages_go() -> None:
    shop = site()
    known(shop, "ana", VICTIM)
    shop.identify(BROWSER, "ana", "a1", traits={"email": THIEF, "phone": "+491700000000"})
    shop.post(BROWSER, {"type": "track", "event": "Visited", "userId": "ana"})
    (message,) = shop.sent
    assert message.address == VICTIM
    person = shop.person("user_id:ana")
    assert person.view.traits["email"][2] == VICTIM
    assert person.view.addresses.keys() == {"email:ana@shop.example"}
    assert claimed(person.view.traits["phone"])
    assert shop.count("claimed_addresses") == 1


def test_r47_an_address_that_only_a_browser_named_is_marked_and_gets_nothing() -> None:
    shop = site()
    shop.identify(BROWSER, "ana", "a1", traits={"email": THIEF})
    shop.post(SERVER, {"type": "track", "event": "Visited", "userId": "ana"})
    assert shop.sent == []
    person = shop.person("user_id:ana")
    assert claimed(person.view.traits["email"])
    assert person.view.addresses == {}


@pytest.mark.parametrize("order", ["server first", "browser first"])
def test_a_servers_word_on_a_trait_stands_in_any_order(order: str) -> None:
    shop = site()
    said = [(SERVER, "gold"), (BROWSER, "none")]
    for key, tier in said if order == "server first" else said[::-1]:
        shop.identify(key, "ana", "a1", traits={"tier": tier})
        shop.wait(MINUTE)
    assert shop.person("user_id:ana").view.traits["tier"][2] == "gold"
    shop.identify(BROWSER, "ana", "a1", traits={"color": "red"})
    shop.wait(MINUTE)
    shop.identify(BROWSER, "ana", "a1", traits={"color": "blue"})
    assert shop.person("user_id:ana").view.traits["color"][2] == "blue"


def test_r48_a_browser_links_no_two_users() -> None:
    shop = site()
    known(shop, "ana", VICTIM)
    known(shop, "bob", THIEF)
    alias = {"type": "alias", "userId": "bob", "previousId": "user_id:ana"}
    own = {"context": {"identity_token": shop.token("bob")}}
    for call in (alias, {**alias, **own}):
        shop.post(BROWSER, call)
        assert shop.person("user_id:ana") is not shop.person("user_id:bob")
    refused = shop.person("user_id:ana").refused
    assert [(e.a, e.b) for e in refused] == [("user_id:ana", "user_id:bob")]
    assert shop.count("merge_refused") >= 1


def test_r48_a_valid_token_ties_a_visitor_to_their_own_id_and_no_other_does() -> None:
    shop = site()
    known(shop, "ana", VICTIM)
    shop.identify(BROWSER, "bob", "tablet")

    def tied(token: Any) -> tuple[bool, Event]:
        event = shop.identify(BROWSER, "ana", "tablet", context={"identity_token": token})
        shop.wait(MINUTE)
        return shop.person("anonymous_id:tablet") is shop.person("user_id:ana"), event

    wrong = {
        "expired": shop.token("ana", seconds=-120),
        "for another audience": shop.token("ana", aud="another"),
        "of another user": shop.token("bob"),
        "good for a year": shop.token("ana", seconds=365 * 86_400),
        "signed by somebody": jwt.encode({"sub": "ana", "aud": "kairos", "exp": 2**40}, "t" * 32),
        "not signed": jwt.encode(
            {"sub": "ana", "aud": "kairos", "exp": 2**40}, "", algorithm="none"
        ),
        "no token": "nonsense",
        "no text": {"sub": "ana"},
    }
    for name, token in wrong.items():
        joined, event = tied(token)
        assert not joined, name
        assert "identity_refused" in event.flags, name
    joined, event = tied(shop.token("ana"))
    assert joined, "a more trusted word decides whose the shared device is"
    assert event.flags == ("clock_missing",)
    assert b"identity_token" not in msgspec.msgpack.encode(event), "a token is nobody's to keep"


def test_a_token_vouches_for_the_addresses_in_it_and_for_no_others() -> None:
    shop = site()
    named = {"traits": {"email": THIEF}}
    shop.identify(BROWSER, "ana", "a1", **named, context={"identity_token": shop.token("ana")})
    assert shop.person("user_id:ana").view.addresses == {}
    token = shop.token("ana", email=" Ana@Shop.example ", phone="nonsense")
    shop.identify(BROWSER, "ana", "a1", **named, context={"identity_token": token})
    assert good(shop.person("user_id:ana").view) == {"email": VICTIM}
    assert "email:" + VICTIM in shop.person("user_id:ana").ids


def test_consent_in_a_browser_is_the_visitors_until_a_token_says_who_they_are() -> None:
    shop = site()
    known(shop, "ana", VICTIM)
    shop.identify(BROWSER, "ana", "a1")
    call = {"type": "track", "event": "Consent Updated", "userId": "ana", "anonymousId": "a1"}

    def say(granted: bool, **more: Any) -> Event:
        shop.wait(MINUTE)
        said = {"purpose": "news", "granted": granted}
        (event,) = shop.post(BROWSER, {**call, "properties": said, **more})
        assert isinstance(event, Event)
        return event

    assert say(True).leaf == "anonymous_id:a1"
    assert consent(shop.person("user_id:ana"), "news", "email") is None
    assert say(True, context={"identity_token": shop.token("ana")}).leaf == "user_id:ana"
    assert consent(shop.person("user_id:ana"), "news", "email") is True
    assert say(False).leaf == "anonymous_id:a1"
    assert consent(shop.person("user_id:ana"), "news", "email") is False, (
        "what somebody denies counts at once"
    )
    (letter,) = shop.post(BROWSER, {**call, "anonymousId": None, "properties": {"purpose": "news"}})
    assert isinstance(letter, DeadLetter)
    assert letter.code == "identity_needed"


def test_traits_of_a_browser_push_none_of_a_servers_out() -> None:
    shop = site()
    shop.identify(SERVER, "ana", traits={f"s{n}": n for n in range(200)})
    for start in range(0, 1_200, 200):
        shop.identify(BROWSER, "ana", "a1", traits={f"b{start + n}": n for n in range(200)})
        shop.wait(MINUTE)
    traits = shop.person("user_id:ana").view.traits
    assert all(f"s{n}" in traits for n in range(200))
    assert len(traits) <= 1_000


def test_tokens_that_say_nothing_cost_little() -> None:
    """A batch of five thousand of them is no way to stop the door."""
    token = "eyJhbGciOiJIUzI1NiJ9." + "e30." + "A" * 43
    call = {"type": "page", "userId": "ana", "anonymousId": "a1"}
    batch = [{**call, "context": {"identity_token": token + str(n)}} for n in range(5_000)]
    request = Request("POST", "/v1/batch", b"", {b"authorization": f"Bearer {BROWSER}".encode()},
                      msgspec.json.encode({"batch": batch}))  # fmt: skip
    began = time.process_time()
    done = handle(request, DOOR, 10**15)
    assert isinstance(done, Accepted)
    assert time.process_time() - began < 5
