import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.arrival import Arrival
from events.names import slug
from events.parse import parse
from events.record import CLAIMED, VERIFIED, Event, decode, encode
from events.rejected import Rejected

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_795_572_770_000  # ms; 2026-11-25T02:12:50Z
BROWSER = Arrival("web", CLAIMED, NOW * 1000)
SERVER = Arrival("shop", VERIFIED, NOW * 1000)


def outcome(arrival: Arrival = BROWSER, **fields: Any) -> Event | Rejected:
    sent = {"type": "track", "event": "Seen", "anonymousId": "a1", "messageId": "m1", **fields}
    return parse(json.dumps(sent).encode(), arrival)


def event(arrival: Arrival = BROWSER, **fields: Any) -> Event:
    found = outcome(arrival, **fields)
    assert isinstance(found, Event), found
    return found


def code(arrival: Arrival = BROWSER, **fields: Any) -> str:
    found = outcome(arrival, **fields)
    assert isinstance(found, Rejected), found
    return found.code


def iso(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


# Identifiers


def test_a1_a_blocked_id_is_one_warning() -> None:
    for blocked in ("", "null", "undefined", "0", "[object Object]"):
        found = event(type="identify", userId=blocked, sentAt=iso(NOW), timestamp=iso(NOW))
        assert (found.ids, found.flags) == (("anonymous_id:a1",), ("blocked_id",))


@pytest.mark.parametrize(
    "blocked",
    [
        "NULL",
        "0000",
        "Anonymous",
        "",
        " ",
        "None",
        "nil",
        "n/a",
        "NaN",
        "guest",
        "TRUE",
        0,
        False,
        "00000000-0000-0000-0000-000000000000",
        "[Object Object]",
        None,
    ],
)
def test_r31_blocked_ids_never_join(blocked: object) -> None:
    assert event(userId=blocked).ids == ("anonymous_id:a1",)
    assert event(userId="u1", anonymousId=blocked).ids == ("user_id:u1",)
    assert code(userId=blocked, anonymousId=blocked) == "no_identifier"
    assert event(type="alias", userId="u1", previousId=blocked).ids == (
        "user_id:u1",
        "anonymous_id:a1",
    )


def test_an_empty_user_id_on_a_page_is_how_an_sdk_says_nobody_yet() -> None:
    assert "blocked_id" not in event(type="page", userId="").flags


def test_the_leaf_is_the_user_then_the_browser() -> None:
    assert event(userId="u1").ids == ("user_id:u1", "anonymous_id:a1")
    assert event().leaf == "anonymous_id:a1"
    assert event(userId=1001).leaf == "user_id:1001"


def test_a_browsers_address_is_a_trait_and_joins_nobody() -> None:
    found = event(type="identify", userId="u1", traits={"email": " Ana@Shop.Example"})
    assert found.ids == ("user_id:u1", "anonymous_id:a1")
    assert found.traits == {"email": "ana@shop.example"}
    assert (
        code(type="identify", anonymousId=None, traits={"email": "a@b.example"}) == "no_identifier"
    )


def test_a_servers_address_is_an_identifier() -> None:
    found = event(SERVER, type="identify", userId="u1", traits={"email": "Ana@Shop.Example"})
    assert found.ids == ("user_id:u1", "anonymous_id:a1", "email:ana@shop.example")
    alone = event(SERVER, anonymousId=None, properties={"email": "Ana@Shop.Example"})
    assert alone.leaf == "email:ana@shop.example"


def test_the_address_in_a_track_is_not_the_persons_when_there_is_a_person() -> None:
    found = event(SERVER, event="Friend Invited", userId="u1", properties={"email": "b@b.example"})
    assert found.ids == ("user_id:u1", "anonymous_id:a1")


def test_a2_alias_of_two_user_ids_ties_nothing_that_belongs_to_the_other() -> None:
    found = event(SERVER, type="alias", anonymousId=None, userId="Alice", previousId="Bob")
    assert found.leaf == "user_id:Alice"
    assert found.ids == ("user_id:Alice", "anonymous_id:Bob")
    insisting = event(
        SERVER, type="alias", anonymousId=None, userId="Alice", previousId="user_id:Bob"
    )
    assert insisting.ids == ("user_id:Alice", "user_id:Bob")


def test_ids_that_are_none_are_refused() -> None:
    for bad in ("x" * 256, "é" * 128, "a\x00b", "a\nb", ["u1"], {"id": 1}):
        assert code(userId=bad) == "invalid_id"
    assert code(userId=2**53) == "number_out_of_range"
    assert event(userId="x" * 255).leaf == "user_id:" + "x" * 255


# Names, properties, traits


def test_event_names_and_property_keys_match_by_slug() -> None:
    spellings = ("Product Viewed", "product_viewed", "productViewed", "product-viewed")
    assert {event(event=s).name for s in spellings} == {"product_viewed"}
    assert event(properties={"firstName": 1, "Total Price": {"aB": 2}}).properties == {
        "first_name": 1,
        "total_price": {"aB": 2},
    }


def test_the_exact_key_wins_a_clash_whatever_the_order() -> None:
    keys = {"firstName": 1, "first_name": 2, "First Name": 3}
    for order in (list(keys), list(reversed(keys))):
        assert event(properties={k: keys[k] for k in order}).properties == {"first_name": 2}
    assert event(properties={"b": 0, "aB": 1, "a-b": 2}).properties == {"b": 0, "a_b": 2}


def test_pages_and_screens_are_named_by_what_happened() -> None:
    page = event(type="page", name="Home", category="Docs", properties={"url": "/"})
    assert (page.kind, page.name) == ("page", "page_viewed")
    assert page.properties == {"url": "/", "name": "Home", "category": "Docs"}
    assert event(type="screen", name="Brightness").name == "screen_viewed"


def test_a_groups_traits_are_not_the_persons() -> None:
    found = event(
        SERVER, type="group", groupId="org-7", traits={"name": "GmbH", "email": "i@g.example"}
    )
    assert found.traits == {}
    assert found.properties == {"name": "GmbH", "email": "i@g.example", "group_id": "org-7"}
    assert found.ids == ("anonymous_id:a1",)


def test_rudderstacks_context_traits_count_for_identify_only() -> None:
    context = {"traits": {"email": "ana@shop.example", "plan": "pro"}}
    assert event(type="identify", context=context).traits["plan"] == "pro"
    assert event(type="track", context=context).traits == {}


def test_phones_are_stored_in_one_spelling_where_they_say_their_country() -> None:
    def phone(sent: object) -> object:
        return event(type="identify", traits={"phone": sent}).traits["phone"]

    assert phone("+49 (170) 123-4567") == "+491701234567"
    assert phone("0170 1234567") == "0170 1234567"
    assert phone(5) == 5


def test_phps_empty_lists_are_empty_objects() -> None:
    assert event(properties=[], traits=[], context=[]).properties == {}
    assert code(properties=[1]) == "invalid_event"
    assert code(properties="x") == "invalid_event"


def test_only_what_profiles_use_is_kept_of_the_context() -> None:
    context = {
        "ip": "203.0.113.7",
        "library": {"name": "x"},
        "locale": "en-US",
        "page": {"path": "/p", "title": "P"},
        "os": "iOS",
        "campaign": {"source": "newsletter", "name": ""},
    }
    assert event(SERVER, context=context, timestamp=NOW).context == {
        "locale": "en-US",
        "page": {"path": "/p"},
        "campaign": {"source": "newsletter"},
    }


def test_machines_are_flagged() -> None:
    assert "machine" in event(properties={"machine": True}).flags
    assert "machine" in event(properties={"sg_machine_open": True}).flags
    assert "machine" not in event(properties={"machine": "no"}).flags


# Limits


def test_r51_numbers_are_never_rounded() -> None:
    body = b'{"type":"track","event":"Paid","anonymousId":"a1","properties":{"amount":%s}}'
    for number in (b"123456789012345678901", b"-9007199254740992", b"1e400", b"NaN", b"-Infinity"):
        found = parse(body % number, BROWSER)
        assert isinstance(found, Rejected)
        assert found.code == "number_out_of_range"
    assert parse(body % b'{"deep":[123456789012345678901]}', BROWSER) == Rejected(
        "number_out_of_range",
        "properties.amount.[]: an integer beyond ±(2^53-1) would be rounded; send it as text",
    )
    kept = parse(body % b"9007199254740991", BROWSER)
    assert isinstance(kept, Event)
    assert kept.properties == {"amount": 2**53 - 1}


def test_a_long_digit_string_is_no_crash() -> None:
    for digits in (4_000, 6_000):
        body = b'{"type":"track","event":"E","anonymousId":"a1","timestamp":%s}' % (b"1" * digits)
        found = parse(body, BROWSER)
        assert isinstance(found, Rejected) or "clock_missing" in found.flags


def test_half_an_emoji_and_bad_utf8_are_refused() -> None:
    body = b'{"type":"track","event":"%s","anonymousId":"a1"}'
    for text in (rb"\ud83d", rb"\ude00", rb"\ud83dx", b"\xff"):
        found = parse(body % text, BROWSER)
        assert isinstance(found, Rejected)
        assert found.code == "invalid_unicode"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"a": "x" * 8193}, "string_too_long"),
        ({"a": {"b": "é" * 4097}}, "string_too_long"),
        ({"k" * 129: 1}, "key_too_long"),
        ({"a": {"é" * 65: 1}}, "key_too_long"),
        ({str(i): 1 for i in range(256)}, "too_many_keys"),
        ({"a": [{str(i): 1 for i in range(256)}]}, "too_many_keys"),
        ({"a": [[1] * 1000, [1] * 1000]}, "too_many_values"),
        (json.loads('{"a":' * 17 + "1" + "}" * 17), "too_deep"),
        (
            {"a": "x" * 8000, "b": "x" * 8000, "c": "x" * 8000, "d": "x" * 8000, "e": "x" * 800},
            "event_too_large",
        ),
    ],
)
def test_what_is_too_large_is_refused_and_never_cut(properties: object, expected: str) -> None:
    assert code(properties=properties) == expected


