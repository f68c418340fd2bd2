"""What is made of a usual call is what is made of any call, byte for byte."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from events.arrival import Arrival
from events.limits import Limits
from events.parse import any_call
from events.record import CLAIMED, VERIFIED, Event, encode
from events.usual import usual
from events.wire import NO_CONTEXT, RawContext, RawEvent
from tests.collector.test_sdks import DATA, captured

NOW = 1_795_572_770_000  # ms; 2026-11-25T02:12:50Z
BROWSER = Arrival("web", CLAIMED, NOW * 1000)

_times = st.sampled_from(
    [
        "2026-11-25T02:12:49.246Z",
        "2026-11-25T03:12:49+01:00",
        "2026-11-24T02:12:49",
        "1999-01-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
        "1795572769246",
        "soon",
        "",
    ]
)
_odd = st.sampled_from(
    [
        None,
        "",
        0,
        7,
        -0.5,
        True,
        2**60,
        [],
        {},
        [1],
        {"a": 1},
        "x" * 300,
        "\x07",
        "é" * 200,
        "t" * 20,
    ]
)
_texts = st.text(max_size=12)
_keys = st.sampled_from(
    [
        "price",
        "firstName",
        "first_name",
        "__proto__",
        "machine",
        "sg_machine_open",
        "k" * 40,
        "email",
        "",
    ]
) | st.text(max_size=4)
_values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) - 1, 2**53 + 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts
    | st.sampled_from([[], {}, [{"sku": "s"}], {"a": {"b": 1}}, "x" * 9000])
)
_PARTS = {
    "campaign": ("source", "medium", "name", "term", "content"),
    "page": ("path", "url", "referrer", "title"),
    "device": ("type", "manufacturer", "model", "name", "token"),
    "os": ("name", "version"),
    "app": ("name", "version", "build", "namespace"),
    "location": ("country", "city"),
}


def _changed(
    plain: dict[str, Any], odd: dict[str, st.SearchStrategy[Any]], most: int
) -> st.SearchStrategy[dict[str, Any]]:
    """Draw an object with some fields that are not as in a plain one."""
    one = st.one_of(*(st.tuples(st.just(name), values) for name, values in odd.items()))
    return st.lists(one, max_size=most).map(lambda changes: plain | dict(changes))


_contexts = _changed(
    {
        "userAgent": "Mozilla/5.0",
        "locale": "de-DE",
        "page": {"path": "/p1", "title": "P1"},
        "os": {"name": "Linux", "version": "6"},
        "campaign": {},
        "library": {"name": "analytics.js"},
    },
    {
        "userAgent": _texts | _odd,
        "locale": _texts | _odd,
        "timezone": _texts | _odd,
        "traits": st.just({"email": "ana@shop.example"}) | _odd,
        "gpc": _odd,
        "identity_token": _odd,
        **{
            part: _changed({}, dict.fromkeys(keys, _texts | _odd), 3) | _odd
            for part, keys in _PARTS.items()
        },
    },
    2,
)
_calls = _changed(
    {
        "type": "track",
        "event": "Product Viewed",
        "userId": "u1",
        "anonymousId": "a1",
        "messageId": "m1",
        "timestamp": "2026-11-25T02:12:49.246Z",
        "sentAt": "2026-11-25T02:12:49.300Z",
        "properties": {"productId": "p1", "value": 9.5, "count": 2, "new": True, "coupon": None},
    },
    {
        "type": st.sampled_from(["track", "page", "screen", "identify", "alias", "TRACK"]) | _odd,
        "event": st.sampled_from(["Seen", "unsubscribed", "Delivery Failed", "!", " "]) | _odd,
        "userId": st.sampled_from(["u1", " u1 ", "null", "undefined"]) | _odd,
        "anonymousId": st.sampled_from(["a1", "0000", "a\n"]) | _texts | _odd,
        "messageId": _texts | _odd,
        "timestamp": _times | _odd,
        "originalTimestamp": _times | _odd,
        "sentAt": _times | _odd,
        **dict.fromkeys(("name", "category", "groupId", "previousId"), _odd),
        **dict.fromkeys(("traits", "scores", "trigger", "integrations"), _odd),
        "properties": st.dictionaries(_keys, _values, max_size=6) | _odd,
        "context": _contexts | _odd,
    },
    3,
)
_arrivals = st.builds(
    Arrival,
    st.just("web"),
    st.sampled_from([CLAIMED, VERIFIED]),
    st.just(NOW * 1000),
    st.sampled_from(["", "", "", "track", "page", "identify"]),
    sent_at=_times | _odd,
    context=st.sampled_from([NO_CONTEXT] * 6 + [RawContext(locale="de")]),
    limits=st.sampled_from(
        [
            *[Limits()] * 6,
            Limits(event_bytes=200),
            Limits(keys=2),
            Limits(nodes=3),
            Limits(string_bytes=150, id_bytes=40),
        ]
    ),
    import_id=st.sampled_from(["", "", "i1"]),
    gpc=st.booleans(),
    replayed=st.booleans(),
)


def agree(body: bytes, arrival: Arrival = BROWSER) -> bool:
    """Compare the two ways, and return whether the call was usual."""
    found = usual(body, arrival)
    if found is None:
        return False
    other = any_call(body, arrival)
    assert isinstance(other, Event), other
    assert encode([found]) == encode([other])
    return True


@settings(max_examples=2_000)
@given(_calls, _contexts, _arrivals)
@example(
    {"type": "track", "event": "Seen", "userId": "u1"},
    {"device": {"model": "Pixel", "token": "t" * 20}},
    Arrival("shop", VERIFIED, NOW * 1000),
)
def test_a_usual_call_becomes_what_any_call_becomes(
    call: dict[str, Any], context: dict[str, Any], arrival: Arrival
) -> None:
    body = json.dumps({"context": context} | call).encode()
    event("usual" if agree(body, arrival) else "any")


@pytest.mark.parametrize("name", RawEvent.__struct_encode_fields__)
@pytest.mark.parametrize("value", [b"1e999", b"[1e999]", b'{"a":1e999}', b'"\xff"', b"9" * 400])
def test_a_value_that_is_none_is_none_wherever_it_stands(name: str, value: bytes) -> None:
    body = b'{"type":"track","event":"Seen","userId":"u","%b":%b}' % (name.encode(), value)
    agree(body)


@given(st.binary() | st.text().map(str.encode))
def test_what_is_no_json_is_not_usual(body: bytes) -> None:
    assert not agree(body)


@pytest.mark.parametrize("name", DATA)
def test_what_the_sdks_send_most_is_usual(name: str) -> None:
    """All but what says more: who somebody is, a name of a page, a product in a product."""
    _, body = captured(name)
    for call in body.get("batch", [body]):
        plain = all(type(v) not in (dict, list) for v in (call.get("properties") or {}).values())
        unnamed = call.get("name") is None and call.get("category") is None
        expected = call["type"] in ("track", "page", "screen") and plain and unnamed
        assert agree(msgspec.json.encode(call)) == expected, call
