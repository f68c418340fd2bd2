"""History counts at any age, and starts nothing."""

from tests.shop import DAY, HOUR, Shop

SENDS = "do: [{send: {channels: [webhook]}}]\ndeliver: {purpose: product}\n"
FILES = {
    "segments/fans.yaml": "segment: fans\nif: count(product_viewed) >= 2\n",
    "segments/busy.yaml": "segment: busy\nif: count(product_viewed, last 7d) >= 2\n",
    "triggers/thanks.yaml": f"trigger: thanks\nwhen: {{event: order_completed}}\nreentry: always\n{SENDS}",
    "triggers/fan.yaml": f"trigger: fan\nwhen: {{segment: entered fans}}\n{SENDS}",
    "triggers/cart.yaml": f"trigger: cart\nwhen: {{event: cart_updated, then_no: order_completed, within: 2h}}\n{SENDS}",
}


def test_an_event_of_an_import_counts_at_any_age() -> None:
    shop = Shop(FILES)
    for _ in range(2):
        shop.do("product_viewed", user="ana", time=shop.now - 400 * DAY, import_id="old")
        shop.do("product_viewed", user="bob", time=shop.now - 400 * DAY)
    assert "fans" in shop.person("user_id:ana").member
    assert "fans" not in shop.person("user_id:bob").member, "without an import it is too old"


def test_windows_are_those_of_now() -> None:
    shop = Shop(FILES)
    for _ in range(2):
        shop.do("product_viewed", user="ana", time=shop.now - 6 * DAY, import_id="old")
        shop.do("product_viewed", user="bob", time=shop.now - 8 * DAY, import_id="old")
    assert "busy" in shop.person("user_id:ana").member
    assert "busy" not in shop.person("user_id:bob").member
    shop.wait(1 * DAY + 1)
    assert "busy" not in shop.person("user_id:ana").member


def test_nothing_occurs_from_history_however_young() -> None:
    shop = Shop(FILES)
    shop.do("order_completed", user="ana", time=shop.now - HOUR, import_id="old")
    shop.do("cart_updated", user="bob", time=shop.now, import_id="old")
    for _ in range(2):
        shop.do("product_viewed", user="cleo", time=shop.now, import_id="old")
    shop.wait(3 * HOUR)
    assert shop.sent == []
    shop.do("order_completed", user="ana")
    assert [a.trigger for a in shop.sent] == ["thanks"], "but the present goes on"


def test_joining_people_by_history_starts_nothing_either() -> None:
    shop = Shop(FILES)
    shop.do("product_viewed", anon="a1", time=shop.now - DAY, import_id="old")
    shop.do("product_viewed", user="ana", time=shop.now - DAY, import_id="old")
    shop.do("identify", user="ana", anon="a1", time=shop.now - DAY, import_id="old")
    assert "fans" in shop.person("user_id:ana").member
    assert shop.sent == []


def test_an_imported_order_ends_a_cart_that_waits() -> None:
    shop = Shop(FILES)
    shop.do("cart_updated", user="ana")
    shop.wait(HOUR)
    shop.do("order_completed", user="ana", time=shop.now, import_id="till")
    shop.wait(2 * HOUR)
    assert shop.sent == []


def test_an_import_read_twice_changes_nothing() -> None:
    shop = Shop(FILES)
    for _ in range(2):
        shop.do(
            "product_viewed", user="ana", time=shop.now - 400 * DAY, message_id="m", import_id="old"
        )
    assert shop.person("user_id:ana").leaves["user_id:ana"].total == 1
    assert shop.count("duplicate") == 1
