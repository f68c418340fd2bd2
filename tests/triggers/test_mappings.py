"""Conditions as mappings: each is an expression in other words, and a mistake in one has its place."""

from typing import Any

import msgspec
import pytest

from tests.shop import ADDRESSES, DAY, SECOND, WORKSPACE, Shop
from triggers import ast
from triggers.code import Code, Uses, functions
from triggers.definitions import Band
from triggers.expressions import parse
from triggers.load import load
from triggers.loading.conditions import all_of
from triggers.loading.context import Context
from triggers.loading.mappings import COMPARISONS
from triggers.loading.workspace import workspace_file
from triggers.problems import WorkspaceError
from triggers.signatures import signature_of
from triggers.yaml import read

BANDS = WORKSPACE + "bands: {ltv: {high: '>= 500'}}\n"
WORDS = {op: word for word, op in COMPARISONS.items()}
PAIRS = [
    ("{count: product_viewed, where: [price > 5], last: 7d, at_least: 3}", "count(product_viewed where price > 5, last 7d) >= 3"),
    ("{count: product_viewed, where: price > 5 and price < 9, last: 7d}", "count(product_viewed where price > 5 and price < 9, last 7d)"),
    ("{count: product_viewed, where: [price > 5, price < 9], at_least: 3}", "count(product_viewed where price > 5 and price < 9) >= 3"),
    ("{count: product_viewed, where: [price > 5 and colour = red, {property: price, less_than: 9}], at_least: 3}", "count(product_viewed where price > 5 and colour = red and price < 9) >= 3"),
    ("{count: product_viewed, where: {property: product_id, is: event.product_id}, last: 7d, at_least: 3}", "count(product_viewed where product_id = event.product_id, last 7d) >= 3"),
    ("{count: product_viewed, where: [{property: 'products[].category', contains: shoes}]}", "count(product_viewed where products[].category contains shoes)"),
    ("{count: product_viewed, where: [{any_of: [price > 5, {property: colour, in: [red, 3]}]}]}", "count(product_viewed where (price > 5 or colour in [red, 3]))"),
    ("{count: product_viewed, where: {none_of: [price > 5, colour exists]}}", "count(product_viewed where not (price > 5 or colour exists))"),
    ("{count: product_viewed, at_least: 3, at_most: 5}", "count(product_viewed) >= 3 and count(product_viewed) <= 5"),
    ("{count: Product Viewed, is: 0}", "count(product_viewed) = 0"),
    ("{count: product_viewed, between: [30d, 7d], is_not: 2}", "count(product_viewed, between 30d and 7d ago) != 2"),
    ("{count: product_viewed, since: entry, more_than: 1}", "count(product_viewed, since entry) > 1"),
    ("{never: order_completed, last: 7d}", "never(order_completed, last 7d)"),
    ("{never: order_completed}", "never(order_completed)"),
    ("{never: order_completed, since: entry}", "never(order_completed, since entry)"),
    ("{sum: order_completed.total, last: 90d, more_than: 200}", "sum(order_completed.total, last 90d) > 200"),
    ("{avg: order_completed.total, at_least: 40.5}", "avg(order_completed.total) >= 40.5"),
    ("{min: order_completed.total, less_than: -2}", "min(order_completed.total) < -2"),
    ("{max: order_completed.total, at_most: event.value}", "max(order_completed.total) <= event.value"),
    ("{first: order_completed.coupon, is: WELCOME}", "first(order_completed.coupon) = WELCOME"),
    ("{last: order_completed.total, at_least: 50}", "last(order_completed.total) >= 50"),
    ("{last: order_completed.total, between: [7d, now], at_least: 50}", "last(order_completed.total, last 7d) >= 50"),
    ("{last: order_completed.total, since: entry, exists: true}", "last(order_completed.total, since entry) exists"),
    ("{top: product_viewed.category, last: 30d, in: [shoes, hats]}", "top(product_viewed.category, last 30d) in [shoes, hats]"),
    ("{distinct: product_viewed.product_id, last: 10m, at_most: 2}", "distinct(product_viewed.product_id, last 10m) <= 2"),
    ("{since: order_completed, more_than: 45d}", "since(order_completed) > 45d"),
    ("{since: order_completed, where: [total > 5], at_most: 45d}", "since(order_completed where total > 5) <= 45d"),
    ("{since: trait.created, at_most: 60d}", "since(trait.created) <= 60d"),
    ("{streak: lesson_done, at_least: 7}", "streak(lesson_done, day) >= 7"),
    ("{seq: [cart_updated, coupon_failed], within: 30m, last: 7d}", "seq(cart_updated, coupon_failed, within 30m, last 7d)"),
    ("{seq: [a, b, a], within: 30m}", "seq(a, b, a, within 30m)"),
    ("{opened_last: 2, channel: email}", "opened_last(2, email)"),
    ("{consent: marketing, channel: whatsapp}", "consent(marketing, whatsapp)"),
    ("{bucket: 12.5%}", "bucket(12.5%)"),
    ("{in_segment: warm}", "in_segment(warm)"),
    ("{segment: warm}", "in_segment(warm)"),
    ("{segment: warm, is: false}", "in_segment(warm) = false"),
    ("{band: ltv, is: high}", "ltv is high"),
    ("{trait: plan, is: pro}", "plan = pro"),
    ("{trait: plan, is_not: two words}", "plan != 'two words'"),
    ("{trait: vip, is: true}", "vip = true"),
    ("{trait: cable, is: 5m}", "cable = '5m'"),
    ("{trait: timezone, is: Europe/Berlin}", "timezone = 'Europe/Berlin'"),
    ("{trait: site, is: shop.example}", "site = 'shop.example'"),
    ("{trait: city, is: trait.birthplace}", "city = trait.birthplace"),
    ("{trait: address.city, starts_with: Ber}", "address.city starts_with Ber"),
    ("{trait: tags, contains: vip}", "tags contains vip"),
    ("{trait: country, in: [DE, AT]}", "country in [DE, AT]"),
    ("{trait: phone, exists: true}", "phone exists"),
    ("{trait: phone, exists: false}", "not phone exists"),
    ("{score: churn, more_than: 0.7}", "churn > 0.7"),
    ("{score: rfm.monetary, is: 5}", "rfm.monetary = 5"),
    ("{item: price, less_than: 50}", "item.price < 50"),
    ("{event: value, at_least: 20}", "event.value >= 20"),
    ("{event: 'products[].category', contains: shoes}", "event.products[].category contains shoes"),
    ("{any_of: [{trait: plan, is: pro}, ltv > 5]}", "plan = pro or ltv > 5"),
    ("{none_of: [{trait: plan, is: pro}, {any_of: [ltv > 5, {segment: warm}]}]}", "not (plan = pro or (ltv > 5 or in_segment(warm)))"),
]  # fmt: skip


