"""The catalogue: items as records, and who hears of their changes."""

import json
from random import Random
from typing import Any

import pytest

from collector.door import Door
from collector.handle import handle
from collector.keys import KeyRing, create
from collector.outcome import Accepted
from collector.request import Request
from events.catalog import CatalogError, read_file
from events.record import Item, Offset, Spread, decode
from tests.shop import ADDRESSES, DAY, HOUR, MINUTE, WORKSPACE, Shop
from triggers.catalog import Catalog
from triggers.load import load
from triggers.problems import WorkspaceError

KEYS = {kind: create(kind, "shop", "2026-11-25T00:00:00Z") for kind in ("server", "browser")}
DOOR = Door(KeyRing([key for _, key in KEYS.values()]))


def post(body: Any, kind: str = "server", time: int = 1_772_000_000_000) -> Any:
    auth = {b"authorization": b"Bearer " + KEYS[kind][0].encode()}
    request = Request("POST", "/v1/catalog", b"", auth, json.dumps(body).encode())
    return handle(request, DOOR, time * 1000)


def trigger(
    item: str, rest: str = "", name: str = "it", seen: str = "product_viewed"
) -> dict[str, str]:
    text = f"""
trigger: {name}
when: {{item: {item}, seen: {seen}, last: 30d}}
{rest}
do: [{{send: {{channels: [webhook]}}}}]
deliver: {{purpose: product}}
"""
    return {f"triggers/{name}.yaml": text}


def say(shop: Shop, *items: dict[str, Any]) -> None:
    """The shop's server changes its catalogue, and everybody is asked."""
    done = post({"items": list(items)}, time=shop.now)
    assert isinstance(done, Accepted), done.body
    shop.say(list(done.records))
    shop.wait(MINUTE)


def told(shop: Shop, name: str = "it") -> list[tuple[str, str]]:
    return [(a.leaf.removeprefix("user_id:"), a.facts["item"]["id"]) for a in shop.sent_by(name)]


def test_items_come_through_the_door_under_a_servers_key_alone() -> None:
    done = post({"items": [{"id": 7, "Unit Price": 9.5}, {"id": "p2", "gone": True}]})
    assert [(i.id, i.fields, i.gone) for i in done.records] == [
        ("7", {"unit_price": 9.5}, False),
        ("p2", {}, True),
    ]
    assert post({"items": []}, "browser").status == 403


@pytest.mark.parametrize(
    ("items", "where"),
    [
        ([{"price": 1}], "items[0].id"),
        ([{"id": "a"}, {"id": ""}], "items[1].id"),
        ([{"id": "a\n"}], "items[0].id"),
        ([{"id": "a", "n": 2**60}], "items[0].n"),
        ("p1", "items"),
    ],
)
def test_an_item_that_is_none_is_refused_and_none_of_its_request_counts(
    items: Any, where: str
) -> None:
    refused = post({"items": items})
    assert refused.status == 400
    assert where in json.loads(refused.body)["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: a column id, product_id, item_id or sku was expected, found nothing"),
        ("name,price\nx,1\n", "found name, price"),
        ("id,price\np1\n", "line 2: 2 cells were expected, found 1"),
        ("id,price\np1,1\np1,2\n", "line 3: an item's id was expected, found 'p1' a second time"),
        ("id,price\n,1\n", "line 2: an item's id was expected, found nothing"),
        ('id,price\n"p1,1\n', "line 2"),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_refused_by_line(text: str, message: str) -> None:
    with pytest.raises(CatalogError) as error:
        read_file(text)
    assert message in str(error.value)


