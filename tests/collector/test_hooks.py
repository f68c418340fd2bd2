"""Webhooks of other systems, mapped by the files of examples/shop."""

import hmac
import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.door import Door
from collector.handle import handle
from collector.hooks.answers import Hooks
from collector.keys import KeyRing
from collector.outcome import Accepted
from collector.request import Request, Response
from events.record import VERIFIED, DeadLetter, Event
from flows.workspace_folder import read_folder
from tests.docs.pages import ROOT
from triggers.loading.webhooks import hooks_of

NOW_MS = 1_795_500_000_000  # 2026-11-24T06:00:00Z
SECRET = "whsec_" + b64encode(b"k" * 24).decode()
FILES = read_folder(ROOT / "examples/shop")
ORDER = {
    "id": 820982911946154508,
    "email": "Jon@Shop.example",
    "total_price": "254.98",
    "currency": "USD",
    "customer": {"id": 115310627314723954, "first_name": "Jon", "last_name": "Snow"},
    "line_items": [{"product_id": 788032119674292922}, {"product_id": None}],
}


def hooks(*files: str) -> Hooks:
    texts = {f"webhooks/h{n}.yaml": text for n, text in enumerate(files)} or FILES
    found, problems = hooks_of(texts)
    assert problems == []
    return Hooks({n: msgspec.structs.replace(h, secret=SECRET) for n, h in found.items()})