def test_what_just_fits_is_kept() -> None:
    deepest = json.loads('{"a":' * 16 + "1" + "}" * 16)
    for properties in (deepest, {"k" * 128: "x" * 8192}, {str(i): 1 for i in range(255)}):
        assert isinstance(outcome(properties=properties), Event)


def test_a_rejection_names_the_message() -> None:
    for bad in ({"userId": "a\x00"}, {"properties": "x"}, {"properties": {"a": "x" * 40_000}}):
        found = outcome(**bad)
        assert isinstance(found, Rejected)
        assert found.message_id == "m1"


def test_dangerous_keys_are_dropped_and_flagged() -> None:
    found = event(properties={"__proto__": 1, "a": [{"constructor": 1, "b": 2}], "prototype": 3})
    assert found.properties == {"a": [{"b": 2}]}
    assert "dropped_key" in found.flags


def test_the_last_of_two_equal_keys_wins() -> None:
    body = b'{"type":"track","event":"E","anonymousId":"a1","properties":{"a":1,"a":2}}'
    found = parse(body, BROWSER)
    assert isinstance(found, Event)
    assert found.properties == {"a": 2}


def test_what_is_no_call_is_refused() -> None:
    assert code(type="buy") == "unknown_type"
    assert code(type=None) == "unknown_type"
    assert code(event=None) == "missing_event_name"
    assert code(event="!!") == "invalid_event_name"
    assert code(messageId="x" * 256) == "invalid_message_id"
    assert code(messageId={}) == "invalid_message_id"