def made(written: str) -> tuple[Code, dict[str, Any], Uses]:
    """Compile conditions, whichever way they are written; with the slots and names that they use."""
    context = Context({"workspace.yaml": BANDS}, ADDRESSES)
    workspace_file(context)
    context.segments = {"warm"}
    context.bands = {"ltv": {"high": Band(">=", 500.0)}}
    document = read("segments/a.yaml", f"if: {written}")
    scope = context.scope(has_event=True, has_item=True).of_run()
    code = all_of(context, document, document.content["if"], ("if",), scope)
    assert context.problems == []
    return code, context.slots.by_key, scope.uses


@pytest.mark.parametrize(("mapping", "expression"), PAIRS)
def test_a_mapping_and_its_expression_are_the_same_code(mapping: str, expression: str) -> None:
    quoted = f'"{expression}"'
    assert made(mapping) == made(quoted)
    assert made(f"[{mapping}, a = 1]") == made(f"[{quoted}, a = 1]")


def as_mapping(node: ast.Node) -> dict[str, Any]:
    """Write an expression as a mapping, by the signature of the function that it asks."""
    if isinstance(node, ast.Compare):
        assert isinstance(node.right, ast.Literal | ast.Duration | ast.Name)
        match node.right:
            case ast.Literal(value):
                given = str(value)
            case ast.Duration(ms):
                given = f"{ms}ms"
            case ast.Name(path):
                given = path
        return as_mapping(node.left) | {WORDS[node.op]: given}
    assert isinstance(node, ast.Call)
    takes = signature_of(functions()[node.function])
    sources = iter([source.path for source in node.sources])

    def taken(kind: str) -> str:
        if kind == "DURATION":
            return f"{node.within}ms"
        if kind == "SHARE":
            return f"{float(node.number or 0) * 100}%"
        return str(node.number) if kind == "NUMBER" else next(sources)

    first = [s.path for s in node.sources] if takes.many else taken(takes.first)
    named = {key: taken(one.kind) for key, one in takes.named.items()}
    window = {} if node.window is None else {"last": f"{node.window.start}ms"}
    return {node.function: first} | named | window