def ask(at: Hooks, name: str, body: Any, headers: dict[str, str], now_ms: int = NOW_MS) -> Any:
    sent = {key.lower().encode(): value.encode() for key, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", f"/v1/hooks/{name}", b"", sent, raw)
    return handle(request, Door(KeyRing(), hooks=at), now_ms * 1000)


def events(done: Any) -> list[Event]:
    assert isinstance(done, Accepted), done
    done.settle(True)
    assert all(isinstance(one, Event) for one in done.records), done.records
    return [one for one in done.records if isinstance(one, Event)]


def signed(body: Any, header: str) -> dict[str, str]:
    digest = hmac.digest(SECRET.encode(), json.dumps(body).encode(), "sha256")
    return {header: b64encode(digest).decode()}


def stripe(body: Any, at_ms: int = NOW_MS) -> dict[str, str]:
    at = str(at_ms // 1000)
    said = hmac.new(SECRET.encode(), f"{at}.{json.dumps(body)}".encode(), sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={'0' * 64},v1={said},v0=old"}


def test_an_order_of_shopify() -> None:
    more = {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": "b54557e4",
        "X-Shopify-Triggered-At": "2026-11-24T05:59:58Z",
    }
    order = {
        **ORDER,
        "id": 8209829,
        "customer": {"id": 1153, "first_name": "Jon", "last_name": "Snow"},
        "line_items": [{"product_id": 7}, {"product_id": 9}],
    }
    who, bought = events(
        ask(hooks(), "shopify", order, signed(order, "X-Shopify-Hmac-Sha256") | more)
    )
    assert (who.name, who.leaf, who.trust) == ("identify", "user_id:1153", VERIFIED)
    assert who.addresses == {"email": "jon@shop.example"}
    assert who.traits["last_name"] == "Snow"
    assert (bought.name, bought.leaf, bought.message_id) == (
        "order_completed",
        "user_id:1153",
        "b54557e4",
    )
    assert bought.properties == {
        "order_id": 8209829,
        "total": "254.98",
        "currency": "USD",
        "products": [7, 9],
    }
    assert bought.time == NOW_MS - 2_000
    assert bought.source == who.source == "hook:shopify"


def test_numbers_that_would_not_survive_are_kept_as_a_dead_letter_with_the_reason() -> None:
    """As everywhere: an id beyond 2^53 - 1 is never rounded."""
    more = {"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "b54557e4"}
    done = ask(hooks(), "shopify", ORDER, signed(ORDER, "X-Shopify-Hmac-Sha256") | more)
    assert isinstance(done, Accepted)
    letters = [one for one in done.records if isinstance(one, DeadLetter)]
    assert letters
    assert {one.code for one in letters} <= {"number_out_of_range", "invalid_id"}
    assert done.response.status == 200
    assert msgspec.json.decode(done.response.body)["rejected"]


def test_a_guests_order_of_woocommerce_is_of_whoever_has_the_address() -> None:
    order = {
        "id": 727,
        "customer_id": 0,
        "total": "29.35",
        "currency": "EUR",
        "billing": {"email": "guest@shop.example", "first_name": "Gus"},
        "line_items": [{"sku": "tee"}],
    }
    head = signed(order, "X-WC-Webhook-Signature") | {"X-WC-Webhook-Topic": "order.created"}
    who, bought = events(ask(hooks(), "woocommerce", order, head))
    assert who.leaf == bought.leaf == "email:guest@shop.example"
    assert bought.properties["products"] == ["tee"]
    again = events(ask(hooks(), "woocommerce", order, head))
    assert [one.key for one in again] == [who.key, bought.key], "the same body is the same call"


def test_a_payment_of_stripe_counts_cents() -> None:
    session = {"id": "cs_1", "client_reference_id": "u1", "amount_total": 1999, "currency": "eur"}
    body = {
        "id": "evt_1",
        "type": "checkout.session.completed",
        "created": NOW_MS // 1000 - 5,
        "data": {"object": session},
    }
    (paid,) = events(ask(hooks(), "stripe", body, stripe(body)))
    assert paid.properties == {"order_id": "cs_1", "total": 19.99, "currency": "eur"}
    assert (paid.leaf, paid.message_id, paid.time) == ("user_id:u1", "evt_1", NOW_MS - 5_000)


def test_what_is_not_mapped_is_counted_and_answered_200() -> None:
    body = {"id": "evt_1", "type": "charge.refunded"}
    answer = ask(hooks(), "stripe", body, stripe(body))
    assert isinstance(answer, Response)
    assert (answer.status, msgspec.json.decode(answer.body)["ignored"]) == (200, 1)


def test_a_signed_time_is_near_and_a_call_is_taken_once() -> None:
    session = {"id": "cs_1", "client_reference_id": "u1"}
    body = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": session}}
    at = hooks()
    head = stripe(body)
    assert len(events(ask(at, "stripe", body, head))) == 1
    again = ask(at, "stripe", body, head)
    assert isinstance(again, Response)
    assert msgspec.json.decode(again.body)["repeated"] is True
    for off in (-301_000, 301_000):
        late = ask(hooks(), "stripe", body, head, NOW_MS + off)
        assert isinstance(late, Response)
        assert late.status == 403
    failed = hooks()
    first = ask(failed, "stripe", body, head)
    assert isinstance(first, Accepted)
    busy = ask(failed, "stripe", body, head)
    assert isinstance(busy, Response)
    assert busy.status == 503
    first.settle(False)
    assert len(events(ask(failed, "stripe", body, head))) == 1


OTHER = """
webhook: other
signature: {%s}
kind: kind
calls:
  sale: {event: sold, user: who, properties: {all: "items[].n", second: "items[1].n", no: "items[9].n"}}
"""
SALE = {"kind": "sale", "who": "u1", "items": [{"n": 1}, {"n": 2}]}


@pytest.mark.parametrize(
    ("signature", "headers"),
    [
        ("kind: token, header: X-Token", {"X-Token": SECRET}),
        ("kind: basic", {"Authorization": "Basic " + b64encode(SECRET.encode()).decode()}),
        (
            "kind: hmac, header: X-Hub, encoding: hex, prefix: 'sha256='",
            {
                "X-Hub": "sha256="
                + hmac.new(SECRET.encode(), json.dumps(SALE).encode(), sha256).hexdigest()
            },
        ),
    ],
)
def test_every_way_to_sign(signature: str, headers: dict[str, str]) -> None:
    (sold,) = events(ask(hooks(OTHER % signature), "other", SALE, headers))
    assert sold.properties == {"all": [1, 2], "second": 2}
    for name, value in headers.items():
        wrong = headers | {name: value[:-2] + ("AA" if value[-2:] != "AA" else "BB")}
        assert ask(hooks(OTHER % signature), "other", SALE, wrong).status == 403, name
        gone = {key: said for key, said in headers.items() if key != name}
        assert ask(hooks(OTHER % signature), "other", SALE, gone).status == 403, name
    assert ask(hooks(OTHER % signature), "other", {**SALE, "who": "u2"}, {}).status == 403


def test_standard_webhooks_by_the_example_of_its_specification() -> None:
    text = """
    webhook: other
    signature: {kind: standard}
    kind: header.x-kind
    calls: {sale: {event: sold, user: header.x-who, properties: {n: test}}}
    """
    found, _ = hooks_of({"webhooks/o.yaml": text})
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = Hooks({"other": msgspec.structs.replace(found["other"], secret=secret)})
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "x-kind": "sale",
        "x-who": "u1",
    }
    body = b'{"test": 2432232314}'
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        wrong = {key: said for key, said in headers.items() if key != name}
        assert ask(at, "other", body, wrong, 1_614_265_330_000).status == 403, name
    assert ask(at, "other", body + b" ", headers, 1_614_265_330_000).status == 403
    assert ask(at, "other", body, headers, 1_614_265_631_000).status == 403
    (sold,) = events(ask(at, "other", body, headers, 1_614_265_330_000))
    assert sold.properties == {"n": 2432232314}


def test_without_a_secret_nobody_is_let_in() -> None:
    found, _ = hooks_of({"webhooks/o.yaml": OTHER % "kind: token, header: X-Token"})
    for headers in ({}, {"X-Token": ""}):
        assert ask(Hooks(found), "other", SALE, headers).status == 403


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("kind: token, header: X", "kind: hmac"),
            "webhooks/o.yaml:3:12: hmac needs the key 'header'",
        ),
        (
            ("user: who, ", ""),
            "webhooks/o.yaml:6:9: one of 'user', 'anonymous' and 'email' must say",
        ),
        (
            ("event: sold, ", ""),
            "webhooks/o.yaml:6:9: 'event' or 'traits' must say what it becomes",
        ),
        (("items[1].n", "items[1.n"), "webhooks/o.yaml:6:74: a path such as"),
        (("kind: kind", "knd: kind"), "unknown key 'knd'. Did you mean 'kind'?"),
        (("webhook: other", "webhook: ../x"), "webhooks/o.yaml:2:10: "),
    ],
)
def test_a_mistake_is_named_where_it_stands(change: tuple[str, str], said: str) -> None:
    text = (OTHER % "kind: token, header: X").replace(*change)
    found, problems = hooks_of(
        {"webhooks/o.yaml": text, "webhooks/good.yaml": FILES["webhooks/stripe.yaml"]}
    )
    assert list(found) == ["stripe"]
    assert said in str(problems[0])


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["kind", "who", "items", "n"]) , inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_is_posted_is_answered(body: bytes) -> None:
    at = hooks(OTHER % "kind: token, header: X-Token")
    done = ask(at, "other", body, {"X-Token": SECRET})
    assert done.response.status == 200 if isinstance(done, Accepted) else done.status in (200, 400)