def test_a_price_drop_is_told_to_whoever_saw_that_item_lately_and_nobody_else() -> None:
    shop = Shop(trigger("price_drop 10%", "if: [item.price < 50]"))
    say(shop, {"id": "p1", "price": 40, "name": "Shoe"}, {"id": "p2", "price": 20})
    shop.do("product_viewed", user="late", product_id="p1")
    shop.wait(31 * DAY)
    shop.do("product_viewed", user="ana", product_id="p1")
    shop.do("product_viewed", anon="bob", product_id="p2")
    shop.do("product_viewed", user="cyd", product_id="p1", machine=True)
    shop.do("cart_updated", user="dan", product_id="p1")
    shop.wait(MINUTE)
    say(shop, {"id": "p1", "price": 36.01})
    assert not shop.sent, "less than ten per cent"
    say(shop, {"id": "p1", "price": 32})
    assert sorted(told(shop)) == [("ana", "p1"), ("cyd", "p1")]
    assert shop.sent[0].facts["item"] == {
        "id": "p1",
        "price": 32,
        "name": "Shoe",
        "was": {"price": 36.01, "name": "Shoe"},
    }
    say(shop, {"id": "p1", "price": 32}, {"id": "p2", "name": "Sock"})
    assert len(shop.sent) == 2, "nothing has dropped"


def test_back_in_stock_and_changed_are_told_each_time_once_per_item() -> None:
    files = trigger("back_in_stock") | trigger(
        "changed colour", "if: [item.was.colour = red]", "other"
    )
    shop = Shop(files)
    say(
        shop,
        {"id": "p1", "stock": 0, "colour": "red"},
        {"id": "p2", "availability": "out of stock"},
    )
    for item in ("p1", "p2"):
        shop.do("product_viewed", user="ana", product_id=item)
    shop.wait(MINUTE)
    say(shop, {"id": "p1", "stock": 3}, {"id": "p2", "availability": "in_stock"})
    assert sorted(told(shop)) == [("ana", "p1"), ("ana", "p2")]
    say(shop, {"id": "p1", "colour": "blue"})
    say(shop, {"id": "p1", "colour": "green"})
    assert told(shop, "other") == [("ana", "p1")]
    shop.wait(2 * HOUR)
    say(shop, {"id": "p1", "stock": 0})
    say(shop, {"id": "p1", "stock": 1})
    assert told(shop).count(("ana", "p1")) == 2
    say(shop, {"id": "p1", "gone": True})
    say(shop, {"id": "p1", "stock": 1, "colour": "red"})
    assert told(shop).count(("ana", "p1")) == 2, "what is new has not changed"


def fields(catalog: Catalog, item: str) -> dict[str, Any] | None:
    known = catalog.get(item)
    assert known is not None
    return known.fields


def crowd(shop: Shop, size: int = 1000) -> None:
    for start in range(0, size, 100):
        for n in range(start, start + 100):
            shop.do("product_viewed", user=f"u{n}", product_id="p1")
    shop.wait(MINUTE)


def test_many_people_are_asked_at_a_bounded_rate_and_each_once_however_often_the_engine_dies() -> (
    None
):
    random = Random(3)
    shop = Shop(trigger("back_in_stock"))
    say(shop, {"id": "p1", "in_stock": False})
    crowd(shop)
    done = post({"items": [{"id": "p1", "in_stock": True}]}, time=shop.now)
    shop.say(list(done.records))
    for _ in range(60):
        shop.now += 100
        shop.engine.pump()
        shop.run()
        if random.random() < 0.3:
            shop.open()  # as after a kill: what was not written is read again
            shop.run()
    shop.wait(MINUTE)
    assert len(told(shop)) == len(set(told(shop))) == 1000
    entries = shop.log.read(0, -1, 10_000, 0)
    asked = [one for e in entries for one in decode(e.payload) if isinstance(one, Spread)]
    assert max(len(one.leaves) for one in asked) == 200
    assert len(asked) >= 5
    assert not list(shop.engine.state.catalog.untold())


def test_who_was_joined_is_told_once_and_who_was_erased_leaves_nothing() -> None:
    shop = Shop(trigger("back_in_stock"))
    say(shop, {"id": "p1", "in_stock": False})
    for user in ("a", "b", "gone"):
        shop.do("product_viewed", user=user, product_id="p1")
    shop.join("user_id:a", "user_id:b")
    shop.erase("user_id:gone")
    shop.wait(MINUTE)
    assert set(shop.shelf.seen_items["product_viewed.product_id", "p1"]) == {
        "user_id:a",
        "user_id:b",
    }
    say(shop, {"id": "p1", "in_stock": True})
    assert told(shop) == [("a", "p1")]