# Time


def test_r33_a_broken_clock_gives_the_received_time() -> None:
    for wrong in (3 * DAY, -3650 * DAY):
        for field in ("timestamp", "originalTimestamp"):
            found = event(BROWSER, **{field: iso(NOW + wrong), "sentAt": iso(NOW + wrong + 500)})
            assert (found.time, found.flags) == (NOW, ("clock_skew",))
            assert found.context["clock"]["sent"] == iso(NOW + wrong + 500)


def test_r33_without_sent_at_nothing_vouches_for_a_browsers_clock() -> None:
    for wrong in (3 * DAY, -3650 * DAY, -HOUR):
        found = event(originalTimestamp=iso(NOW + wrong))
        assert (found.time, found.flags) == (NOW, ("clock_missing",))
    assert event().time == NOW


def test_a_skewed_clock_is_corrected() -> None:
    fast = NOW + 2 * HOUR
    for field in ("timestamp", "originalTimestamp"):
        found = event(BROWSER, **{field: iso(fast - 3000), "sentAt": iso(fast - 1000)})
        assert (found.time, found.flags) == (NOW - 2000, ())


def test_history_survives_under_a_servers_key() -> None:
    then = "2025-05-06T07:08:09.123Z"
    ms = 1_746_515_289_123
    sent = {"sentAt": iso(NOW - 200)}
    assert event(SERVER, timestamp=then).time == ms
    assert event(SERVER, timestamp=then, **sent).time == ms
    assert event(SERVER, timestamp=then, originalTimestamp=iso(NOW - 500), **sent).time == ms


