"""`recommended`: what a model recommends, as far as the catalogue has it in stock."""

from typing import Any

import pytest

from tests.shop import WORKSPACE, Shop
from triggers.load import load
from triggers.problems import WorkspaceError

TRIGGER = """
trigger: fits
when: {{event: product_viewed}}
if: ['{}']
reentry: always
do: [{{send: {{channels: [log], template: fits}}}}]
deliver: {{purpose: product, quiet_hours: off}}
"""
ITEMS: dict[str, dict[str, Any]] = {
    "p1": {"name": "Trail", "category": "Running Shoes", "stock": 3},
    "p2": {"name": "Cap", "category": ["hats", "sale"], "stock": 0},
    "p3": {"name": "Beanie", "category": ["Hats"]},
    "4": {"name": "Socks"},
}
TEMPLATE = {
    "templates/fits.log.liquid": "{% for item in recommended %}{{ item.id }} {{ item.name }}; {% endfor %}"
}


def shop_with(condition: str) -> Shop:
    shop = Shop({"triggers/fits.yaml": TRIGGER.format(condition), **TEMPLATE})
    shop.engine.stock(ITEMS)
    shop.run()
    return shop


def viewed(shop: Shop, product: object) -> bool:
    before = len(shop.sent)
    shop.do("product_viewed", user="ana", product_id=product)
    return len(shop.sent) > before


def test_the_first_of_a_score_that_are_in_stock() -> None:
    shop = shop_with("recommended(2) contains event.product_id")
    assert not viewed(shop, "p1"), "nobody has recommended anything yet"
    shop.score("ana", recommended=["p2", "gone", "p3", 4, "p1"])
    assert [p for p in ("p1", "p2", "p3", "4", "gone") if viewed(shop, p)] == ["p3", "4"]
    assert viewed(shop, 4)
    shop.engine.stock({**ITEMS, "p2": {"stock": 9}})
    shop.run()
    assert [p for p in ("p1", "p2", "p3", "4") if viewed(shop, p)] == ["p2", "p3"]


def test_a_category_by_its_slug_also_one_of_several() -> None:
    for category, right in (("running_shoes", ["p1"]), ("hats", ["p3"]), ("sale", []), ("x", [])):
        shop = shop_with(f"recommended(5, {category}) contains event.product_id")
        shop.score("ana", recommended=["p1", "p2", "p3", 4])
        assert [p for p in ("p1", "p2", "p3", "4") if viewed(shop, p)] == right


def test_nothing_recommended_is_missing() -> None:
    shop = shop_with("recommended(1) exists")
    shop.score("ana", recommended=["p2"])
    assert not viewed(shop, "p1")
    shop.score("ana", recommended="p1")
    assert not viewed(shop, "p1"), "a text is no list"
    shop.score("ana", recommended=["p1"])
    assert viewed(shop, "p1")


def test_a_template_speaks_of_the_items_as_they_are_when_it_is_decided() -> None:
    shop = shop_with("event.product_id exists")
    shop.score("ana", recommended=["p2", "p1", 4])
    assert viewed(shop, "p1")
    assert shop.sent[-1].facts["recommended"] == [
        {"id": "p1", **ITEMS["p1"]},
        {"id": "4", **ITEMS["4"]},
    ]


def test_people_who_were_not_in_memory_and_an_engine_that_starts_again_know_the_catalogue() -> None:
    shop = shop_with("recommended(1, hats) contains event.product_id")
    shop.score("ana", recommended=["p1", "p3"])
    shop.engine.drain()
    shop.open()
    assert viewed(shop, "p3")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("recommended(0) exists", "a whole number from 1 to 100"),
        ("recommended(shoes) exists", "a whole number from 1 to 100"),
        ("recommended(3, shoes, last 7d) exists", "a number and a category alone"),
    ],
)
def test_mistakes_are_named(condition: str, message: str) -> None:
    with pytest.raises(WorkspaceError, match=message):
        shop_with(condition)


def test_a_segment_does_not_ask_the_catalogue() -> None:
    segment = {"segments/a.yaml": "segment: a\nif: ['recommended(3) exists']\n"}
    with pytest.raises(WorkspaceError, match="ask for it in a trigger"):
        load({"workspace.yaml": WORKSPACE, **segment}, {})