@pytest.mark.parametrize("name", functions())
def test_every_function_is_reached_by_what_its_signature_says(name: str) -> None:
    """So whoever adds a function adds nothing for mappings; its own example proves it."""
    example = functions()[name].EXAMPLE
    mapping = msgspec.json.encode(as_mapping(parse(example))).decode()
    assert made(mapping) == made(f'"{example}"')


def problems(condition: str) -> list[str]:
    files = {
        "workspace.yaml": BANDS,
        "segments/warm.yaml": "segment: warm\nif: plan = pro\n",
        "segments/all.yaml": f"segment: all\nif:\n  - {condition}\n",
    }
    with pytest.raises(WorkspaceError) as error:
        load(files, ADDRESSES)
    return [str(problem) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("{cuont: a, at_least: 3}", "3:6: a condition was expected, found 'cuont'. Did you mean 'count'? Known: "),
        ("{any_off: [a = 1]}", "3:6: a condition was expected, found 'any_off'. Did you mean 'any_of'?"),
        ("plan: pro", "3:5: a condition was expected, found 'plan'."),
        ("a = 1 and b: c", "A colon inside a condition needs quotes around it."),
        ("{at_least: 3}", "3:5: a condition was expected. Known: any_of, avg, band, bucket,"),
        ("{last: 7d}", "3:5: a condition was expected. Known: "),
        ("{count: a, sum: b.c}", "3:16: one condition was expected, found count and sum; give each its own"),
        ("{count: a, lest: 7d}", "3:16: unknown key 'lest' beside `count`. Did you mean 'last'? Known: at_least,"),
        ("{count: a, wher: b = 1}", "3:16: unknown key 'wher' beside `count`. Did you mean 'where'?"),
        ("{bucket: 10%, last: 7d}", "3:19: unknown key 'last' beside `bucket`."),
        ("{count: [a, b]}", "3:13: EVENT was expected, found a list"),
        ("{count: ''}", "3:14: EVENT was expected, found ''"),
        ("{count: a, last: 7 days}", "3:22: a duration such as 30s, 30m, 2h or 7d was expected, found '7 days'"),
        ("{count: a, since: yesterday}", "3:23: `since: entry` was expected, found 'yesterday'"),
        ("{count: a, since: entry}", "3:6: `since entry` has a meaning in steps"),
        ("{count: a, between: 7d}", "3:25: two durations such as [30d, 7d] were expected"),
        ("{count: a, between: [7d, 30d]}", "3:26: the longer one comes first, found 7d"),
        ("{count: a, between: [7d, soon]}", "3:30: a duration such as 30s, 30m, 2h or 7d was expected, found 'soon'"),
        ("{count: a, last: 7d, between: [30d, 7d]}", "3:26: one window was expected, found last and between"),
        ("{count: a, at_least: [3]}", "3:26: one value was expected; several go with `in: [3]`"),
        ("{count: a, at_least: {b: c}}", "3:26: a value was expected, found a mapping"),
        ("{count: a, where: [b = 1, c = ]}", "3:34: "),
        ("{count: a, where: [b = 1, 'c = 2 or count(d) > 1']}", "3:41: "),
        ("{count: a, where: [b = 1, 'c = 2 and count(d) > 1']}", "3:42: a filter looks at properties of the counted event alone"),
        ("{count: a, where: {trait: b, is: 1}}", "3:24: a condition was expected, found 'trait'."),
        ("{count: a, where: {property: b}}", "3:24: `property` is compared, such as by `is: ..`"),
        ("{sum: order.total, where: [price > event.x]}", "3:40: inside a filter only `property = event.property`"),
        ("{sum: order}", "3:11: sum(...) needs a property"),
        ("{property: a, is: 1}", "3:6: a condition was expected, found 'property'."),
        ("{trait: plan, in: DE}", "3:23: a list was expected, such as `in: [DE, AT]`"),
        ("{trait: plan, exists: maybe}", "3:27: true or false was expected, found 'maybe'"),
        ("{trait: plan}", "3:6: `trait` is compared, such as by"),
        ("{trait: trait.plan, is: pro}", "3:13: a name alone was expected, such as `trait: plan`"),
        ("{event: value, at_least: 20}", "3:13: a segment has no event"),
        ("{segment: wram}", "3:15: unknown segment 'wram'. Did you mean 'warm'?"),
        ("{opened_last: 2, channel: emial}", "3:31: unknown channel 'emial'. Did you mean 'email'?"),
        ("{opened_last: 2}", "3:6: `channel: CHANNEL` is missing beside it"),
        ("{opened_last: two, channel: email}", "3:19: a number was expected, found 'two'"),
        ("{opened_last: 0, channel: email}", "3:6: opened_last(...) takes a whole number from 1 to 100"),
        ("{bucket: 10}", "3:14: a share such as 10% was expected, found '10'"),
        ("{consent: markting, channel: email}", "3:15: unknown purpose 'markting'. Did you mean 'marketing'?"),
        ("{seq: a, within: 2h}", "3:11: a list was expected, such as [EVENT, EVENT]"),
        ("{seq: [a, b]}", "3:6: `within: DURATION` is missing beside it"),
        ("{since: order_completed, is: 3}", "3:6: since(...) is compared by < <= > >= with a duration"),
        ("{band: ltv, is: hihg}", "3:21: 'ltv' has no band 'hihg'. Did you mean 'high'?"),
        ("{band: ltv, is_not: high}", "3:17: unknown key 'is_not' beside `band`."),
        ("{band: ltv}", "3:6: `band` goes with `is: WORD`"),
        ("{any_of: []}", "3:14: a list of conditions was expected"),
        ("{any_of: [a = 1, [b = 1]]}", "3:22: a condition was expected, found a list"),
        ("{any_of: [a = 1], count: b}", "3:23: nothing stands beside `any_of`; 'count' is a condition of its own"),
        ("{at_least: 3, of: [a = 1, b = 1]}", "3:16: a whole number from 1 to 2 was expected, such as `at_least: 1`, found '3'"),
        ("{of: [a = 1, b = 1]}", "3:5: a whole number from 1 to 2 was expected"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_mapping_is_named_with_its_place(condition: str, problem: str) -> None:
    found = problems(condition)
    assert len(found) == 1
    assert problem in found[0], found


def test_every_mistake_of_a_list_is_found_in_one_go() -> None:
    found = problems("any_of: [{trait: a}, {count: b, lst: 7d}, {none_of: [c = , d = 1]}]")
    assert len(found) == 3


EVERYWHERE = """
trigger: journey
when: {event: visited, where: {event: page, is: prices}}
if:
  - {trait: plan, is: pro}
  - any_of: [{never: bought, last: 1d}, bought_offline exists]
exit_when: [left, {trait: plan, is: free}]
reentry: always
do:
  - wait: 1h
  - if: {count: visited, since: entry, at_least: 2}
    then: [{send: {channels: [webhook]}}]
    else: [{send: {channels: [log]}}]
deliver: {purpose: product}
"""
CROSSING = """
trigger: crossing
when: {crosses: {score: churn, more_than: 0.7}}
do: [{send: {channels: [webhook]}}]
deliver: {purpose: product}
"""


def test_a_mapping_stands_wherever_a_condition_does() -> None:
    shop = Shop(
        {"triggers/journey.yaml": EVERYWHERE, "triggers/crossing.yaml": CROSSING},
        workspace=WORKSPACE + "exclude: {product: {trait: complains, is: true}}\n",
    )
    for who, plan in (("ana", "pro"), ("bob", "basic"), ("cyd", "pro"), ("dan", "pro")):
        shop.know(who, plan=plan)
    for who, page in (("ana", "prices"), ("bob", "prices"), ("cyd", "home"), ("dan", "prices")):
        shop.do("visited", user=who, page=page)
    waiting = [who for who in ("ana", "bob", "cyd", "dan") if shop.person(f"user_id:{who}").waits]
    assert waiting == ["ana", "dan"]
    shop.know("dan", plan="free")
    assert not shop.person("user_id:dan").waits
    shop.wait(SECOND)
    shop.do("visited", user="ana", page="prices")
    shop.do("visited", user="ana", page="home")
    shop.wait(DAY)
    assert [one.channel for one in shop.sent] == ["webhook"]
    shop.score("bob", churn=0.8)
    shop.know("cyd", complains=True)
    shop.score("cyd", churn=0.9)
    assert [one.leaf for one in shop.sent_by("crossing")] == ["user_id:bob"]
    assert shop.refusals("crossing")[-1] == "refused:excluded"