def test_nothing_happens_in_the_future() -> None:
    ahead = {"timestamp": iso(NOW + 3 * DAY)}
    for found in (event(SERVER, **ahead), event(BROWSER, **ahead, sentAt=iso(NOW))):
        assert (found.time, found.flags) == (NOW, ("clock_future",))


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-25T02:12:49Z",
        "2026-11-25T02:12:49.000000+00:00",
        "2026-11-25T03:12:49.000+01:00",
        "2026-11-25T02:12:49",
        "2026-11-25T02:12:49.000000000Z",
        1795572769000,
        1795572769,
        "1795572769000",
    ],
)
def test_times_are_read_as_sdks_write_them(written: object) -> None:
    assert event(SERVER, timestamp=written).time == 1_795_572_769_000


@pytest.mark.parametrize("written", ["soon", "", True, {}, [], -5, 10**40, "9" * 400])
def test_what_is_no_time_is_a_missing_one(written: object) -> None:
    found = event(SERVER, timestamp=written)
    assert (found.time, found.flags) == (NOW, ("clock_missing",))


# Keys and digests


def test_a_retry_is_the_same_message() -> None:
    first = event(sentAt=iso(NOW), timestamp=iso(NOW), context={"library": {"version": "1"}})
    later = Arrival("web", CLAIMED, (NOW + HOUR) * 1000)
    again = event(later, sentAt=iso(NOW + HOUR), timestamp=iso(NOW))
    assert (first.key, first.digest) == (again.key, again.digest)


def test_the_same_id_with_another_content_is_a_conflict() -> None:
    first = event(properties={"price": 1})
    for other in ({"properties": {"price": 2}}, {"event": "Other"}, {"timestamp": iso(NOW)}):
        found = event(**other)
        assert found.key == first.key
        assert found.digest != first.digest


def test_keys_tell_sources_leaves_and_messages_apart() -> None:
    keys = [
        event(),
        event(SERVER),
        event(anonymousId="a2"),
        event(messageId="m2"),
        event(anonymousId="a1:m", messageId="1"),
    ]
    assert len({e.key for e in keys}) == len(keys)
    assert {len(e.key) for e in keys} == {16}
    assert {len(e.digest) for e in keys} == {8}


def test_a_missing_message_id_is_derived_from_what_is_said() -> None:
    first, again = event(messageId=None, sentAt=iso(NOW)), event(messageId="", sentAt=iso(NOW - 1))
    assert first.message_id == again.message_id
    assert first.message_id.startswith("derived-")
    assert event(messageId=None, properties={"a": 1}).message_id != first.message_id
    assert event(SERVER, messageId=None).message_id != first.message_id


# For any input

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]) | _json,
        "event": st.text() | _json,
        **dict.fromkeys(
            ["userId", "anonymousId", "messageId", "previousId", "groupId", "name", "category"],
            st.text(max_size=5) | _json,
        ),
        **dict.fromkeys(
            ["timestamp", "originalTimestamp", "sentAt"],
            st.datetimes().map(str) | st.integers() | _json,
        ),
        "properties": st.dictionaries(st.text(), _json, max_size=5) | _json,
        "traits": st.fixed_dictionaries({}, optional={"email": _json, "phone": st.text()}) | _json,
        "context": st.fixed_dictionaries({}, optional={"page": _json, "traits": _json}) | _json,
    },
)


@given(_json | _fields, st.sampled_from([BROWSER, SERVER]))
def test_parse_never_raises_and_what_it_gives_can_be_stored(sent: Any, arrival: Arrival) -> None:
    found = parse(json.dumps(sent).encode(), arrival)
    if isinstance(found, Event):
        assert decode(encode([found])) == [found]
        assert parse(json.dumps(sent).encode(), arrival) == found


