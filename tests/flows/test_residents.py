"""Memory for people is bounded, whoever comes (H3); nobody is lost who leaves it."""

from flows.bounds import MB, Bounds
from flows.residents import GROWTH
from tests.shop import DAY, HOUR, MINUTE, Shop

CART = """
trigger: cart
when: {event: cart_updated, then_no: order_completed, within: 30m}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product, quiet_hours: off}
"""
FILES = {"triggers/cart.yaml": CART}
SMALL = Bounds(people=1 * MB, stride=64)


def rest(shop: Shop, seconds: int = 60) -> None:
    """Let the engine turn, with nothing to read."""
    for _ in range(seconds * 10):
        shop.now += 100
        shop.engine.pump()


def test_h3_one_shot_visitors_leave_memory_and_are_loaded_when_they_come_back() -> None:
    shop = Shop(FILES, bounds=SMALL)
    for n in range(3_000):
        shop.now += 10
        shop.do("page_viewed", anon=f"visitor{n}")
        if n % 10 == 0:
            shop.do("page_viewed", user="regular")
    state, residents = shop.engine.state, shop.engine.residents
    assert "user_id:regular" in state.index, "who comes often stays"
    rest(shop)
    assert 10 < len(state.people) < 2_000
    assert residents.bytes <= SMALL.people
    assert len(state.index) <= 2 * len(state.people) + 10
    assert state.find("anonymous_id:visitor0") is None
    shop.do("page_viewed", anon="visitor0")
    assert shop.person("anonymous_id:visitor0").leaves["anonymous_id:visitor0"].total == 2
    assert shop.count("people") == 3_001
    assert shop.count("applied") == 3_301


def test_a_timer_of_somebody_who_left_memory_fires_in_time() -> None:
    shop = Shop(FILES, bounds=SMALL._replace(people=0))
    started = shop.now
    shop.do("cart_updated", user="ana")
    rest(shop, 120)
    assert not shop.engine.state.people
    shop.wait_until(started + DAY)
    (sent,) = shop.sent
    assert sent.decided == started + 30 * MINUTE
    assert sent.leaf == "user_id:ana"


def test_a_timer_far_ahead_is_left_to_the_ledger() -> None:
    shop = Shop({"triggers/cart.yaml": CART.replace("30m", "9d")}, bounds=SMALL._replace(people=0))
    started = shop.now
    shop.do("cart_updated", user="ana")
    rest(shop, 120)
    assert not len(shop.engine.state.dues)
    shop.wait_until(started + 10 * DAY)
    assert [a.decided for a in shop.sent] == [started + 9 * DAY]


def test_an_event_that_ends_the_wait_of_somebody_who_left_memory() -> None:
    shop = Shop(FILES, bounds=SMALL._replace(people=0))
    shop.do("cart_updated", user="ana")
    rest(shop, 120)
    shop.do("order_completed", user="ana")
    shop.wait(HOUR)
    assert shop.sent == []


def test_who_was_not_stored_yet_stays() -> None:
    shop = Shop(FILES, bounds=SMALL._replace(people=0, stride=4096))
    shop.do("page_viewed", user="ana")
    for _ in range(4):
        shop.engine.residents.step()
    assert list(shop.engine.state.people) == [shop.person("user_id:ana").id]
    rest(shop)
    assert not shop.engine.state.people


def test_the_estimate_follows_the_packed_size() -> None:
    shop = Shop(FILES)
    shop.do("page_viewed", user="ana", x="y")
    rest(shop, 600)
    ana = shop.person("user_id:ana")
    assert ana.packed > 0
    assert shop.engine.residents.bytes == int(GROWTH * ana.packed)
