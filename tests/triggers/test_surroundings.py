"""Device and place: of the latest event that tells, remembered only where a condition asks."""

from events.context import as_context, select
from events.limits import Limits
from events.values import Check
from events.wire import NO_CONTEXT, RawContext
from tests.shop import MINUTE, Shop

TRIGGER = """
trigger: app_hint
when: {event: visited}
reentry: always
if: [device.type = phone, device.os = iOS, "geo.country in [DE, AT]"]
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""
SEGMENT = "segment: on_phones\nif: [device.type = phone]"
PHONE = {
    "device": {"type": "phone"},
    "os": {"name": "iOS", "version": "18.1"},
    "location": {"country": "DE", "city": "Berlin"},
}


def test_conditions_go_by_the_latest_event_that_tells_whatever_the_order() -> None:
    shop = Shop({"triggers/a.yaml": TRIGGER, "segments/b.yaml": SEGMENT})
    shop.do("visited", user="u1", context=PHONE)
    shop.do("visited", user="u1")
    assert len(shop.sent) == 2, "an event that tells nothing changes nothing"
    shop.do("visited", user="u1", context={"device": {"type": "desktop"}})
    assert "on_phones" not in shop.person("user_id:u1").member
    shop.do("opened", user="u1", context=PHONE, time=shop.now - MINUTE)
    shop.do("visited", user="u1")
    assert len(shop.sent) == 2, "what is older does not come back"
    shop.do("visited", user="u2", context={"device": {"type": "phone"}, "os": {"name": "iOS"}})
    assert len(shop.sent) == 2, "a place that nobody told equals nothing"


def test_they_outlive_the_engine_and_are_the_union_of_joined_devices() -> None:
    shop = Shop({"segments/b.yaml": SEGMENT})
    shop.do("visited", anon="a1", context=PHONE)
    shop.do("visited", user="u1")
    shop.engine.drain()
    shop.open()
    shop.join("anonymous_id:a1", "user_id:u1")
    assert "on_phones" in shop.person("user_id:u1").member


def test_nothing_of_them_is_kept_where_nobody_asks() -> None:
    shop = Shop({"segments/b.yaml": "segment: b\nif: [plan = pro]"})
    shop.do("visited", user="u1", context=PHONE)
    assert shop.person("user_id:u1").view.traits == {}


def test_the_door_keeps_the_country_and_the_city_and_no_coordinates() -> None:
    raw = RawContext(location={"country": "DE", "city": "Berlin", "latitude": 52.5})
    kept = select(as_context(raw), NO_CONTEXT, Check(Limits()))
    assert kept == {"location": {"country": "DE", "city": "Berlin"}}
