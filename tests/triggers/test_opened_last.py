"""opened_last(n, channel): the last messages were all opened, whatever arrives when."""

from itertools import permutations

import msgspec
import pytest

from tests.shop import DAY, HOUR, Shop, an_event

READER = "segment: reader\nif:\n  - opened_last(2, email)\n"


def shop_with(condition: str = "opened_last(2, email)") -> Shop:
    return Shop({"segments/reader.yaml": READER.replace("opened_last(2, email)", condition)})


def is_reader(shop: Shop, user: str = "u1") -> bool:
    return "reader" in shop.person(f"user_id:{user}").member


def mail(shop: Shop, *said: str, purpose: str = "marketing", user: str = "u1") -> None:
    """`+e1` sends the message e1, `e1` opens it, an hour apart."""
    for one in said:
        message = one.removeprefix("+")
        if one == message:
            shop.do("email_opened", user=user, message=message)
        else:
            shop.do("email_sent", user=user, message=message, purpose=purpose)
        shop.wait(HOUR)


def test_the_last_two_were_opened() -> None:
    shop = shop_with()
    mail(shop, "+e1", "+e2", "e1")
    assert not is_reader(shop)
    mail(shop, "e2")
    assert is_reader(shop)
    mail(shop, "+e3")
    assert not is_reader(shop), "the last two are e2 and e3 now"
    mail(shop, "e3")
    assert is_reader(shop)


def test_fewer_messages_than_asked_for_are_not_enough() -> None:
    shop = shop_with()
    mail(shop, "+e1", "e1", "e0")
    assert not is_reader(shop)


def test_somebody_who_got_nothing_opened_nothing() -> None:
    shop = shop_with("not opened_last(1, email)")
    shop.do("product_viewed", user="u1")
    mail(shop, "+e1", user="u2")
    assert is_reader(shop, "u2")
    mail(shop, "e1", user="u2")
    assert not is_reader(shop, "u2")


def test_one_that_was_opened_long_ago_still_counts() -> None:
    shop = shop_with()
    mail(shop, "+e1", "e1", "+e2", "e2")
    shop.wait(200 * DAY)
    shop.do("product_viewed", user="u1")
    assert is_reader(shop)


def test_transactional_messages_do_not_count() -> None:
    shop = shop_with()
    mail(shop, "+e1", "e1", "+e2", "e2")
    mail(shop, "+receipt", purpose="transactional")
    assert is_reader(shop)


def test_a_machine_opens_nothing() -> None:
    shop = shop_with("opened_last(1, email)")
    mail(shop, "+e1")
    opened = an_event("email_opened", user="u1", time=shop.now, message_id="o1", message="e1")
    shop.say([msgspec.structs.replace(opened, flags=("machine",))])
    assert not is_reader(shop)
    mail(shop, "e1")
    assert is_reader(shop)


def test_a_message_that_has_no_name_is_none() -> None:
    shop = shop_with("opened_last(1, email)")
    shop.do("email_sent", user="u1", purpose="marketing")
    shop.do("email_opened", user="u1")
    assert not is_reader(shop)


def test_another_channel_is_another_question() -> None:
    shop = shop_with("opened_last(1, sms)")
    mail(shop, "+e1", "e1")
    assert not is_reader(shop)
    shop.do("sms_sent", user="u1", message="s1")
    shop.do("sms_opened", user="u1", message="s1")
    assert is_reader(shop)


def test_what_is_sent_again_counts_from_its_newest_time() -> None:
    shop = shop_with("opened_last(1, email)")
    mail(shop, "+e1", "e1", "+e2")
    assert not is_reader(shop)
    mail(shop, "+e1")
    assert is_reader(shop)


@pytest.mark.parametrize("order", list(permutations(range(5)))[::7])
def test_any_order_of_arrival_gives_the_same(order: tuple[int, ...]) -> None:
    shop = shop_with()
    start = shop.now
    shop.wait(DAY)
    story = (("sent", "e1"), ("sent", "e2"), ("opened", "e2"), ("sent", "e3"), ("opened", "e3"))
    for nth in order:
        what, message = story[nth]
        shop.do(f"email_{what}", user="u1", message=message, time=start + nth)
    assert is_reader(shop)


def test_a_merge_takes_both_sides_together_and_a_crash_loses_nothing() -> None:
    shop = shop_with()
    mail(shop, "+e1", "+e2", "e1")
    shop.do("email_opened", anon="phone", message="e2")
    assert not is_reader(shop)
    shop.engine.drain()
    shop.open()
    shop.do("identify", user="u1", anon="phone")
    assert is_reader(shop)


def test_many_messages_are_no_burden() -> None:
    shop = shop_with()
    for n in range(30):
        mail(shop, f"+e{n}", f"e{n}")
    cells = shop.person("user_id:u1").leaves["user_id:u1"].cells
    assert {key.split()[1]: len(cell) for key, cell in cells.items()} == {
        "email_sent.message": 2,
        "email_opened.message": 30,
    }
    assert is_reader(shop)


def test_a_function_that_remembers_more_shares_the_same_cell() -> None:
    shop = shop_with(
        "opened_last(1, email) and distinct(email_sent.message where not purpose = transactional) > 2"
    )
    mail(shop, "+e1", "+e2", "+e3")
    assert not is_reader(shop)
    mail(shop, "e3")
    assert is_reader(shop)
    assert len(shop.person("user_id:u1").leaves["user_id:u1"].cells) == 2