@given(st.binary())
def test_parse_never_raises_on_bytes(body: bytes) -> None:
    assert isinstance(parse(body, BROWSER), Event | Rejected)


@given(_fields, _json, _json)
def test_the_digest_ignores_when_it_was_sent(sent: dict[str, Any], one: Any, two: Any) -> None:
    found = [parse(json.dumps(sent | {"sentAt": at}).encode(), SERVER) for at in (one, two)]
    if all(isinstance(f, Event) for f in found):
        assert len({(f.key, f.digest) for f in found if isinstance(f, Event)}) == 1


@given(st.text())
def test_a_slug_is_its_own_slug(name: str) -> None:
    assert slug(slug(name)) == slug(name)


def test_only_a_vouched_address_in_normal_form_is_one() -> None:
    body = b'{"type":"identify","userId":"u1","traits":{"email":"Ana@Shop.Example","phone":"n/a"}}'
    server = Arrival(source="s", trust=VERIFIED, accepted_us=1_700_000_000_000_000)
    vouched = parse(body, server)
    claimed = parse(body, Arrival(source="s", trust=CLAIMED, accepted_us=1_700_000_000_000_000))
    assert isinstance(vouched, Event)
    assert isinstance(claimed, Event)
    assert vouched.addresses == {"email": vouched.traits["email"]}
    assert vouched.traits["phone"] == "n/a"
    assert vouched.ids == ("user_id:u1", "email:ana@shop.example")
    reached = parse(body.replace(b"n/a", b"+49 (170) 123-4567"), server)
    assert isinstance(reached, Event)
    assert reached.ids == (*vouched.ids, "phone:+491701234567")
    assert claimed.addresses == {}


SUBSCRIPTION = {
    "endpoint": "https://push.example/send/1",
    "expirationTime": None,
    "keys": {
        "p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQ",
        "auth": "tBHItJI5svbpez7KI4CCXg",
    },
}


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("fcm:APA91bHPRgkF3JUi", "push_token"),
        (json.dumps(SUBSCRIPTION, separators=(",", ":")), "web_push"),
        (
            json.dumps(SUBSCRIPTION | {"endpoint": "http://push.example/1"}, separators=(",", ":")),
            "",
        ),
        (json.dumps({"endpoint": "https://push.example/1"}, separators=(",", ":")), ""),
        ("{" + "x" * 20, ""),
        ("two words", ""),
        ("short", ""),
    ],
)
def test_a_device_gets_messages_by_its_token_or_its_browsers_subscription(
    token: str, kind: str
) -> None:
    said = {"type": "track", "event": "x", "userId": "u1", "context": {"device": {"token": token}}}
    for trust, expected in ((VERIFIED, [kind] if kind else []), (CLAIMED, [])):
        found = parse(json.dumps(said).encode(), Arrival("s", trust, 10**15))
        assert isinstance(found, Event)
        assert list(found.addresses) == expected
        assert (
            kind != "web_push" or trust == CLAIMED or "expirationTime" not in found.addresses[kind]
        )


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"kind": "email", "address": " Ana@Shop.Example "}, "ana@shop.example"),
        ({"kind": "phone", "address": "+49 (170) 123-4567"}, "+491701234567"),
        ({"kind": "push_token", "address": "fcm:APA91bHPRgkF3JUi"}, "fcm:APA91bHPRgkF3JUi"),
        ({"kind": "email", "address": "n/a"}, "invalid_address"),
        ({"kind": "fax", "address": "+49"}, "invalid_address"),
        ({"kind": "email"}, "invalid_address"),
        ({}, "invalid_address"),
    ],
)
def test_of_a_lost_address_a_server_says_which(said: dict[str, Any], found: str) -> None:
    for name in ("address_lost", "Address Restored"):
        body = json.dumps({"type": "track", "event": name, "userId": "u1", "properties": said})
        server = parse(body.encode(), Arrival("s", VERIFIED, 10**15))
        if isinstance(server, Rejected):
            assert server.code == found
        else:
            assert server.properties["address"] == found
        browser = parse(body.encode(), Arrival("s", CLAIMED, 10**15))
        assert isinstance(browser, Rejected)
        assert browser.code == "server_key_needed", "or anybody could silence anybody"