def test_a_change_that_nobody_has_heard_of_yet_is_overtaken_by_the_next() -> None:
    shop = Shop(trigger("price_drop 10%"))
    say(shop, {"id": "p1", "price": 100})
    shop.do("product_viewed", user="ana", product_id="p1")
    items = [post({"items": [{"id": "p1", "price": p}]}, time=shop.now).records for p in (80, 60)]
    shop.say([item for many in items for item in many])
    shop.wait(MINUTE)
    assert [a.facts["item"]["price"] for a in shop.sent] == [60]


def test_the_ledger_has_each_item_as_it_was_at_the_mark_and_all_since() -> None:
    catalog, again = Catalog(), Catalog()
    for n in range(1, 6):
        catalog.apply(Item("p", {"n": n}, 0, "api", whole=False), Offset(n, 0))
    packed = catalog.packed("p", Offset(3, 0))
    again.load({"p": packed}, Offset(3, 5))
    assert fields(again, "p") == {"n": 3}
    again.load({"p": catalog.packed("p", Offset(5, 0))}, Offset(5, 0))
    assert fields(again, "p") == {"n": 5}


def test_a_file_brings_the_catalogue_to_what_it_says_and_leaves_what_came_otherwise() -> None:
    shop = Shop(trigger("price_drop 10%"))
    say(shop, {"id": "api", "price": 5})
    assert shop.engine.stock(read_file("id,price,name\np1,10,Shoe\np2,20,\n"))
    shop.run()
    shop.do("product_viewed", user="ana", product_id="p1")
    shop.wait(MINUTE)
    assert not shop.engine.stock(read_file("id,price,name\np1,10,Shoe\np2,20,\n"))
    assert shop.engine.stock(read_file("sku,price\np1,8\n"))
    shop.wait(MINUTE)
    assert [a.facts["item"] for a in shop.sent] == [
        {"id": "p1", "price": 8, "was": {"price": 10, "name": "Shoe"}}
    ]
    catalog = shop.engine.state.catalog
    assert {name for name in ("api", "p1", "p2") if fields(catalog, name) is not None} == {
        "api",
        "p1",
    }
    shop.engine.drain()
    shop.open()
    assert len(shop.engine.state.catalog) == 2


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (
            "{item: cheaper, seen: x}",
            "`price_drop 10%`, `back_in_stock` or `changed FIELD` was expected, found 'cheaper'",
        ),
        ("{item: changed, seen: x}", "found 'changed'"),
        ("{item: price_drop, seen: x}", "a share above 0% and below 100%"),
        ("{item: back_in_stock}", "`seen: EVENT` is missing"),
        ("{item: back_in_stock, seen: x, last: 500d}", "at most 400d was expected"),
        ("{event: y, seen: x}", "`seen` goes with item"),
    ],
)
def test_an_occurrence_that_makes_no_sense_is_refused(when: str, message: str) -> None:
    text = trigger("back_in_stock")["triggers/it.yaml"].split("\n")
    files = {"triggers/it.yaml": "\n".join([*text[:2], f"when: {when}", *text[3:]])}
    with pytest.raises(WorkspaceError) as error:
        load({"workspace.yaml": WORKSPACE, **files}, ADDRESSES)
    assert message in str(error.value)


def test_only_where_an_item_is_the_occurrence_is_there_one() -> None:
    text = "trigger: it\nwhen: {event: x}\nif: [item.price > 5]\ndo: [exit]\n"
    with pytest.raises(WorkspaceError, match="only where `when` is `item`"):
        load({"workspace.yaml": WORKSPACE, "triggers/it.yaml": text}, ADDRESSES)
