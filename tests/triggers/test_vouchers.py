"""Vouchers in a workspace: pools are declared, and a template's mistake is said at its place."""

import pytest

from tests.shop import ADDRESSES, WORKSPACE, Shop
from triggers.load import load, pools
from triggers.problems import WorkspaceError
from triggers.templates import parse, render
from triggers.vouchers import Codes

POOLS = WORKSPACE + "vouchers: {summer: {low: 100}, winter: {}}\n"
HELLO = """
trigger: hello
when: {event: seen}
do: [{send: {channels: [email], template: hello}}]
deliver: {purpose: product}
"""


def problems(workspace: str, template: str, trigger: str = HELLO) -> list[str]:
    files = {
        "workspace.yaml": workspace,
        "triggers/hello.yaml": trigger,
        "templates/hello.liquid": template,
    }
    try:
        load(files, ADDRESSES)
    except WorkspaceError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Hi\n  {{ voucher.sumer }}", "2:6: unknown voucher pool 'sumer'. Did you mean 'summer'?"),
        (
            "---\nsubject: A {{ voucher.spring }}\n---\n",
            "2:1: unknown voucher pool 'spring'. Known: summer, winter",
        ),
        ("---\nsubject: A\n---\nB\n{{ voucher }}", "5:4: `voucher` was expected with the name of"),
        ("{{ voucher[plan] }}", "1:4: `voucher` was expected with the name of a pool"),
        ("{{ voucher.summer.code }}", "1:4: `voucher` was expected with the name of a pool"),
        ("{% for v in voucher %}{% endfor %}", "1:13: `voucher` was expected with the name"),
        ("{% if plan == voucher.spring %}{% endif %}", "1:15: unknown voucher pool 'spring'."),
    ],
)
def test_a_pool_that_is_not_there_is_a_mistake_at_its_place(template: str, said: str) -> None:
    [problem] = problems(POOLS, template)
    assert problem.startswith(f"templates/hello.liquid:{said}")


def test_without_pools_it_says_where_they_are_declared() -> None:
    [problem] = problems(WORKSPACE, "{{ voucher.summer }}")
    assert problem.endswith("Known: none yet; `vouchers` in workspace.yaml has them")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{Summer: {}}", "in lower case, was expected, found 'Summer'"),
        ("{summer: {low: -1}}", "`low: 0` or more was expected, found -1"),
        ("{summer: {low: few}}", "a whole number"),
        ("{summer: {lo: 1}}", "Did you mean 'low'?"),
    ],
)
def test_a_pool_that_is_written_wrong_is_a_mistake_at_its_place(said: str, expected: str) -> None:
    found = problems(f"{WORKSPACE}vouchers: {said}\n", "Hi")
    assert [expected in one for one in found] == [True]
    assert found[0].startswith("workspace.yaml:")


def test_pools_are_known_with_when_they_are_low() -> None:
    assert pools({"workspace.yaml": POOLS}) == {"summer": 100, "winter": 0}


def test_a_voucher_is_no_fact_and_a_trait_of_that_name_stands_nowhere() -> None:
    files = {"triggers/hello.yaml": HELLO, "templates/hello.liquid": "{{ voucher.summer }} {{ x }}"}
    shop = Shop(files, workspace=POOLS)
    shop.know("ana", email="ana@shop.example", voucher="mine", x=1)
    shop.do("seen", user="ana")
    [sent] = shop.sent
    assert sent.facts == {"x": 1}
    template, codes = parse("t.liquid", "{{ voucher.summer }}"), Codes({"summer": "S-1"})
    assert render(template, {"voucher": {"summer": "mine"}}, {}, "sms", vouchers=codes)[1] == "S-1"
    assert render(template, {"voucher": {"summer": "mine"}}, {}, "sms")[1] == ""


def test_what_systems_are_told_has_no_voucher() -> None:
    step = '{crm: {system: salesforce, task: "Tell {{ voucher.summer }}"}}'
    trigger = HELLO.replace("{send: {channels: [email], template: hello}}", step)
    [problem] = problems(POOLS, "Hi", trigger)
    assert "a voucher is for messages to people; leave it out" in problem


def test_a_code_is_escaped_in_an_email() -> None:
    codes = Codes({"summer": "A&B"})
    subject, text, html = render(
        parse("t", "{{ voucher.summer }}"), {}, {}, "email", vouchers=codes
    )
    assert (subject, text, html) == ("", "A&B", "A&amp;B")
    assert codes.lacking == set()
